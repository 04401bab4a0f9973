//! `_runs.json`: which recordings of a folder belong together, and what each came to. The manifest of each run says the same
//! of it, so that the folder can be read without this file.

mod digits;
mod find;
mod words;

pub use find::{Meant, all_recordings, meant};

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{INDEX, Layout};
use super::manifest::{CommandFacts, Cost, Manifest};

const VERSION: u32 = 1;

/// Repeated runs, in the order in which they ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Index {
    pub version: u32,
    /// Tells this series from all others. Null in a folder of version 0.1.
    pub series: Option<String>,
    pub runs: Vec<Run>,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// The recording, below the index's folder.
    pub directory: PathBuf,
    /// From 1, of its side; warm-ups are counted by themselves.
    pub number: u32,
    /// It does not count.
    pub warmup: bool,
    /// "base" or "new", where two commands are compared.
    pub side: Option<String>,
    pub exit_status: Option<i32>,
    /// A signal to perfwatch cut it short: it does not count.
    pub interrupted: bool,
    pub wall_s: Option<f64>,
    pub user_s: Option<f64>,
    pub system_s: Option<f64>,
    pub max_rss_bytes: Option<u64>,
}

impl Index {
    /// What the runs came to, in two lines per side; and how the sides compare.
    pub fn summary(&self) -> Vec<String> {
        words::summary(self)
    }

    pub fn new(series: Option<String>) -> Index {
        Index { version: VERSION, series, runs: Vec::new() }
    }

    /// The index of a folder of runs; `None` where there is none.
    ///
    /// # Errors
    /// When there is one that cannot be read; `Unsupported` for one of a later perfwatch.
    pub fn read(root: &Path) -> io::Result<Option<Index>> {
        let layout = Layout::new(root);
        match layout.read(&root.join(INDEX)) {
            Ok(text) => {
                let index: Index = serde_json::from_slice(&text)?;
                match index.version {
                    VERSION => Ok(Some(index)),
                    0 => Err(io::Error::new(io::ErrorKind::InvalidData, "not an index of runs: it has no version")),
                    later => {
                        let why = format!("has version {later}, this perfwatch reads version {VERSION}");
                        Err(io::Error::new(io::ErrorKind::Unsupported, why))
                    }
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            // Who may not look into the folder does not know whether there is one.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_closed(&layout) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts it in the place of the one that is there, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, root: &Path) -> io::Result<()> {
        let temporary = root.join(format!("{INDEX}.tmp"));
        let layout = Layout::new(root);
        let text = serde_json::to_string_pretty(self)? + "\n";
        let target = root.join(INDEX);
        let written = layout.create_anew(&temporary).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            layout.make_like(&file, &target)
        });
        let placed = written.and_then(|()| layout.rename(&temporary, &target));
        placed.inspect_err(|_| drop(layout.remove(&temporary)))
    }
}

/// May this user not look into the folder?
fn is_closed(layout: &Layout) -> bool {
    layout.read(&layout.manifest()).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

impl Run {
    /// It ended by itself, and was not a warm-up.
    pub fn counts(&self) -> bool {
        !self.warmup && !self.interrupted && self.exit_status.is_some()
    }

    /// It counts, and did not fail.
    pub fn succeeded(&self) -> bool {
        self.counts() && self.exit_status == Some(0)
    }

    /// Notes how it ended, and what the recording's manifest says of the command. `interrupted`: something came that ends
    /// runs, which the manifest knows better if it has it. Returns the signal that the manifest has.
    pub fn ended(&mut self, root: &Path, exit_status: i32, interrupted: bool) -> Option<i32> {
        let command = command_of(root, &self.directory);
        match &command {
            Some(command) => self.note(command),
            None => self.interrupted = interrupted,
        }
        self.exit_status = Some(exit_status);
        command?.interrupted_by
    }

    fn note(&mut self, command: &CommandFacts) {
        self.exit_status = status_of(command);
        self.interrupted = command.interrupted_by.is_some();
        command.cost.iter().for_each(|cost| self.note_cost(cost));
    }

    fn note_cost(&mut self, cost: &Cost) {
        self.wall_s = Some(cost.wall_s);
        self.user_s = Some(cost.user_s);
        self.system_s = Some(cost.system_s);
        self.max_rss_bytes = Some(cost.max_rss_bytes);
    }
}

/// The command of a run that has ended. A recording that was continued later has others behind it.
fn command_of(root: &Path, directory: &Path) -> Option<CommandFacts> {
    let manifest = Manifest::read(&root.join(directory)).ok()?;
    manifest.sessions.into_iter().next()?.command.filter(|command| status_of(command).is_some())
}

/// What `perfwatch record` returned for it; `None` where it did not run, or its end is not known.
fn status_of(command: &CommandFacts) -> Option<i32> {
    match (command.timed_out, command.exit_code, command.signal) {
        (true, ..) => Some(124),
        (_, Some(code), _) => Some(code),
        (_, None, signal) => signal.map(|signal| 128 + signal),
    }
}

/// A folder of runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Runs {
    pub path: PathBuf,
    #[serde(flatten)]
    pub index: Index,
    /// What is wrong with the index, which was then made from the manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Runs {
    /// The sides that took turns, in their order; none where one command was repeated.
    pub fn sides(&self) -> Vec<&str> {
        let mut sides: Vec<&str> = Vec::new();
        for side in self.index.runs.iter().filter_map(|run| run.side.as_deref()) {
            if !sides.contains(&side) {
                sides.push(side);
            }
        }
        sides
    }

    /// The recordings of a side, of those that ended and count.
    pub fn recordings_of(&self, side: Option<&str>) -> Vec<PathBuf> {
        let runs = self.index.runs.iter().filter(|run| run.counts() && run.side.as_deref() == side);
        runs.map(|run| self.path.join(&run.directory)).collect()
    }

    /// The recordings of all that ended and count, and on demand of the others.
    pub fn recordings(&self, all: bool) -> Vec<PathBuf> {
        let runs = self.index.runs.iter().filter(|run| all || run.counts());
        runs.map(|run| self.path.join(&run.directory)).collect()
    }
}
