//! What the supervisor reports, until the sampling thread takes it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::collect::perf::program::intervals::Interval;

/// What the supervisor reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    Interval(Interval),
    /// perf is not running.
    Away(Away),
    /// The counted processes have ended, and perf with them.
    Ended {
        ts_us: i64,
        what: String,
    },
    /// Lines that were not counts; the counting continues.
    Odd(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Away {
    pub ts_us: i64,
    pub error: String,
}

/// Maximum number of rows waiting for the sampling thread: one hour of the default events at 1 s.
const MOST_WAITING: usize = 65_536;

/// The waiting reports.
#[derive(Default)]
pub struct Queue {
    pub reports: VecDeque<Report>,
    pub rows: usize,
    /// Intervals discarded because they were not fetched.
    pub dropped: u64,
}

impl Queue {
    pub fn add(&mut self, report: Report) {
        self.rows += weight(&report);
        self.reports.push_back(report);
        while self.rows > MOST_WAITING && self.reports.len() > 1 {
            if let Some(oldest) = self.reports.pop_front() {
                self.rows -= weight(&oldest);
                self.dropped += 1;
            }
        }
    }
}

fn weight(report: &Report) -> usize {
    match report {
        Report::Interval(interval) => interval.rows.len() + 1,
        Report::Away(_) | Report::Ended { .. } | Report::Odd(_) => 1,
    }
}

pub type Shared = Arc<Mutex<Queue>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::sample::Stamp;

    #[test]
    fn waiting_reports_are_limited() {
        let mut queue = Queue::default();
        for ts_us in 0..100_000 {
            let stamp = Stamp { ts_us, elapsed_s: None };
            queue.add(Report::Interval(Interval { stamp, rows: Vec::new(), missing: None, continued: false }));
        }
        assert_eq!((queue.reports.len(), queue.dropped), (65_536, 34_464));
        let Some(Report::Interval(last)) = queue.reports.back() else { panic!("an interval") };
        assert_eq!(last.stamp.ts_us, 99_999, "the newest are kept");
    }
}
