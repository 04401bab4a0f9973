//! The activity of all CPUs together, and the number of runnable tasks. Sources: `/proc/stat` and `/proc/loadavg`.

mod decrease;
mod parse;
mod rows;

use std::path::PathBuf;
use std::time::Duration;

use super::absent;
use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::cpu_set::{CpuSet, MOST_MS_PER_SEC, idle_ms};
use super::group::Group;
use super::stat::{CpuTimes, JiffiesPerSec};
use crate::linux::files::{HeldFile, SharedFile};
use crate::table::sample::Sample;
use decrease::decrease_warning;
use parse::{idle_of_each, parse, parse_loadavg};
use rows::{CpuRow, TABLE};

pub use decrease::steady_part_that_fell;
pub use rows::{ALL_MS, BUSY_MS};

pub const ENTRY: Entry = Entry {
    name: "cpu",
    doc: "all CPUs together, context switches, forks, load averages",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

struct CpuCollector {
    stat: SharedFile,
    stat_path: PathBuf,
    loadavg: Option<HeldFile>,
    hz: JiffiesPerSec,
    set: CpuSet,
    /// The idle time of each CPU at this tick.
    each: Vec<(i32, u64)>,
    before: Option<CpuTimes>,
}

/// A separate tick number for the reading at the start, so that the first tick reads again.
pub const PROBE: u64 = u64::MAX;

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let mut notes = Vec::new();
    let loadavg = HeldFile::open(setup.roots.proc("loadavg"));
    if let Err(error) = &loadavg {
        notes.push(format!("load1, load5, load15: {error}"));
    }
    let mut collector = CpuCollector {
        stat: setup.stat.clone(),
        stat_path: setup.roots.proc("stat"),
        loadavg: loadavg.ok(),
        hz: JiffiesPerSec::here(),
        set: CpuSet::default(),
        each: Vec::new(),
        before: None,
    };
    let first = collector.read(PROBE).map_err(|e| Unavailable::new(e.to_string()))?;
    notes.extend(absent::note(&TABLE, &first));
    Ok(Opened::with_notes(collector, notes))
}

impl CpuCollector {
    fn read(&mut self, tick: u64) -> Result<CpuRow, CollectError> {
        let mut cpu = self
            .stat
            .with(tick, |text| {
                idle_of_each(text, self.hz, &mut self.each);
                parse(text, self.hz)
            })?
            .map_err(|error| CollectError::Parse { path: self.stat_path.clone(), error })?;
        // The load averages are optional: without them the row is still valid.
        if let Some(Ok(text)) = self.loadavg.as_mut().map(HeldFile::read) {
            cpu.load = parse_loadavg(text);
        }
        Ok(cpu)
    }
}

impl Collector for CpuCollector {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let mut cpu = self.read(tick)?;
        let cpus = i64::try_from(self.each.len()).ok().filter(|cpus| *cpus > 0);
        cpu.most_ms_per_sec = cpus.map(|cpus| cpus.saturating_mul(MOST_MS_PER_SEC));
        cpu.cpu_changes = self.set.follow(out.mono_ns, idle_ms(&cpu.times), &mut self.each);
        if let Some(warning) = self.before.and_then(|before| decrease_warning(&before, &cpu.times)) {
            out.warn(warning);
        }
        self.before = Some(cpu.times);
        out.push(&TABLE, &[cpu]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::parse::tests::LINUX_6;
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::Cell;

    #[test]
    fn no_loadavg_is_a_note_and_nulls() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("stat"), LINUX_6).unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut opened = open(&Setup::new(roots, Options::default())).ok().unwrap();
        assert!(opened.notes[0].starts_with("load1, load5, load15: cannot read "), "{:?}", opened.notes);
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        let cells = sample.cells_of(&sample.blocks[0]);
        let value = |name| cells[catalog[0].raw.iter().position(|c| c.name == name).unwrap()];
        assert_eq!(value("forks"), Cell::Int(4321));
        assert_eq!(value("load1"), Cell::Null);
    }

    #[test]
    fn a_missing_stat_file_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let unavailable = open(&Setup::new(roots, Options::default())).err().unwrap();
        assert!(unavailable.reason.starts_with("cannot read "), "{}", unavailable.reason);
    }
}
