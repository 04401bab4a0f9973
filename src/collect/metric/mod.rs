//! The program's own numbers, as it exposes them to Prometheus. Source: what `--metrics` names.
//!
//! A reading is asked for at a tick and has the time at which it was whole; it is stored with the next tick, also one at
//! the boundary of a phase. So a tick never waits for a program, and a number has the phase in which it was read. Numbers
//! that are given to `perfwatch mark value` come another way, into the same table.

mod growth;
mod http;
pub mod options;
mod read;
mod source;
pub mod target;

use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::clock;
use crate::metric::table::TABLE;
use crate::table::sample::{Sample, Stamp};
use source::Source;

/// A scrape costs the program that is measured: Prometheus itself asks every 15 s to 1 min.
const EVERY: Duration = Duration::from_secs(1);

/// How long the end of a recording waits for the last numbers.
const LAST: Duration = Duration::from_millis(300);

pub const ENTRY: Entry = Entry {
    name: "metric",
    doc: "the program's own numbers, from --metrics in Prometheus text; those of `perfwatch mark value` need no collector",
    groups: &[Group::Default],
    tables: &[|| TABLE.def()],
    // It looks at every tick for what was read; how often it asks is its own matter.
    cadence: Duration::ZERO,
    open: |setup| open(setup),
};

struct MetricCollector {
    sources: Vec<Source>,
    /// By how much a reading may be early: half of the time between two ticks, but phases that follow each other quickly are
    /// no reason to ask a program more often than twice per second.
    grace_ns: u64,
    asked_ns: Option<u64>,
    is_last: bool,
}

impl MetricCollector {
    /// Is it time for the next reading?
    fn asks(&mut self, now_ns: u64) -> bool {
        let is_due =
            |last_ns: u64| now_ns.saturating_add(self.grace_ns) >= last_ns.saturating_add(EVERY.as_nanos() as u64);
        let asks = !self.is_last && self.asked_ns.is_none_or(is_due);
        if asks {
            self.asked_ns = Some(now_ns);
        }
        asks
    }
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let targets = &setup.options.metric.metrics;
    if targets.is_empty() {
        return Err(Unavailable::not_asked("no file or server was asked for")
            .advise("--metrics FILE, --metrics http://HOST:PORT/PATH"));
    }
    if let Some((n, twice)) =
        targets.iter().enumerate().find(|(n, target)| targets.iter().take(*n).any(|t| t == *target))
    {
        return Err(Unavailable::mistake(format!("--metrics {twice} is given twice (as number {})", n + 1)));
    }
    let has_several = targets.len() > 1;
    let start = |target: &target::Target| Source::start(target.clone(), has_several.then(|| target.instance()));
    let sources = targets.iter().map(start).collect::<Result<Vec<_>, _>>();
    let sources = sources.map_err(|error| Unavailable::new(format!("no thread can be started: {error}")))?;
    let by: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let grace_ns = setup.interval.min(EVERY).as_nanos() as u64 / 2;
    Ok(Opened::complete(MetricCollector { sources, grace_ns, asked_ns: None, is_last: false }).by(by.join(", ")))
}

impl Collector for MetricCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let asks = self.asks(out.mono_ns);
        let mut failures = Vec::new();
        for source in &mut self.sources {
            for answer in source.take(out, asks) {
                for part in &answer.rows {
                    out.push_at(&TABLE, Stamp { ts_us: answer.ts_us, elapsed_s: part.elapsed_s }, &part.rows);
                }
                answer.left_out.into_iter().for_each(|why| out.warn(why));
            }
            failures.extend(if self.is_last { source.silence() } else { source.failure() });
        }
        if failures.len() == self.sources.len() {
            return Err(CollectError::Other(failures.join("; ")));
        }
        failures.into_iter().for_each(|why| out.warn(why));
        Ok(())
    }

    fn finish(&mut self) {
        self.is_last = true;
        self.sources.iter_mut().for_each(Source::ask_again);
        let until = clock::instant() + LAST;
        self.sources.iter().for_each(|source| source.wait(until.saturating_duration_since(clock::instant())));
    }
}
