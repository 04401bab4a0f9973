//! Sparklines: small lines beside a number.

use super::path::Path;

pub const WIDTH: u32 = 120;
pub const HEIGHT: u32 = 20;

/// At most this many values are drawn; more are combined.
pub const COLUMNS: usize = 120;

/// A line from the first value to the last. `places` are from 0 to 1, one per value; `None` is a gap. Without a value:
/// nothing.
pub fn line(values: &[(f64, Option<f64>)]) -> String {
    let finite = || values.iter().filter_map(|(_, v)| *v).filter(|v| v.is_finite());
    let (Some(low), Some(high)) = (finite().reduce(f64::min), finite().reduce(f64::max)) else { return String::new() };
    // From zero, as the charts, so that noise does not look like change.
    let low = if low > 0.0 && high - low > high * 1e-6 { 0.0 } else { low };
    let place = |v: f64| {
        let share = (v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        if share.is_finite() { share } else { 0.0 }
    };
    let y = |v: f64| f64::from(HEIGHT) - 1.0 - place(v) * f64::from(HEIGHT - 2);
    let mut path = Path::default();
    let mut is_open = false;
    for (n, (at, value)) in values.iter().enumerate() {
        let x = at * f64::from(WIDTH);
        match value.filter(|v| v.is_finite()) {
            Some(v) if is_open => path.line(x, y(v)),
            Some(v) => {
                path.start(x, y(v));
                if values.get(n + 1).is_none_or(|(_, next)| next.is_none()) {
                    path.line(x + 2.0, y(v));
                }
                is_open = true;
            }
            None => is_open = false,
        }
    }
    let d = path.done();
    // The fewest bytes: a page has hundreds.
    format!("<svg class=spark width={WIDTH} height={HEIGHT}><path fill=none stroke=currentColor d=\"{d}\"/></svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(values: &[Option<f64>]) -> String {
        let all: Vec<_> = values.iter().enumerate().map(|(n, v)| (n as f64 / 10.0, *v)).collect();
        let svg = line(&all);
        svg.split_once(" d=\"").map_or(String::new(), |(_, d)| d.split('"').next().unwrap_or_default().to_string())
    }

    #[test]
    fn from_zero_with_gaps() {
        assert_eq!(path(&[Some(0.0), Some(9.0), None, Some(4.5)]), "M0 19l12-18M36 10h2");
        assert_eq!(path(&[None, None]), "");
        assert_eq!(path(&[Some(5.0), Some(5.0)]), "M0 19h12", "constant");
        assert_eq!(path(&[Some(-1e308), Some(1e308)]), "M0 19l12-18");
    }
}
