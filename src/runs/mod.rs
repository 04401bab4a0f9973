//! `_runs.json`: which recordings of a folder belong together, and what each came to.

mod words;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;
use crate::recording::Layout;

/// The index's file name.
pub const INDEX: &str = "_runs.json";
const VERSION: u32 = 1;

/// Repeated runs, in the order in which they ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Index {
    pub version: u32,
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
    /// What the runs came to, in a line a side; and how the sides compare.
    pub fn summary(&self) -> Vec<String> {
        words::summary(self)
    }

    pub fn new() -> Index {
        Index { version: VERSION, runs: Vec::new() }
    }

    /// The index of a folder of runs; `None` where it is none.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn read(root: &Path) -> io::Result<Option<Index>> {
        let layout = Layout::new(root);
        match layout.read(&root.join(INDEX)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
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
        layout.create_anew(&temporary)?.write_all((serde_json::to_string_pretty(self)? + "\n").as_bytes())?;
        layout.rename(&temporary, &root.join(INDEX))
    }
}

impl Run {
    /// It ended by itself, and was no warm-up.
    pub fn counts(&self) -> bool {
        !self.warmup && !self.interrupted && self.exit_status.is_some()
    }

    /// Notes what the recording's manifest says of the command.
    pub fn ended(&mut self, root: &Path, exit_status: i32, interrupted: bool) {
        self.exit_status = Some(exit_status);
        self.interrupted = interrupted;
        let manifest = Manifest::read(&root.join(&self.directory)).ok();
        let cost = manifest.and_then(|m| m.sessions.last()?.command.as_ref()?.cost.clone());
        if let Some(cost) = cost {
            self.wall_s = Some(cost.wall_s);
            self.user_s = Some(cost.user_s);
            self.system_s = Some(cost.system_s);
            self.max_rss_bytes = Some(cost.max_rss_bytes);
        }
    }
}

/// A folder of runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Runs {
    pub path: PathBuf,
    #[serde(flatten)]
    pub index: Index,
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

/// What a path means that somebody gave us.
#[derive(Clone, Debug, PartialEq)]
pub enum Meant {
    Recording(PathBuf),
    Runs(Runs),
}

/// # Errors
/// When an index cannot be read.
pub fn meant(paths: &[PathBuf]) -> anyhow::Result<Vec<Meant>> {
    let one = |path: &PathBuf| {
        let index = Index::read(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.join(INDEX).display()))?;
        Ok(match index {
            Some(index) => Meant::Runs(Runs { path: path.clone(), index }),
            None => Meant::Recording(path.clone()),
        })
    };
    paths.iter().map(one).collect()
}

/// The recordings that are meant by these paths; of runs also those that do not count.
///
/// # Errors
/// When an index cannot be read.
pub fn all_recordings(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let each = meant(paths)?.into_iter().map(|meant| match meant {
        Meant::Recording(path) => vec![path],
        Meant::Runs(runs) => runs.recordings(true),
    });
    Ok(each.flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_runs_means_its_runs() {
        let dir = tempfile::tempdir().unwrap();
        let run = |directory: &str, warmup, exit_status| Run {
            directory: directory.into(),
            warmup,
            exit_status,
            ..Run::default()
        };
        let index = Index {
            runs: vec![run("warmup-001", true, Some(0)), run("run-001", false, Some(0)), run("run-002", false, None)],
            ..Index::new()
        };
        index.write(dir.path()).unwrap();
        assert_eq!(Index::read(dir.path()).unwrap(), Some(index));
        let paths = [PathBuf::from("/no/such"), dir.path().to_path_buf()];
        let [Meant::Recording(recording), Meant::Runs(runs)] = &meant(&paths).unwrap()[..] else { panic!() };
        assert_eq!((recording, runs.recordings(false)), (&paths[0], vec![dir.path().join("run-001")]));
        let of = |name: &str| dir.path().join(name);
        let all = [paths[0].clone(), of("warmup-001"), of("run-001"), of("run-002")];
        assert_eq!(all_recordings(&paths).unwrap(), all);
        std::fs::write(dir.path().join(INDEX), "{").unwrap();
        assert!(meant(&paths).unwrap_err().to_string().contains(INDEX));
    }
}
