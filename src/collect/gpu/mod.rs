//! Graphics processors: use, memory, power, energy, clocks, temperature, and what processes use of them. Sources: NVML
//! for NVIDIA, `/sys/class/drm` for AMD and Intel, each read by a process of its own ([`crate::linux::gpu`]).

pub mod options;
mod presence;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::gpu::CardReading;
use crate::linux::gpu::remote::{Moment, Remote, Silence, Start, program};
use crate::linux::gpu::serve::{Answer, Begin};
use crate::linux::lock::lock;
use crate::table::sample::{Sample, Stamp};
use crate::workload::command::RecordedCommand;
use presence::{advice, nothing, sources};
use rows::{GPU, GPU_PROCESS};

/// Utilisation is a mean of the driver over up to a second. Every call takes the driver's locks, and a program that
/// asked 40 times per second made the graphics of a game stutter.
const EVERY: Duration = Duration::from_secs(1);

pub const ENTRY: Entry = Entry {
    name: "gpu",
    doc: "use, memory, power, clocks and temperature of GPUs, and what the recorded command uses of them",
    groups: &[Group::Default],
    tables: &[|| GPU.def(), || GPU_PROCESS.def()],
    cadence: EVERY,
    open: |setup| open(setup, &|| program()),
};

/// The time for NVML to be initialised: 15 ms where the driver runs, seconds where that starts the cards.
const PATIENCE: Duration = Duration::from_millis(500);

/// Identifies a row: card and instance.
type Part = (String, Option<String>);

struct GpuCollector {
    sources: Vec<GpuSource>,
    command: Option<Arc<RecordedCommand>>,
    /// Those of `--pid`.
    others: Vec<u32>,
    /// The time between two samples.
    period_ns: u64,
    has_begun: bool,
    is_last: bool,
}

struct GpuSource {
    remote: Remote,
    /// The time of the newest reading, and of the newest of each part.
    read_ns: u64,
    parts: HashMap<Part, u64>,
}

fn open(setup: &Setup, start: &dyn Fn() -> Start) -> Result<Opened, Unavailable> {
    let kinds = sources(setup);
    if kinds.is_empty() {
        return Err(nothing(&setup.roots));
    }
    let mut collector = GpuCollector {
        sources: Vec::new(),
        command: setup.command.clone(),
        others: setup.options.perf.pids.clone(),
        period_ns: period_ns(setup.interval),
        has_begun: false,
        is_last: false,
    };
    let pids = collector.pids();
    let (mut failures, mut notes, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let mut remotes = Vec::new();
    for source in kinds {
        match Remote::new(Begin { source: source.clone(), roots: setup.roots.clone() }, start(), &pids) {
            Ok(remote) => remotes.push((source, remote)),
            Err(silence) => failures.push(silence.to_string()),
        }
    }
    for (source, mut remote) in remotes {
        match remote.hello(PATIENCE) {
            Some(Ok(about)) => found.push(about),
            Some(Err(reason)) => {
                failures.push(reason);
                continue;
            }
            None => notes.push(format!("{} has not answered yet: rows begin when it does", source.name())),
        }
        collector.sources.push(GpuSource { remote, read_ns: 0, parts: HashMap::new() });
    }
    if collector.sources.is_empty() {
        let reason = failures.join("; ");
        return Err(Unavailable::new(reason.clone()).advise(advice(&reason)));
    }
    notes.extend(failures);
    let opened = Opened::with_notes(collector, notes);
    Ok(if found.is_empty() { opened } else { opened.by(found.join("; ")) })
}

/// The time between two samples: about [`EVERY`], in whole ticks, or an interval that is longer.
fn period_ns(interval: Duration) -> u64 {
    let (interval_ns, every_ns) = (interval.as_nanos().max(1), EVERY.as_nanos());
    // A sample is due at a tick up to half an interval early.
    let ticks = (every_ns.saturating_sub(interval_ns / 2)).div_ceil(interval_ns).max(1);
    u64::try_from(ticks * interval_ns).unwrap_or(u64::MAX)
}

impl GpuCollector {
    /// The processes of the command, as the collector `process` has just seen them, and those of `--pid`.
    fn pids(&self) -> Vec<u32> {
        let mut pids = self.others.clone();
        if let Some(command) = &self.command {
            pids.push(command.pid);
            pids.extend(lock(&command.seen).living.iter().map(|(pid, _)| *pid));
        }
        pids
    }
}

impl GpuSource {
    fn push(&mut self, answer: &Answer, out: &mut Sample) {
        let before_ns = std::mem::replace(&mut self.read_ns, answer.mono_ns);
        let elapsed_s = (before_ns > 0).then(|| answer.mono_ns.saturating_sub(before_ns) as f64 / 1e9);
        let part = |card: &CardReading| (card.gpu.clone(), card.instance.clone());
        // The time between the readings is known better than that between the ticks.
        let (same, new): (Vec<_>, Vec<_>) =
            answer.reading.cards.iter().cloned().partition(|card| self.parts.get(&part(card)) == Some(&before_ns));
        self.parts = answer.reading.cards.iter().map(|card| (part(card), answer.mono_ns)).collect();
        out.push_at(&GPU, Stamp { ts_us: out.ts_us, elapsed_s }, &same);
        out.push(&GPU, &new);
        out.push(&GPU_PROCESS, answer.processes.as_deref().unwrap_or_default());
        answer.reading.problems.iter().for_each(|problem| out.warn(problem.clone()));
    }
}

impl Collector for GpuCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let next_ns = out.mono_ns.saturating_add(self.period_ns);
        let moment = match (std::mem::replace(&mut self.has_begun, true), self.is_last) {
            (_, true) => Moment::Last,
            (false, false) => Moment::First(next_ns),
            (true, false) => Moment::Next(next_ns),
        };
        let pids = self.pids();
        let mut silences: Vec<Silence> = Vec::new();
        for source in &mut self.sources {
            match source.remote.sample(moment, &pids) {
                Ok(Some(answer)) => source.push(&answer, out),
                Ok(None) => {}
                Err(silence) => silences.push(silence),
            }
        }
        if silences.len() == self.sources.len() {
            let all: Vec<String> = silences.iter().map(ToString::to_string).collect();
            return Err(CollectError::Other(all.join("; ")));
        }
        silences.iter().for_each(|silence| out.warn(silence.to_string()));
        Ok(())
    }

    fn finish(&mut self) {
        self.is_last = true;
    }
}

#[cfg(test)]
mod tests;
