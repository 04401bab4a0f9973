//! The busiest lines of interrupts. Source: `/proc/interrupts`.
//!
//! The file grows with CPUs times lines, so it is read every 5 s. Lines that are not among the busiest are followed too:
//! a row tells what happened since the previous reading, whether or not the line had a row then.

mod follow;
mod parse;

use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::HeldFile;
use crate::table::Unit::{Count, CountPerSec, None as NoUnit, Percent};
use crate::table::sample::{Sample, Stamp};
use crate::table::{Chart, Charts, Table, counter, entity, gauge_float, label, label_int, significant};
use follow::{Busy, Interrupts};

pub const ENTRY: Entry = Entry {
    name: "interrupt",
    doc: "the 20 busiest lines of interrupts, their devices, and the CPU that handles most of each",
    groups: &[Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::from_secs(5),
    open,
};

/// The most lines that have a row.
const MOST: usize = 20;

static TABLE: Table<Busy> = Table {
    name: "interrupt",
    source: "/proc/interrupts",
    doc: "Lines of interrupts: every 5 s one row for each of the 20 with the most interrupts since the previous reading; \
          at the first, since boot. Lines without any have no row.",
    charts: Charts::Drawn(&[
        Chart::lines("Interrupts", &["interrupts_per_sec"]),
        Chart::lines("Share of the busiest CPU", &["busiest_cpu_percent"]),
    ]),
    columns: &[
        entity("line", "The number of the line, or the kernel's word: `LOC` for local timers, `IPI0`.", |b: &Busy| {
            b.name.as_str().into()
        }),
        label("device", "The devices at the line, or what the word means; null if there is none.", |b: &Busy| {
            b.device.as_deref().into()
        }),
        label_int("since", Count, "The number of the reading at which it appeared.", |b: &Busy| b.since.into())
            .tells_apart()
            .hidden(),
        gauge_float(
            "interrupts_per_sec",
            CountPerSec,
            "Interrupts per second since the previous reading, on all CPUs.",
            |b: &Busy| b.per_sec.map(significant).into(),
        )
        .over_interval(),
        counter(
            "interrupts",
            Count,
            "Interrupts on all CPUs. A CPU that goes offline keeps its number; of a CPU that comes online during the \
             recording, only growth is included.",
            |b: &Busy| b.total.into(),
        ),
        label_int(
            "busiest_cpu",
            NoUnit,
            "The CPU that handled most of them since the previous reading; null where the kernel has one number for all.",
            |b: &Busy| b.busiest.map(|(cpu, _)| cpu).into(),
        ),
        gauge_float("busiest_cpu_percent", Percent, "Share of the interrupts that this CPU handled.", |b: &Busy| {
            b.busiest.map(|(_, percent)| significant(percent)).into()
        })
        .over_interval(),
    ],
};

struct InterruptCollector {
    file: HeldFile,
    interrupts: Interrupts,
    previous_ns: Option<u64>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let file = HeldFile::open(setup.roots.proc("interrupts"))?;
    Ok(Opened::complete(InterruptCollector { file, interrupts: Interrupts::default(), previous_ns: None }))
}

impl Collector for InterruptCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let followed = self.interrupts.follow(self.file.read()?);
        followed.map_err(|error| CollectError::Parse { path: self.file.path().to_path_buf(), error })?;
        let passed = self.previous_ns.replace(out.mono_ns).and_then(|before| out.mono_ns.checked_sub(before));
        let elapsed_s = passed.filter(|ns| *ns > 0).map(|ns| ns as f64 / 1e9);
        let rows = self.interrupts.busiest(MOST, elapsed_s);
        match elapsed_s {
            Some(_) => out.push_at(&TABLE, Stamp { ts_us: out.ts_us, elapsed_s }, &rows),
            None => out.push(&TABLE, &rows),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
