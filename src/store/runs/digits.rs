//! Formats values that are shown together: with the same unit, and only as many digits as their spread makes meaningful.

/// How several values are formatted.
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    factor: f64,
    unit: &'static str,
    decimals: usize,
}

impl Digits {
    /// For these times in seconds, and their spread.
    pub fn of_seconds(seconds: &[f64], spread: Option<f64>) -> Digits {
        let largest = largest(seconds);
        let (factor, unit, finest) = match largest {
            _ if largest == 0.0 || largest >= 0.9995 => (1.0, "s", 6),
            _ if largest >= 999.5e-6 => (1e3, "ms", 6),
            _ if largest >= 999.5e-9 => (1e6, "us", 3),
            _ => (1e9, "ns", 0),
        };
        Digits { factor, unit, decimals: decimals(seconds, spread, factor).min(finest) }
    }

    /// For these sizes in bytes, and their spread.
    pub fn of_bytes(bytes: &[f64], spread: Option<f64>) -> Digits {
        const KIB: f64 = 1024.0;
        let largest = largest(bytes);
        // A size is a whole number of pages of 4 KiB, so more decimals would mean nothing.
        let (factor, unit, finest) = match largest {
            _ if largest < KIB => (1.0, "B", 0),
            _ if largest < KIB * KIB => (1.0 / KIB, "KiB", 0),
            _ if largest < KIB * KIB * KIB => (1.0 / (KIB * KIB), "MiB", 3),
            _ => (1.0 / (KIB * KIB * KIB), "GiB", 6),
        };
        Digits { factor, unit, decimals: decimals(bytes, spread, factor).min(finest) }
    }

    pub fn write(&self, v: f64) -> String {
        format!("{:.*} {}", self.decimals, v * self.factor, self.unit)
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, v| largest.max(v.abs()))
}

/// At least three digits of the largest value, and one of the smallest and of the spread.
fn decimals(values: &[f64], spread: Option<f64>, factor: f64) -> usize {
    let largest = largest(values);
    let all = if largest == 0.0 { 0 } else { first_digit(largest * factor) + 2 };
    let least = values.iter().map(|v| v.abs()).filter(|v| *v > 0.0).fold(largest, f64::min);
    let of_least_and_spread = [first_digit(least * factor), spread.map_or(0, |spread| first_digit(spread * factor))];
    let decimals = of_least_and_spread.into_iter().fold(all, i32::max);
    usize::try_from(decimals).unwrap_or(0)
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
            let digits = Digits::of_seconds(seconds, spread);
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

    #[test]
    fn sizes() {
        let written = |bytes: &[f64], spread| {
            let digits = Digits::of_bytes(bytes, spread);
            bytes.iter().map(|b| digits.write(*b)).collect::<Vec<_>>()
        };
        // 2.25 MiB and one page more.
        assert_eq!(written(&[2_359_296.0, 2_363_392.0], Some(2896.0)), ["2.250 MiB", "2.254 MiB"]);
        assert_eq!(written(&[2_359_296.0, 2_359_296.0], Some(0.0)), ["2.25 MiB", "2.25 MiB"]);
        assert_eq!(written(&[204_800.0], None), ["200 KiB"]);
        assert_eq!(written(&[1_073_741_824.0, 536_870_912.0], Some(4e8)), ["1.00 GiB", "0.50 GiB"]);
        assert_eq!(written(&[0.0], None), ["0 B"]);
    }
}
