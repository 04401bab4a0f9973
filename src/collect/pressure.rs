//! How long tasks waited for a resource. Source: `/proc/pressure/*` (PSI), described in the kernel's `accounting/psi`.

use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::{HeldFile, SourceError};
use crate::linux::pressure::{Stall, parse};
use crate::table::Unit::{Microseconds, Percent};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Formula, Table, counter, derived, entity, gauge_float};

pub const ENTRY: Entry = Entry {
    name: "pressure",
    doc: "time that tasks waited for CPU, memory, I/O (PSI)",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

/// Microseconds per second, in percent.
const PERCENT_OF_US: f64 = 1e-4;

static TABLE: Table<Pressure> = Table {
    name: "pressure",
    source: "/proc/pressure",
    doc: "Pressure stall information: one row per resource and tick.",
    charts: Charts::Drawn(&[
        Chart::lines("Time in which tasks waited", &["some_percent"]),
        Chart::lines("Time in which all tasks waited", &["full_percent"]),
    ]),
    columns: &[
        entity(
            "resource",
            "`cpu`, `memory`, `io`, or `irq` (since Linux 6.1, with IRQ time accounting).",
            |p: &Pressure| p.resource.into(),
        )
        .separate(),
        gauge_float(
            "some_avg10",
            Percent,
            "Share of time in which at least one task waited: the kernel's 10 s average.",
            |p: &Pressure| p.some.avg10.into(),
        )
        .lower_is_better(),
        gauge_float(
            "full_avg10",
            Percent,
            "Share of time in which all tasks waited at the same time: the kernel's 10 s average; null for cpu before \
             Linux 5.13.",
            |p: &Pressure| p.full.avg10.into(),
        )
        .lower_is_better(),
        counter(
            "some_us",
            Microseconds,
            "Time since boot in which at least one task waited; null for irq.",
            |p: &Pressure| p.some.total_us.into(),
        )
        .at_most_per_sec(Microseconds.most_of_one())
        .lower_is_better(),
        counter(
            "full_us",
            Microseconds,
            "Time since boot in which all tasks waited at the same time; null for cpu before Linux 5.13.",
            |p: &Pressure| p.full.total_us.into(),
        )
        .at_most_per_sec(Microseconds.most_of_one())
        .lower_is_better(),
        derived(
            "some_percent",
            Percent,
            "Share of the interval in which at least one task waited.",
            Formula::rate(&["some_us"]).times(PERCENT_OF_US).at_most(100.0),
        )
        .lower_is_better(),
        derived(
            "full_percent",
            Percent,
            "Share of the interval in which all tasks waited at the same time.",
            Formula::rate(&["full_us"]).times(PERCENT_OF_US).at_most(100.0),
        )
        .lower_is_better(),
    ],
};

#[derive(Debug, PartialEq)]
struct Pressure {
    resource: &'static str,
    some: Stall,
    full: Stall,
}

impl Pressure {
    fn is_empty(&self) -> bool {
        self.some == Stall::default() && self.full == Stall::default()
    }
}

struct PressureCollector {
    files: Vec<(&'static str, HeldFile)>,
    rows: Vec<Pressure>,
}

const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for resource in RESOURCES {
        // A kernel that has the file may still refuse to read it: `irq` without time accounting.
        match open_readable(setup, resource) {
            Ok(file) => files.push((resource, file)),
            Err(_) if resource == "irq" => {}
            Err(error) => errors.push(error),
        }
    }
    if files.is_empty() {
        let reason = match errors.iter().find(|e| !e.is_missing()) {
            Some(error) => error.to_string(),
            None => format!("no {}", setup.roots.proc("pressure").display()),
        };
        return Err(Unavailable::new(reason)
            .advise("a kernel without CONFIG_PSI, or booted with psi=0; where it is built in, boot with psi=1"));
    }
    let notes = errors.iter().map(SourceError::to_string).collect();
    Ok(Opened::with_notes(PressureCollector { files, rows: Vec::new() }, notes))
}

fn open_readable(setup: &Setup, resource: &str) -> Result<HeldFile, SourceError> {
    let mut file = HeldFile::open(setup.roots.proc("pressure").join(resource))?;
    file.read()?;
    Ok(file)
}

impl Collector for PressureCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.rows.clear();
        let mut error = None;
        for (resource, file) in &mut self.files {
            // If one resource fails, it keeps its row without values, and the others are not affected.
            let (some, full) = read(file).unwrap_or_else(|e| {
                error = Some(e);
                Default::default()
            });
            self.rows.push(Pressure { resource, some, full });
        }
        match error {
            Some(error) if self.rows.iter().all(Pressure::is_empty) => Err(error),
            error => {
                if let Some(error) = error {
                    out.warn(error.to_string());
                }
                out.push(&TABLE, &self.rows);
                Ok(())
            }
        }
    }
}

fn read(file: &mut HeldFile) -> Result<(Stall, Stall), CollectError> {
    let parsed = parse(file.read()?);
    parsed.map_err(|error| CollectError::Parse { path: file.path().to_path_buf(), error })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::Cell;

    fn open_in(dir: &Path) -> Result<Opened, Unavailable> {
        open(&Setup::new(Roots { proc: dir.into(), sys: dir.into() }, Options::default()))
    }

    #[test]
    fn missing_psi_is_reported_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let unavailable = open_in(dir.path()).err().unwrap();
        assert_eq!(unavailable.reason, format!("no {}", dir.path().join("pressure").display()));
        assert!(unavailable.advice.unwrap().contains("psi=1"));
    }

    #[test]
    fn a_failing_file_does_not_affect_the_others() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("pressure")).unwrap();
        let write = |name: &str, text| std::fs::write(dir.path().join("pressure").join(name), text).unwrap();
        write("cpu", "some avg10=0.50 avg60=0.00 avg300=0.00 total=5\n");
        write("io", "some avg10=1.00 avg60=0.00 avg300=0.00 total=6\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=4\n");
        let mut opened = open_in(dir.path()).ok().unwrap();
        assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
        assert!(opened.notes[0].contains("pressure/memory"), "{:?}", opened.notes);

        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        write("cpu", "");
        opened.collector.collect(1, &mut sample).unwrap();
        let names = [sample.texts.intern("cpu"), sample.texts.intern("io")].map(Cell::Text);
        let (null, float, int) = (Cell::Null, Cell::Float, Cell::Int);
        let expected = [names[0], null, null, null, null, names[1], float(1.0), float(0.25), int(6), int(4)];
        assert_eq!(sample.cells_of(&sample.blocks[0]), expected);

        write("io", "");
        sample.clear();
        let error = opened.collector.collect(2, &mut sample).unwrap_err();
        assert!(error.to_string().ends_with("line 1: neither `some` nor `full`"), "{error}");
    }

    #[test]
    fn columns_are_in_the_documented_order() {
        let def = TABLE.def();
        let names: Vec<_> = def.stored.iter().map(|c| c.name).collect();
        let expected = ["resource", "some_avg10", "full_avg10", "some_us", "full_us", "some_percent", "full_percent"];
        assert_eq!(names, expected);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>) {
            let _ = parse(&text);
            let mut line = b"some ".to_vec();
            line.extend(text);
            let _ = parse(&line);
        }
    }
}
