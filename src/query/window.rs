//! `--since` and `--until`: a date and time, a time on the recording's day, or a distance from its start or end.

use crate::store::read::piece::Window;

const DAY_US: i64 = 86_400_000_000;

/// What a user wrote. Its meaning depends on the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `2026-11-20 07:30:00`, in microseconds since the epoch.
    At(i64),
    /// `07:30` or `07:30:15` UTC on the day of the recording, in microseconds since midnight.
    Clock(i64),
    /// `+5m`, from the start.
    FromStart(i64),
    /// `-10m`, from the end.
    FromEnd(i64),
}

/// A time of day that occurs several times in the recording: this often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous(pub i64);

impl When {
    /// The time in a recording with these first and last ticks.
    ///
    /// # Errors
    /// When this time of day occurs several times in the recording.
    pub fn resolve(self, (first, last): (i64, i64)) -> Result<i64, Ambiguous> {
        Ok(match self {
            When::At(us) => us,
            When::FromStart(us) => first.saturating_add(us),
            When::FromEnd(us) => last.saturating_sub(us),
            When::Clock(us) => {
                let on_first_day = (first - first.rem_euclid(DAY_US)).saturating_add(us);
                let earliest = if on_first_day < first { on_first_day.saturating_add(DAY_US) } else { on_first_day };
                match (last.saturating_sub(earliest)).div_euclid(DAY_US) + 1 {
                    // Before the start or after the end.
                    ..=0 => on_first_day,
                    1 => earliest,
                    days => return Err(Ambiguous(days)),
                }
            }
        })
    }
}

/// The window between two such times. `until` is not included. `None`: no limit.
pub fn window(since: Option<i64>, until: Option<i64>) -> Window {
    Window { from_us: since.unwrap_or(i64::MIN), to_us: until.unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T07:00:00Z, and ten minutes later.
    const SPAN: (i64, i64) = (1_795_158_000_000_000, 1_795_158_600_000_000);
    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn every_form() {
        let at = |when: When| when.resolve(SPAN).unwrap();
        assert_eq!(at(When::At(5)), 5);
        assert_eq!(at(When::Clock(7 * HOUR)), SPAN.0);
        assert_eq!(at(When::Clock(0)), SPAN.0 - 7 * HOUR, "before the start");
        assert_eq!(at(When::Clock(8 * HOUR)), SPAN.0 + HOUR, "after the end");
        assert_eq!(at(When::FromStart(300_000_000)), SPAN.0 + 300_000_000);
        assert_eq!(at(When::FromEnd(90_000_000)), SPAN.1 - 90_000_000);
    }

    #[test]
    fn a_time_of_the_day_is_the_one_that_was_recorded() {
        // 07:00 to 05:00 of the next day.
        let night = (SPAN.0, SPAN.0 + 22 * HOUR);
        assert_eq!(When::Clock(23 * HOUR).resolve(night), Ok(SPAN.0 + 16 * HOUR));
        assert_eq!(When::Clock(4 * HOUR).resolve(night), Ok(SPAN.0 + 21 * HOUR), "of the second day");
        assert_eq!(When::Clock(6 * HOUR).resolve(night), Ok(SPAN.0 - HOUR), "of neither: before the start");
        let three_days = (SPAN.0, SPAN.0 + 48 * HOUR);
        assert_eq!(When::Clock(7 * HOUR).resolve(three_days), Err(Ambiguous(3)));
        assert_eq!(When::Clock(8 * HOUR).resolve(three_days), Err(Ambiguous(2)));
    }

    #[test]
    fn the_end_is_not_part() {
        let w = window(Some(SPAN.0), Some(SPAN.0 + 60_000_000));
        assert!(w.contains(SPAN.0) && w.contains(SPAN.0 + 59_999_999) && !w.contains(SPAN.0 + 60_000_000));
        assert_eq!(window(None, None), Window::ALL);
    }
}
