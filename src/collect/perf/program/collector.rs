//! The intervals of `perf stat`, handed over at the tick after they are complete.

use std::collections::VecDeque;
use std::sync::Arc;

use super::intervals::Interval;
use super::plan::PerfPlan;
use super::supervisor::{Away, Limits, Report, Supervisor};
use crate::collect::collector::{CollectError, Collector};
use crate::collect::perf::now::Now;
use crate::collect::perf::rows::{PERF, push_error, push_status};
use crate::table::sample::Sample;

/// The collector. perf is started at the first tick, not earlier, because `perfwatch doctor` only opens it.
pub struct Perf {
    pub(super) plan: Arc<PerfPlan>,
    pub(super) limits: Limits,
    supervisor: Option<Supervisor>,
    finished: bool,
    reports: VecDeque<Report>,
    /// Why there are no counts at present.
    away: Option<String>,
}

impl Perf {
    pub fn new(plan: PerfPlan, limits: Limits) -> Perf {
        Perf { plan: plan.into(), limits, supervisor: None, finished: false, reports: VecDeque::new(), away: None }
    }

    fn push(&mut self, report: Report, out: &mut Sample) {
        match report {
            Report::Interval(Interval { stamp, rows, missing, continued }) => {
                out.push_at(&PERF, stamp, &rows);
                if !continued {
                    push_status(stamp, missing, out);
                }
                self.away = None;
            }
            Report::Away(Away { ts_us, error }) => {
                push_error(ts_us, error.clone(), out);
                self.away = Some(error);
            }
            Report::Ended { ts_us, what } => {
                out.warn(format!("{what}: its events are no longer counted"));
                push_error(ts_us, what, out);
                self.away = None;
            }
            Report::Odd(text) => out.warn(text),
        }
    }
}

impl Collector for Perf {
    /// Hands over the intervals that are complete; never waits.
    ///
    /// # Errors
    /// While perf is not running, from the tick after the one that has the row about it: the rows of a failing tick are
    /// lost.
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let supervisor = match &self.supervisor {
            Some(supervisor) => supervisor,
            None if self.finished => return Ok(()),
            None => {
                let started = Supervisor::start(self.plan.clone(), self.limits);
                self.supervisor
                    .insert(started.map_err(|e| CollectError::Other(format!("perf cannot be supervised: {e}")))?)
            }
        };
        let dropped = supervisor.take(&mut self.reports);
        if dropped > 0 {
            push_error(Now::read().wall_ns / 1000, format!("{dropped} intervals came too fast and were dropped"), out);
        }
        if self.reports.is_empty() {
            return self.away.clone().map_or(Ok(()), |error| Err(CollectError::Other(error)));
        }
        while let Some(report) = self.reports.pop_front() {
            self.push(report, out);
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.finished = true;
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.stop();
        }
    }
}
