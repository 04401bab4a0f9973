//! Softirqs of each CPU, and the packets that they processed. Sources: `/proc/softirqs` and `/proc/net/softnet_stat`.

mod rows;
mod softirqs;
mod softnet;

use std::time::Duration;

use super::absent;
use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::cpu::PROBE;
use super::group::Group;
use crate::linux::cpus;
use crate::linux::files::{HeldFile, SharedFile, SourceError};
use crate::table::sample::Sample;
use rows::{CpuRow, TABLE};

pub const ENTRY: Entry = Entry {
    name: "softirq",
    doc: "softirqs by kind and packets processed, dropped and postponed, of each CPU",
    groups: &[Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

struct SoftirqCollector {
    /// Tells which CPUs are online: `/proc/softirqs` lists all that could be.
    stat: SharedFile,
    softirqs: Option<HeldFile>,
    softnet: Option<HeldFile>,
    rows: Vec<CpuRow>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let mut notes = Vec::new();
    let mut held = |path, columns: &str| match HeldFile::open(path) {
        Ok(file) => Some(file),
        Err(error) => {
            notes.push(format!("{error}: no {columns}"));
            None
        }
    };
    let softirqs = held(setup.roots.proc("softirqs"), "counts by kind");
    let softnet = held(setup.roots.net("softnet_stat"), "packets");
    if let (None, None) = (&softirqs, &softnet) {
        return Err(Unavailable::new(notes.join("; ")));
    }
    let mut collector = SoftirqCollector { stat: setup.stat.clone(), softirqs, softnet, rows: Vec::new() };
    let failures = collector.read(PROBE)?;
    if notes.is_empty() && failures.is_empty() {
        notes.extend(collector.rows.first().and_then(|row| absent::note(&TABLE, row)));
    }
    Ok(Opened::with_notes(collector, notes))
}

impl SoftirqCollector {
    /// Reads the rows; returns what could not be read.
    fn read(&mut self, tick: u64) -> Result<Vec<String>, SourceError> {
        let rows = &mut self.rows;
        rows.clear();
        self.stat.with(tick, |text| rows.extend(cpus::of_stat(text).map(CpuRow::new)))?;
        // `/proc/stat` lists them in order, but nothing may depend on it.
        rows.sort_unstable_by_key(|row| row.cpu);
        rows.dedup_by_key(|row| row.cpu);
        let mut failures = Vec::new();
        let mut read =
            |file: &mut Option<HeldFile>, parse: fn(&[u8], &mut [CpuRow])| match file.as_mut().map(HeldFile::read) {
                Some(Ok(text)) => parse(text, rows),
                Some(Err(error)) => failures.push(error.to_string()),
                None => {}
            };
        read(&mut self.softirqs, softirqs::parse);
        read(&mut self.softnet, softnet::parse);
        Ok(failures)
    }
}

impl Collector for SoftirqCollector {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let mut failures = self.read(tick)?;
        if self.rows.iter().all(CpuRow::is_empty) {
            failures.push("neither of the sources of softirqs has a value".into());
            return Err(CollectError::Other(failures.join("; ")));
        }
        failures.into_iter().for_each(|failure| out.warn(failure));
        out.push(&TABLE, &self.rows);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
