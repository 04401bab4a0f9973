//! A machine made of files, a recorder that reads it with a scripted clock, and the resulting rows.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use perfwatch::collect::catalog;
use perfwatch::collect::collector::Setup;
use perfwatch::collect::options::Options;
use perfwatch::facts::machine::Host;
use perfwatch::linux::clock::{Event, Now, Scripted, Stop};
use perfwatch::linux::files::Roots;
use perfwatch::mark::Marks;
use perfwatch::mark::queue::queue;
use perfwatch::record::collectors::open_collectors;
use perfwatch::record::event::SamplingEvent;
use perfwatch::record::progress::Progress;
use perfwatch::record::recorder::Recorder;
use perfwatch::store::layout::Layout;
use perfwatch::store::manifest::{CollectorFacts, Manifest, Session};
use perfwatch::store::read::piece::{Source, Window};
use perfwatch::store::write::retain::Retention;
use perfwatch::store::write::{News, Sealer, Sink, SinkOptions, Syncer};

/// The captured or composed machine with this name.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A machine whose files a test may change between ticks.
pub struct Machine {
    pub folder: tempfile::TempDir,
}

impl Machine {
    /// A copy of a fixture.
    pub fn copy(name: &str) -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap() };
        copy(&fixture(name), machine.folder.path());
        machine
    }

    pub fn roots(&self) -> Roots {
        Roots { proc: self.folder.path().join("proc"), sys: self.folder.path().join("sys") }
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join(path)).unwrap()
    }

    /// Rewrites a file in place, as the kernel does: collectors keep it open.
    pub fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if let Ok(link) = fs::read_link(entry.path()) {
            std::os::unix::fs::symlink(link, target).unwrap();
        } else if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// `CLOCK_MONOTONIC` at the start of a scripted recording.
pub const START_NS: u64 = 500_000_000_000;

/// The result of a run of the recorder.
pub struct Ran {
    pub folder: tempfile::TempDir,
    pub facts: Vec<CollectorFacts>,
    pub notices: Vec<String>,
}

/// Records `machine` with ticks every second from `start` (RFC 3339) on, with the given collectors. `script` is called
/// before each tick except the first, with the number of the tick.
pub fn record(machine: &Machine, collectors: &[&str], start: &str, script: impl FnMut(u64) -> Event) -> Ran {
    record_and_look(machine, collectors, start, script, |_| ())
}

/// The same; `look` is called before the journal is sealed.
pub fn record_and_look(
    machine: &Machine,
    collectors: &[&str],
    start: &str,
    mut script: impl FnMut(u64) -> Event,
    look: impl FnOnce(&Path),
) -> Ran {
    record_marked(machine, collectors, start, |tick, _| script(tick), look)
}

/// The same with a script that can send marks.
pub fn record_marked(
    machine: &Machine,
    collectors: &[&str],
    start: &str,
    script: impl FnMut(u64, &Marks) -> Event,
    look: impl FnOnce(&Path),
) -> Ran {
    record_all(machine, collectors, start, Retention::default(), script, look)
}

/// The same with limited retention. The notices contain what was deleted.
pub fn record_and_keep(
    machine: &Machine,
    collectors: &[&str],
    start: &str,
    retention: Retention,
    mut script: impl FnMut(u64) -> Event,
    look: impl FnOnce(&Path),
) -> Ran {
    record_all(machine, collectors, start, retention, |tick, _| script(tick), look)
}

