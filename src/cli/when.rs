//! How times are written on the command line: as a report prints them, or relative to the start or end of a recording.

use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta};

use crate::query::window::When;
use crate::text::time::duration;

const FORMS: &str = "write 2026-11-20 07:30:00 or 07:30 (both UTC), +5m (after the start) or -10m (before the end)";

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("`{text}` is not a time; {FORMS}");
        let distance = |text: &str| {
            let micros = duration(text).ok().filter(|_| !text.starts_with(['+', '-']))?.as_micros();
            i64::try_from(micros).ok()
        };
        if let Some(after) = text.strip_prefix('+') {
            return distance(after).map(When::FromStart).ok_or_else(refused);
        }
        if let Some(before) = text.strip_prefix('-') {
            return distance(before).map(When::FromEnd).ok_or_else(refused);
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(When::At(at.timestamp_micros()));
        }
        // As a report prints it.
        let plain = text.trim().trim_end_matches("UTC").trim_end_matches('Z').trim_end();
        if let Some(at) = date_and_time(plain) {
            return Ok(When::At(at.and_utc().timestamp_micros()));
        }
        let clock =
            NaiveTime::parse_from_str(plain, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(plain, "%H:%M"));
        let since_midnight = clock.map(|t| t - NaiveTime::MIN).ok().as_ref().and_then(TimeDelta::num_microseconds);
        since_midnight.map(When::Clock).ok_or_else(refused)
    }
}

fn date_and_time(text: &str) -> Option<NaiveDateTime> {
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T07:00:00Z.
    const SEVEN: i64 = 1_795_158_000_000_000;

    fn read(text: &str) -> When {
        text.parse().unwrap()
    }

    #[test]
    fn every_form() {
        for seven in [
            "2026-11-20T07:00:00Z",
            "2026-11-20T07:00:00.000000Z",
            "2026-11-20T08:00:00+01:00",
            "2026-11-20 07:00:00",
            "2026-11-20 07:00:00 UTC",
            "2026-11-20 07:00:00Z",
            "2026-11-20T07:00:00",
            "2026-11-20 07:00",
            "2026-11-20 07:00 UTC",
        ] {
            assert_eq!(read(seven), When::At(SEVEN), "{seven}");
        }
        assert_eq!(read("2026-11-20 07:00:00.25"), When::At(SEVEN + 250_000));
        for clock in ["07:00", "07:00:00", "07:00 UTC", "07:00:00 UTC", "07:00:00Z"] {
            assert_eq!(read(clock), When::Clock(7 * 3_600_000_000), "{clock}");
        }
        assert_eq!(read("07:00:02.25"), When::Clock(7 * 3_600_000_000 + 2_250_000));
        assert_eq!(read("+5m"), When::FromStart(300_000_000));
        assert_eq!(read("+10"), When::FromStart(10_000_000));
        assert_eq!(read("+1000"), When::FromStart(1_000_000_000), "seconds, any number of them");
        assert_eq!(read("-0.5"), When::FromEnd(500_000));
        assert_eq!(read("-1m 30s"), When::FromEnd(90_000_000));
    }

    #[test]
    fn invalid_times_are_refused_with_the_valid_forms() {
        let bad = ["", "soon", "25:00", "+", "-", "+-5", "--5", "+5 parsecs", "2026-11-20", "+99999999999999y", "UTC"];
        for bad in bad {
            assert_eq!(bad.parse::<When>(), Err(format!("`{bad}` is not a time; {FORMS}")));
        }
    }
}
