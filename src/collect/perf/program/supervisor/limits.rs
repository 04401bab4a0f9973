//! How long perf may take, and how often it is restarted.

use std::time::Duration;

use crate::collect::perf::program::child;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// If there is no row for this long, perf hangs.
    pub watchdog: Duration,
    /// Additional time for the first row: perf opens thousands of counters on a large machine.
    pub start: Duration,
    /// Silence after which an interval counts as complete.
    pub silence: Duration,
    /// Between SIGINT and SIGTERM, and between SIGTERM and SIGKILL.
    pub patience: [Duration; 2],
    /// Before the first restart; doubled for each further one.
    pub back_off: Duration,
    /// Number of restarts without a good run in between.
    pub restarts: u32,
    /// A run of at least this length is a good one.
    pub good_run: Duration,
}

impl Limits {
    pub fn for_interval(interval: Duration) -> Limits {
        Limits {
            watchdog: (interval * 5).max(Duration::from_secs(3)),
            start: Duration::from_secs(5),
            // Never so short that a perf which is delayed while printing loses the rest.
            silence: (interval * 3 / 2).max(Duration::from_millis(250)),
            patience: [Duration::from_millis(1000), Duration::from_millis(400)],
            back_off: Duration::from_secs(1),
            restarts: 5,
            good_run: Duration::from_secs(60),
        }
    }

    /// The longest time that stopping takes.
    pub fn stop(&self) -> Duration {
        self.patience[0] + self.patience[1] + child::REAP
    }
}
