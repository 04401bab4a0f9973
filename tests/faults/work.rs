//! The work of the program while a call fails.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use perfwatch::linux::clock::Event;
use perfwatch::store::layout::Layout;

use crate::common::{Machine, Recording};
use crate::faults::rows::rows;
use crate::program::{PROGRAM, copy, fixture, manifest, program, record_of};

/// A command, and the recording that it works on.
pub struct Work {
    pub name: &'static str,
    /// Creates the recording of which each run gets a copy.
    make: fn(&Path),
    command: fn(&Path) -> Command,
    /// Is the work done? Checked if the exit status says so.
    is_done: fn(&Path) -> bool,
}

pub const ALL: [Work; 12] = [
    Work { name: "record", make: nothing, command: record, is_done: is_recorded },
    Work { name: "record a command that annotates", make: nothing, command: record_annotating, is_done: is_annotated },
    Work { name: "append", make: finished, command: append, is_done: is_recorded },
    Work { name: "append to a killed recording", make: killed, command: append, is_done: is_recorded },
    Work { name: "recover", make: killed, command: recover, is_done: is_sealed },
    Work { name: "recover after an hour", make: killed_after_an_hour, command: recover, is_done: is_sealed },
    Work { name: "recover after a torn frame", make: torn, command: recover, is_done: is_sealed },
    Work { name: "annotate", make: finished, command: annotate, is_done: is_annotated },
    Work { name: "annotate a killed recording", make: killed, command: annotate, is_done: is_annotated },
    Work { name: "report", make: finished, command: report, is_done: is_reported },
    Work { name: "report a killed recording", make: killed_after_an_hour, command: report, is_done: is_reported },
    Work { name: "compact", make: days, command: compact, is_done: is_compacted },
];

impl Work {
    pub fn make(&self, dir: &Path) {
        (self.make)(dir);
    }
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = (self.command)(dir);
        // These belong to the test.
        command.env_remove("PERFWATCH_FAULTS").env_remove("PERFWATCH_FAULTS_OF");
        command
    }
    pub fn is_done(&self, dir: &Path) -> bool {
        (self.is_done)(dir)
    }
}

fn kept(name: &str, dir: &Path) {
    copy(&fixture("recordings/0.1.0").join(name), dir);
}

fn nothing(_: &Path) {}

fn finished(dir: &Path) {
    kept("finished", dir);
}

fn killed(dir: &Path) {
    kept("killed", dir);
}

fn killed_after_an_hour(dir: &Path) {
    kept("killed-behind-an-hour", dir);
}

/// Killed during a write.
fn torn(dir: &Path) {
    kept("killed", dir);
    let journal = Layout::new(dir).journal(1);
    let bytes = fs::read(&journal).unwrap();
    let end = bytes.iter().rposition(|b| *b != 0).unwrap();
    fs::write(&journal, &bytes[..end - 20]).unwrap();
}

/// Two days with a few hours of three samples each.
fn days(dir: &Path) {
    let machine = Machine::copy("vm2");
    let recording = Recording::of(&machine).collectors(&["memory", "cpu"]).start("2026-06-30T22:00:00Z");
    let recorded = recording.stop_at(14).record(|_| Event::Stall(Duration::from_secs(1199)));
    copy(recorded.dir(), dir);
}

fn short(dir: &Path, args: &[&str]) -> Command {
    let usual = ["-d", "250ms", "--collectors", "cpu,memory", "--sync", "100ms"];
    record_of(&fixture("vm2"), dir, &[&usual, args].concat())
}

fn record(dir: &Path) -> Command {
    short(dir, &[])
}

/// Adds a note while the recorder runs, which then ends its session.
fn record_annotating(dir: &Path) -> Command {
    let note = [PROGRAM, "annotate", dir.to_str().unwrap(), "--note", "a fault"];
    record_of(&fixture("vm2"), dir, &[&["--collectors", "cpu,memory", "--"], &note[..]].concat())
}

fn append(dir: &Path) -> Command {
    short(dir, &["--append"])
}

fn of(name: &str, dir: &Path) -> Command {
    let mut command = program();
    command.arg(name).arg(dir);
    command
}

fn recover(dir: &Path) -> Command {
    of("recover", dir)
}

fn compact(dir: &Path) -> Command {
    of("compact", dir)
}

/// Writes the tables as files next to the recording.
fn report(dir: &Path) -> Command {
    let mut command = of("report", dir);
    command.arg("--csv").arg(dir.with_file_name("csv"));
    command
}

fn annotate(dir: &Path) -> Command {
    let mut command = of("annotate", dir);
    command.args(["--note", "a fault"]);
    command
}

fn is_sealed(dir: &Path) -> bool {
    Layout::new(dir).journals().is_ok_and(|journals| journals.is_empty())
}

fn is_recorded(dir: &Path) -> bool {
    let last = manifest(dir)["sessions"].as_array().unwrap().last().unwrap().clone();
    is_sealed(dir) && last["ended"].is_string() && last["lost_ticks"] == 0
}

fn is_annotated(dir: &Path) -> bool {
    let notes = manifest(dir)["notes"].clone();
    notes.as_array().is_some_and(|notes| notes.iter().any(|note| note.to_string().contains("a fault")))
}

/// If a file cannot be read, the remaining rows must not look complete.
fn is_reported(dir: &Path) -> bool {
    let lines = |table: &str| {
        let text = fs::read_to_string(dir.with_file_name("csv").join(format!("{table}.csv")));
        text.map_or(0, |text| text.lines().count())
    };
    rows(dir).is_ok_and(|rows| rows.iter().all(|(table, rows)| lines(table) == rows.len() + 1))
}

fn is_compacted(dir: &Path) -> bool {
    Layout::new(dir).sealed_files("tick").is_ok_and(|files| files.len() == 2)
}
