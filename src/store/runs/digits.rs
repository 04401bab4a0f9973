//! Formats times that are shown together: with the same unit, and only as many digits as their spread makes meaningful.

/// How several times are formatted.
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    factor: f64,
    unit: &'static str,
    decimals: usize,
}

impl Digits {
    /// For these times in seconds, and their spread.
    pub fn new(seconds: &[f64], spread: Option<f64>) -> Digits {
        let largest = seconds.iter().fold(0.0f64, |largest, s| largest.max(s.abs()));
        let (factor, unit, finest) = match largest {
            _ if largest == 0.0 || largest >= 0.9995 => (1.0, "s", 6),
            _ if largest >= 999.5e-6 => (1e3, "ms", 6),
            _ if largest >= 999.5e-9 => (1e6, "us", 3),
            _ => (1e9, "ns", 0),
        };
        // At least three digits of the largest value, and one of the smallest.
        let all = if largest == 0.0 { 0 } else { first_digit(largest * factor) + 2 };
        let least = seconds.iter().map(|s| s.abs()).filter(|s| *s > 0.0).fold(largest, f64::min);
        let decimals = [first_digit(least * factor), spread.map_or(0, |spread| first_digit(spread * factor))];
        let decimals = decimals.into_iter().fold(all, i32::max);
        Digits { factor, unit, decimals: usize::try_from(decimals).unwrap_or(0).min(finest) }
    }

    pub fn write(&self, seconds: f64) -> String {
        format!("{:.*} {}", self.decimals, seconds * self.factor, self.unit)
    }
}

/// Number of decimal places up to the first digit that is not zero: 1 for 0.25, 0 for 2.5, -1 for 25.
fn first_digit(v: f64) -> i32 {
    #[allow(clippy::cast_possible_truncation, reason = "it saturates")]
    if v > 0.0 { -(v.log10().floor() as i32) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_spread() {
        let written = |seconds: &[f64], spread| {
            let digits = Digits::new(seconds, spread);
            seconds.iter().map(|s| digits.write(*s)).collect::<Vec<_>>()
        };
        assert_eq!(written(&[1.002_143, 1.001_8], Some(257e-6)), ["1.0021 s", "1.0018 s"]);
        // The unit of the largest value.
        assert_eq!(written(&[0.9, 1.2], Some(0.2)), ["0.90 s", "1.20 s"]);
        assert_eq!(written(&[0.000_740, 0.001_21], Some(0.000_3)), ["0.74 ms", "1.21 ms"]);
        assert_eq!(written(&[52.3e-3, 80.0e-3], Some(0.014)), ["52.3 ms", "80.0 ms"]);
        assert_eq!(written(&[130.25], Some(12.0)), ["130 s"]);
        assert_eq!(written(&[0.002, 2.89], Some(1.67)), ["0.002 s", "2.890 s"]);
        // Not more precise than the clock.
        assert_eq!(written(&[1.0, 1.0], Some(1e-12)), ["1.000000 s", "1.000000 s"]);
        assert_eq!((written(&[0.0], None), written(&[2e-7], None)), (vec!["0 s".into()], vec!["200 ns".into()]));
    }
}
