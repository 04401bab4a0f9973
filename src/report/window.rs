//! `--since` and `--until`: an instant, a time of the recording's first day, or a distance from its start or end.

use chrono::{DateTime, NaiveTime, TimeDelta};

use crate::reader::piece::Window;

/// What a user wrote, before a recording is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `2026-11-20T07:30:00Z`, microseconds since the epoch.
    At(i64),
    /// `07:30` or `07:30:15`, UTC, on the day when the recording begins: microseconds since midnight.
    Clock(i64),
    /// `+5m`, from the start.
    FromStart(i64),
    /// `-10m`, from the end.
    FromEnd(i64),
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let duration = |text: &str| {
            let d = humantime::parse_duration(text).map_err(|e| format!("`{text}` is no duration ({e})"))?;
            i64::try_from(d.as_micros()).map_err(|_| format!("`{text}` is too long"))
        };
        if let Some(after) = text.strip_prefix('+') {
            return duration(after).map(When::FromStart);
        }
        if let Some(before) = text.strip_prefix('-') {
            return duration(before).map(When::FromEnd);
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(When::At(at.timestamp_micros()));
        }
        let clock =
            NaiveTime::parse_from_str(text, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"));
        let since_midnight = clock.map(|t| t - NaiveTime::MIN).ok().as_ref().and_then(TimeDelta::num_microseconds);
        since_midnight.map(When::Clock).ok_or_else(|| {
            format!("`{text}` is no time; write 2026-11-20T07:30:00Z, 07:30 (UTC), +5m (after the start) or -10m (before the end)")
        })
    }
}

impl When {
    /// The instant in a recording whose first and last tick are these.
    fn resolve(self, (first, last): (i64, i64)) -> i64 {
        const DAY_US: i64 = 86_400_000_000;
        match self {
            When::At(us) => us,
            When::Clock(us) => (first - first.rem_euclid(DAY_US)).saturating_add(us),
            When::FromStart(us) => first.saturating_add(us),
            When::FromEnd(us) => last.saturating_sub(us),
        }
    }
}

/// The window between two such times; `until` is not part of it. An open end is open.
pub fn window(since: Option<When>, until: Option<When>, span: (i64, i64)) -> Window {
    Window { from_us: since.map_or(i64::MIN, |w| w.resolve(span)), to_us: until.map_or(i64::MAX, |w| w.resolve(span)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T07:00:00Z, and ten minutes later.
    const SPAN: (i64, i64) = (1_795_158_000_000_000, 1_795_158_600_000_000);

    fn at(text: &str) -> i64 {
        text.parse::<When>().unwrap().resolve(SPAN)
    }

    #[test]
    fn every_form() {
        assert_eq!(at("2026-11-20T07:00:00Z"), SPAN.0);
        assert_eq!(at("2026-11-20T08:00:00.5+01:00"), SPAN.0 + 500_000);
        assert_eq!(at("07:00"), SPAN.0);
        assert_eq!(at("07:00:02.25"), SPAN.0 + 2_250_000);
        assert_eq!(at("00:00"), SPAN.0 - 7 * 3600 * 1_000_000);
        assert_eq!(at("+5m"), SPAN.0 + 300_000_000);
        assert_eq!(at("-1m 30s"), SPAN.1 - 90_000_000);
    }

    #[test]
    fn nonsense_is_refused_with_the_forms_that_work() {
        for bad in ["", "soon", "25:00", "+", "-", "+5", "+5 parsecs", "2026-11-20", "+99999999999999y"] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
        assert!("soon".parse::<When>().unwrap_err().contains("07:30 (UTC)"));
    }

    #[test]
    fn the_end_is_not_part() {
        let w = window(Some(When::FromStart(0)), Some(When::FromStart(60_000_000)), SPAN);
        assert!(w.contains(SPAN.0) && w.contains(SPAN.0 + 59_999_999) && !w.contains(SPAN.0 + 60_000_000));
        assert_eq!(window(None, None, SPAN), Window::ALL);
    }
}
