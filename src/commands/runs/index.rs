//! `_runs.json`: which recordings of a folder belong together, and what each came to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;

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
    pub wall_s: Option<f64>,
    pub user_s: Option<f64>,
    pub system_s: Option<f64>,
    pub max_rss_bytes: Option<u64>,
}

impl Index {
    pub fn new() -> Index {
        Index { version: VERSION, runs: Vec::new() }
    }

    /// The index of a folder of runs; `None` where it is none.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn read(root: &Path) -> io::Result<Option<Index>> {
        match fs::read(root.join(INDEX)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts it in the place of the one that is there, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, root: &Path) -> io::Result<()> {
        let temporary = root.join(format!("{INDEX}.tmp"));
        fs::write(&temporary, serde_json::to_string_pretty(self)? + "\n")?;
        fs::rename(temporary, root.join(INDEX))
    }
}

impl Run {
    /// Notes what the recording's manifest says of the command.
    pub fn ended(&mut self, root: &Path, exit_status: i32, is_whole: bool) {
        self.exit_status = Some(exit_status);
        if !is_whole {
            return;
        }
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

/// The recordings that are meant by these paths: a folder of runs means those of them that count.
///
/// # Errors
/// When an index cannot be read.
pub fn recordings(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        match Index::read(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.join(INDEX).display()))? {
            Some(index) => {
                let counts = index.runs.iter().filter(|run| !run.warmup && run.exit_status.is_some());
                all.extend(counts.map(|run| path.join(&run.directory)));
            }
            None => all.push(path.clone()),
        }
    }
    Ok(all)
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
        assert_eq!(recordings(&paths).unwrap(), [PathBuf::from("/no/such"), dir.path().join("run-001")]);
        fs::write(dir.path().join(INDEX), "{").unwrap();
        assert!(recordings(&paths).unwrap_err().to_string().contains(INDEX));
    }
}
