//! `_runs.json`: the list of the runs in a directory, with their results. The manifest of each run contains the same
//! facts, so the directory can be read without this file.

mod digits;
mod find;
mod relative;
mod words;

pub use find::{Meant, all_recordings, meant};

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{INDEX, Layout};
use super::manifest::{CommandFacts, Cost, Manifest};

const VERSION: u32 = 1;

/// The sides of `ab`.
pub const BASE: &str = "base";
pub const NEW: &str = "new";
/// The baseline command once more.
pub const CONTROL: &str = "control";

/// Repeated runs, in the order in which they ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Index {
    pub version: u32,
    /// Identifies the series. Null in a directory of version 0.1.
    pub series: Option<String>,
    /// The sides in the order in which they were given; empty if one command was repeated, and in a directory of
    /// version 0.1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<String>,
    /// What the random order of the runs was made from; left out if the sides took turns in a fixed order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Left out if the number of runs was fixed, and if this was made from the manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looks: Option<Looks>,
    pub runs: Vec<Run>,
}

/// Runs that went on until they were decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Looks {
    /// After how many runs per side they were to be looked at; at the last one at the latest they end.
    pub planned: Vec<u32>,
    /// How often they were.
    pub made: u32,
    /// All metrics that decide were decided.
    pub is_decided: bool,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// The recording, relative to the directory of the index.
    pub directory: PathBuf,
    /// Counted from 1 per side; warm-ups are counted separately.
    pub number: u32,
    /// Warm-ups do not count.
    pub warmup: bool,
    /// The folder of its side, if several commands took turns: "base" or "new", or the values of parameters.
    pub side: Option<String>,
    /// The values of `--parameter-list` for this run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    pub exit_status: Option<i32>,
    /// A signal to perfwatch ended it early, so it does not count.
    pub interrupted: bool,
    pub wall_s: Option<f64>,
    pub user_s: Option<f64>,
    pub system_s: Option<f64>,
    pub max_rss_bytes: Option<u64>,
}

impl Index {
    /// The results as text: a few lines per side.
    pub fn summary(&self) -> Vec<String> {
        words::summary(self)
    }

    pub fn new(series: Option<String>) -> Index {
        Index { version: VERSION, series, ..Index::default() }
    }

    /// The sides that have runs, in the order in which they were given; empty if one command was repeated.
    pub fn sides(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for side in self.runs.iter().filter_map(|run| run.side.as_deref()) {
            if !found.contains(&side) {
                found.push(side);
            }
        }
        // Those that are not listed come last, in the order in which they ran.
        let place = |side: &str| self.sides.iter().position(|name| name == side).unwrap_or(usize::MAX);
        found.sort_by_key(|side| place(side));
        found
    }

    /// The index of a folder of runs; `None` if there is none.
    ///
    /// # Errors
    /// When it exists and cannot be read; `Unsupported` for an index of a later perfwatch.
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
            // Without access to the directory, it is unknown whether there is an index.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_closed(&layout) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the index atomically.
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

/// Is this user not allowed to look into the directory?
fn is_closed(layout: &Layout) -> bool {
    layout.read(&layout.manifest()).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

impl Run {
    /// It ended by itself and was not a warm-up.
    pub fn counts(&self) -> bool {
        !self.warmup && !self.interrupted && self.exit_status.is_some()
    }

    /// It counts and was successful.
    pub fn succeeded(&self) -> bool {
        self.counts() && self.exit_status == Some(0)
    }

    /// Records the result of the run, from its exit status and the manifest of its recording. `interrupted`: a signal
    /// arrived that ends the series; used if there is no manifest. Returns the signal in the manifest.
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

/// The command of an ended run: the first session, because a recording may have been continued later.
fn command_of(root: &Path, directory: &Path) -> Option<CommandFacts> {
    let manifest = Manifest::read(&root.join(directory)).ok()?;
    manifest.sessions.into_iter().next()?.command.filter(|command| status_of(command).is_some())
}

/// The exit status of `perfwatch record` for it; `None` if it did not run, or how it ended is not known.
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
    /// A problem with the index; its facts were then taken from the manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Runs {
    /// See [`Index::sides`].
    pub fn sides(&self) -> Vec<&str> {
        self.index.sides()
    }

    /// The sides of a comparison: those of `ab`, or else the only two.
    pub fn pair(&self) -> Option<(&str, &str)> {
        match self.sides()[..] {
            ref sides if sides.contains(&BASE) && sides.contains(&NEW) => Some((BASE, NEW)),
            [first, second] => Some((first, second)),
            _ => None,
        }
    }

    /// The recordings of the runs of a side that count.
    pub fn recordings_of(&self, side: Option<&str>) -> Vec<PathBuf> {
        let runs = self.index.runs.iter().filter(|run| run.counts() && run.side.as_deref() == side);
        runs.map(|run| self.path.join(&run.directory)).collect()
    }

    /// The recordings of the runs that count; with `all`, of all runs.
    pub fn recordings(&self, all: bool) -> Vec<PathBuf> {
        let runs = self.index.runs.iter().filter(|run| all || run.counts());
        runs.map(|run| self.path.join(&run.directory)).collect()
    }
}
