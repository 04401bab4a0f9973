//! The axis of time: a range, and a few ticks at round times.

use chrono::{DateTime, Datelike, Timelike};

/// About this many ticks, so that their labels fit on a phone.
const USUAL_TICKS: i64 = 6;
const MOST_TICKS: usize = 9;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Microseconds: since 1970, or since the start of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeAxis {
    pub from_us: i64,
    pub to_us: i64,
    pub is_since_start: bool,
}

impl TimeAxis {
    /// At least a millisecond long.
    pub fn new(from_us: i64, to_us: i64, is_since_start: bool) -> TimeAxis {
        TimeAxis { from_us, to_us: to_us.max(from_us.saturating_add(1000)), is_since_start }
    }

    pub fn length_us(&self) -> i64 {
        self.to_us.saturating_sub(self.from_us)
    }

    /// The place of a time: 0 at the start, 1 at the end; not limited to them.
    pub fn place(&self, us: i64) -> f64 {
        us.saturating_sub(self.from_us) as f64 / self.length_us() as f64
    }

    /// Round times with their labels, in order.
    pub fn ticks(&self) -> Vec<(i64, String)> {
        let step = round_step(self.length_us() / USUAL_TICKS);
        let first = self.from_us.div_euclid(step).saturating_add(i64::from(self.from_us.rem_euclid(step) > 0));
        let all = (0..MOST_TICKS as i64).map(|n| first.saturating_add(n).saturating_mul(step));
        let mut inside: Vec<i64> = all.filter(|tick| (self.from_us..=self.to_us).contains(tick)).collect();
        inside.dedup();
        let mut day = None;
        let label = |tick: i64| {
            if self.is_since_start {
                return since_start(tick, step);
            }
            let Some(at) = DateTime::from_timestamp_micros(tick) else { return String::new() };
            let date = at.format("%-d %b").to_string();
            let is_new_day = day.replace((at.year(), at.ordinal())).is_some_and(|day| day != (at.year(), at.ordinal()));
            match step {
                DAY.. => date,
                _ if is_new_day && at.hour() == 0 && at.minute() == 0 && at.second() == 0 => date,
                MINUTE.. => at.format("%H:%M").to_string(),
                SECOND.. => at.format("%H:%M:%S").to_string(),
                _ => format!("{}.{:03}", at.format("%H:%M:%S"), at.timestamp_subsec_millis()),
            }
        };
        inside.iter().copied().zip(inside.iter().copied().map(label).collect::<Vec<_>>()).collect()
    }
}

fn since_start(us: i64, step: i64) -> String {
    if us == 0 {
        return "0".into();
    }
    match step {
        DAY.. => format!("{} d", us / DAY),
        HOUR.. => format!("{} h", us / HOUR),
        MINUTE.. if us % HOUR == 0 => format!("{} h", us / HOUR),
        MINUTE.. if us > HOUR => format!("{} h {}", us / HOUR, us % HOUR / MINUTE),
        MINUTE.. => format!("{} min", us / MINUTE),
        SECOND.. if us >= 2 * MINUTE => format!("{}:{:02}", us / MINUTE, us % MINUTE / SECOND),
        SECOND.. => format!("{} s", us / SECOND),
        _ => format!("{} s", us as f64 / SECOND as f64),
    }
}

/// The smallest round step that is at least this long.
fn round_step(us: i64) -> i64 {
    const STEPS: [i64; 21] = [
        SECOND,
        2 * SECOND,
        5 * SECOND,
        10 * SECOND,
        15 * SECOND,
        30 * SECOND,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        2 * DAY,
        7 * DAY,
        14 * DAY,
    ];
    if us < SECOND {
        let powers = [1000, 10_000, 100_000].into_iter().flat_map(|power| [power, 2 * power, 5 * power]);
        return powers.into_iter().find(|step| *step >= us).unwrap_or(SECOND);
    }
    let days = (us / (28 * DAY)).saturating_add(1).saturating_mul(28 * DAY);
    STEPS.into_iter().find(|step| *step >= us).unwrap_or(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: TimeAxis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn round_times() {
        // 2026-11-20T14:05:05Z, and 2.5 minutes.
        let from = 1_795_183_505_000_000;
        assert_eq!(
            labels(TimeAxis::new(from, from + 150 * SECOND, false)),
            ["14:05:30", "14:06:00", "14:06:30", "14:07:00", "14:07:30"]
        );
        assert_eq!(labels(TimeAxis::new(from, from + DAY, false)), ["18:00", "21 Nov", "06:00", "12:00"]);
        assert_eq!(labels(TimeAxis::new(0, 150 * SECOND, true)), ["0", "30 s", "60 s", "90 s", "2:00", "2:30"]);
        assert_eq!(labels(TimeAxis::new(0, 3 * SECOND, true)), ["0", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s", "3 s"]);
        assert_eq!(
            labels(TimeAxis::new(0, 90 * MINUTE, true)),
            ["0", "15 min", "30 min", "45 min", "1 h", "1 h 15", "1 h 30"]
        );
    }

    #[test]
    fn any_range_has_few_ticks() {
        for (from, to) in [(0, 0), (i64::MIN, i64::MAX), (5, 6), (i64::MAX - 5, i64::MAX), (0, 400 * DAY), (-DAY, DAY)]
        {
            for is_since_start in [false, true] {
                let ticks = TimeAxis::new(from, to, is_since_start).ticks();
                assert!(ticks.len() <= MOST_TICKS, "{from} {to}: {ticks:?}");
                assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0), "{from} {to}: {ticks:?}");
            }
        }
    }
}
