//! An open collector: when it is due, whether it fails, and the cost of its samples.

use std::sync::Arc;
use std::time::Duration;

use super::event::SamplingEvent;
use super::progress::Progress;
use crate::collect::collector::{Collector, Entry};
use crate::collect::health::Health;
use crate::table::sample::Sample;

pub(super) struct Active {
    entry: &'static Entry,
    collector: Box<dyn Collector>,
    cadence_ns: u64,
    last_ns: Option<u64>,
    /// Rows of its last sample that did not fail.
    rows: usize,
    tally: Tally,
    is_failing: bool,
}

/// Where to report about a collector.
pub(super) struct Reports<'r> {
    /// Rows for table `collector`.
    pub health: &'r mut Vec<Health>,
    pub progress: &'r Arc<Progress>,
    pub notify: &'r dyn Fn(SamplingEvent),
    /// Sends a warning, unless it was sent before.
    pub warn: &'r mut dyn FnMut(&'static str, String),
}

impl Active {
    pub fn new((entry, collector): (&'static Entry, Box<dyn Collector>)) -> Active {
        Active {
            entry,
            collector,
            cadence_ns: entry.cadence.as_nanos() as u64,
            last_ns: None,
            rows: 0,
            tally: Tally::default(),
            is_failing: false,
        }
    }

    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    pub fn is_due(&self, mono_ns: u64, interval: Duration) -> bool {
        // With half an interval of tolerance: a tick that is a little early must not delay the sample to the next one.
        let grace_ns = interval.as_nanos() as u64 / 2;
        self.last_ns.is_none_or(|at| mono_ns + grace_ns >= at.saturating_add(self.cadence_ns))
    }

    /// Reads the source, which may fail.
    pub fn collect(
        &mut self,
        tick: u64,
        now_ns: u64,
        sample: &mut Sample,
        timer: &mut Timer<'_>,
        reports: &mut Reports<'_>,
    ) {
        self.last_ns = Some(now_ns);
        let mark = sample.mark();
        let result = self.collector.collect(tick, sample);
        self.tally.add(timer.lap_ns());
        match result {
            Ok(()) => self.succeeded(mark.0, sample, reports),
            Err(error) => {
                sample.rewind(mark);
                sample.warnings.clear();
                self.failed(error.to_string(), reports);
            }
        }
    }

    fn succeeded(&mut self, first_block: usize, sample: &mut Sample, reports: &mut Reports<'_>) {
        let rows = sample.blocks.iter().skip(first_block).map(|block| block.rows).sum();
        let before = std::mem::replace(&mut self.rows, rows);
        if rows == 0 && before > 0 && self.collector.lasts() {
            sample.warn(all_gone(self.entry));
        }
        for warning in sample.warnings.drain(..) {
            self.tally.error = Some(warning.clone());
            (reports.warn)(self.entry.name, warning);
        }
        self.tally.rows += rows as u64;
        if std::mem::take(&mut self.is_failing) {
            reports.health.push(self.tally.take(self.entry.name));
            reports.progress.set_failing(self.entry.name, false);
            (reports.notify)(SamplingEvent::Recovered { collector: self.entry.name });
        }
    }

    fn failed(&mut self, error: String, reports: &mut Reports<'_>) {
        self.tally.errors += 1;
        self.tally.error = Some(error.clone());
        if !std::mem::replace(&mut self.is_failing, true) {
            reports.health.push(self.tally.take(self.entry.name));
            reports.progress.set_failing(self.entry.name, true);
            (reports.notify)(SamplingEvent::Failing { collector: self.entry.name, error });
        }
    }

    /// Its row for table `collector`, if there were samples since the last one.
    pub fn health(&mut self) -> Option<Health> {
        (self.tally.samples > 0).then(|| self.tally.take(self.entry.name))
    }

    /// Call this before the last sample.
    pub fn finish(&mut self) {
        self.collector.finish();
    }
}

/// Measures the time of collectors that run one after another, reading the clock once per collector.
pub(super) struct Timer<'t> {
    pub mono_ns: &'t mut dyn FnMut() -> u64,
    pub last_ns: u64,
}

impl Timer<'_> {
    fn lap_ns(&mut self) -> u64 {
        let now_ns = (self.mono_ns)();
        now_ns.saturating_sub(std::mem::replace(&mut self.last_ns, now_ns))
    }
}

/// The samples since the last row in table `collector`.
#[derive(Default)]
struct Tally {
    samples: u64,
    rows: u64,
    total_ns: u64,
    max_ns: u64,
    errors: u64,
    error: Option<String>,
}

impl Tally {
    fn add(&mut self, took_ns: u64) {
        self.samples += 1;
        self.total_ns += took_ns;
        self.max_ns = self.max_ns.max(took_ns);
    }

    fn take(&mut self, collector: &'static str) -> Health {
        let tally = std::mem::take(self);
        Health {
            collector,
            samples: tally.samples,
            rows: tally.rows,
            collect_us_mean: (tally.samples > 0).then(|| tally.total_ns as f64 / 1000.0 / tally.samples as f64),
            collect_us_max: (tally.samples > 0).then_some(tally.max_ns / 1000),
            errors: tally.errors,
            error: tally.error,
        }
    }
}

fn all_gone(entry: &Entry) -> String {
    let source = entry.tables.first().map_or("its source", |table| table().source);
    format!("all rows of the previous sample are gone: {source} no longer has any of them")
}
