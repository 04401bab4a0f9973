//! How times are written on the command line.

use std::time::Duration;

use serde::{Serialize, Serializer};

const FORM: &str = "a time is written like 500ms, 1s, 5m or 1h30m";

/// A bare number up to this can only be seconds in an interval.
const SURELY_SECONDS: f64 = 60.0;

/// Parses a duration: `500ms`, `1s`, `5m`. A bare number is seconds, as in `sleep` and `timeout`.
///
/// # Errors
/// What is wrong, and how times are written.
pub fn duration(text: &str) -> Result<Duration, String> {
    match bare(text) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| FORM.to_string()),
        None => with_unit(text),
    }
}

/// Parses the time between two samples: as above, except that a large bare number is refused, because it may be meant
/// as milliseconds, as in `perf stat -I`.
///
/// # Errors
/// What is wrong, and how times are written.
pub fn interval(text: &str) -> Result<Duration, String> {
    match bare(text) {
        Some(number) if number > SURELY_SECONDS => {
            let number = text.trim();
            Err(format!("{number}s or {number}ms? a number without a unit is seconds, at most 60"))
        }
        _ => duration(text),
    }
}

/// Parses a time that is rarely given in seconds: the unit is required.
///
/// # Errors
/// What is wrong, and how times are written.
pub fn with_unit(text: &str) -> Result<Duration, String> {
    if bare(text) == Some(0.0) {
        return Ok(Duration::ZERO);
    }
    if let Some(number) = bare(text).map(|_| text.trim()) {
        return Err(format!(
            "{number}s, {number}m or {number}h? a unit is required: a time is written like 30m, 1h or 7d"
        ));
    }
    if let Some(number) = text.trim().strip_suffix('M').filter(|number| bare(number).is_some()) {
        return Err(format!("{number}m (minutes) or {number}months? {FORM}"));
    }
    let fraction = text.contains('.').then(|| fraction(text)).flatten();
    fraction.or_else(|| humantime::parse_duration(text).ok()).ok_or_else(|| FORM.to_string())
}

fn bare(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// `1.5h`
fn fraction(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().ok()?;
    let one = humantime::parse_duration(&format!("1{}", unit.trim_start())).ok()?;
    Duration::try_from_secs_f64(one.as_secs_f64() * number).ok()
}

/// For facts in JSON: a number of seconds, or null.
///
/// # Errors
/// As the serializer.
pub fn as_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("600"), Ok(Duration::from_secs(600)), "as in `sleep 600`");
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        for wrong in ["-1", "soon", "", "nan", "inf", "1e30", "5 parsecs", "1,5s", ".s", "1.5.5s"] {
            assert_eq!(duration(wrong), Err(FORM.into()), "{wrong}");
        }
        assert!(duration("5M").unwrap_err().starts_with("5m (minutes) or 5months?"));
    }

    #[test]
    fn a_large_bare_interval_may_be_milliseconds() {
        assert_eq!(interval("60"), Ok(Duration::from_secs(60)));
        assert_eq!(interval("0.1"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("1000ms"), Ok(Duration::from_secs(1)));
        assert_eq!(interval("100s"), Ok(Duration::from_secs(100)));
        for number in ["1000", "500", "61", "60.5", "1e3"] {
            assert!(interval(number).unwrap_err().starts_with(&format!("{number}s or {number}ms?")), "{number}");
        }
    }

    #[test]
    fn times_with_a_required_unit() {
        assert_eq!(with_unit("7d"), Ok(Duration::from_secs(7 * 86400)));
        assert_eq!(with_unit("1 h"), Ok(Duration::from_secs(3600)));
        assert_eq!(with_unit("0"), Ok(Duration::ZERO), "the same in every unit");
        for number in ["7", "3600", "0.5"] {
            assert!(with_unit(number).unwrap_err().starts_with(&format!("{number}s, {number}m or {number}h?")));
        }
    }
}