fn record_all(
    machine: &Machine,
    collectors: &[&str],
    start: &str,
    retention: Retention,
    mut script: impl FnMut(u64, &Marks) -> Event,
    look: impl FnOnce(&Path),
) -> Ran {
    // Recorders in one process share its file descriptors, which may be few.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let mut manifest = Manifest::new(start.to_string(), Host::detect(&machine.roots()));
    manifest.sessions = vec![Session { interval_s: 1.0, ended: Some(start.into()), ..Session::default() }];
    manifest.write(&layout).unwrap();
    let setup = Setup::new(machine.roots(), Options::default());
    let (ready, facts) = open_collectors(&setup, |name| collectors.contains(&name)).unwrap();
    let catalog = catalog::tables();
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = said.clone();
    let hear = move |news| match news {
        News::Problem(why) => panic!("{why}"),
        News::Deleted(deleted) => heard.lock().unwrap().push(deleted.to_string()),
        News::Uniform(..) => {}
    };
    let sealer = Sealer::start(layout.clone(), catalog, Vec::new(), Arc::new(hear)).unwrap().keeping(retention);
    let options = SinkOptions { rotate: Duration::from_secs(3600), session: 1, first_journal: 1 };
    let sink = Sink::new(layout, catalog, options, Syncer::start(Duration::from_secs(60)).unwrap(), sealer);
    let heard = said.clone();
    let recorder = Recorder::new(
        Duration::from_secs(1),
        ready,
        catalog,
        sink,
        Arc::new(Progress::default()),
        Box::new(move |notice| {
            if !matches!(notice, SamplingEvent::Begun) {
                heard.lock().unwrap().push(format!("{notice:?}"));
            }
        }),
    );
    let (marks, marked) = queue(Stop::default());
    let wall_us = start.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros();
    let mut clock = Scripted::new(Now { mono_ns: START_NS, wall_us }, |tick| script(tick, &marks));
    let sink = recorder.listen(marked).run(&mut clock, None);
    look(folder.path());
    assert_eq!(sink.finish(), Vec::<String>::new());
    let notices = said.lock().unwrap().clone();
    Ran { folder, facts, notices }
}

/// The given columns of a table in order of time, as text; nulls as "null".
pub fn rows(recording: &Path, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let recording = perfwatch::store::read::open(recording, catalog::tables()).unwrap();
    let table = catalog::table(table).unwrap();
    let mut problems = Vec::new();
    let mut rows = Vec::new();
    for piece in recording.pieces(table, Window::ALL, &mut problems) {
        let mut of_piece = vec![Vec::new(); piece.rows()];
        for column in columns {
            let chunks = piece.column(column).unwrap();
            let mut at = 0;
            for chunk in &chunks {
                for i in 0..chunk.len() {
                    of_piece[at].push(text(chunk, i));
                    at += 1;
                }
            }
        }
        rows.extend(of_piece);
    }
    assert!(problems.is_empty(), "{problems:?}");
    rows
}

/// A value as text, a stamp in UTC without its zone; null as "null".
fn text(chunk: &ArrayRef, row: usize) -> String {
    if chunk.is_null(row) {
        "null".to_string()
    } else if let Some(ints) = chunk.as_primitive_opt::<Int64Type>() {
        ints.value(row).to_string()
    } else if let Some(ints) = chunk.as_primitive_opt::<Int32Type>() {
        ints.value(row).to_string()
    } else if let Some(floats) = chunk.as_primitive_opt::<Float64Type>() {
        format!("{:?}", floats.value(row))
    } else if let Some(stamps) = chunk.as_primitive_opt::<TimestampMicrosecondType>() {
        format!("{:?}", stamps.value_as_datetime(row).unwrap())
    } else if let Some(bools) = chunk.as_boolean_opt() {
        bools.value(row).to_string()
    } else {
        let dictionary = chunk.as_dictionary::<Int32Type>();
        let key = usize::try_from(dictionary.keys().value(row)).unwrap();
        dictionary.values().as_string::<i32>().value(key).to_string()
    }
}

/// All rows of all tables, with all columns.
pub fn everything(recording: &Path) -> Vec<(&'static str, Vec<Vec<String>>)> {
    let all = |table: &'static perfwatch::table::TableDef| {
        let common = [perfwatch::table::TS, perfwatch::table::ELAPSED_S, perfwatch::table::PHASE];
        let columns: Vec<&str> = common.into_iter().chain(table.stored.iter().map(|c| c.name)).collect();
        (table.name, rows(recording, table.name, &columns))
    };
    catalog::tables().iter().map(all).collect()
}

/// One column of a table.
pub fn column(recording: &Path, table: &str, name: &str) -> Vec<String> {
    rows(recording, table, &[name]).into_iter().map(|mut row| row.remove(0)).collect()
}
