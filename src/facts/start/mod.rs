//! Facts about a start of the recorder: folder, git revision, CI job, user, and load of the machine.
//!
//! They explain a difference between two recordings of one machine, as [`super::machine`] explains differences between
//! machines. Nothing here can fail or take long: unknown values are null.

mod ci;
mod git;
mod process;
mod repository;
mod systems;

pub use ci::Ci;
pub use git::Git;
pub use process::{Limits, Process};

use serde::{Deserialize, Serialize};

use crate::linux::files::{Roots, read_once};

/// What was found when the recorder was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// The working directory; null if it was removed.
    pub cwd: Option<String>,
    /// The repository of the working directory; null outside a repository.
    pub git: Option<Git>,
    /// Null outside a CI job.
    pub ci: Option<Ci>,
    pub process: Process,
    /// Before the first tick, but including the recorder itself.
    pub load: Load,
}

/// The load of the machine, from `/proc/loadavg`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    pub load1: Option<f64>,
    pub load5: Option<f64>,
    pub load15: Option<f64>,
    /// Threads that ran or waited for a CPU, and the number of all threads.
    pub threads_running: Option<u64>,
    pub threads: Option<u64>,
}

impl Start {
    /// Detects everything, within at most one second.
    pub fn detect(roots: &Roots) -> Start {
        let cwd = std::env::current_dir().ok();
        // It runs while the rest is read.
        let git = cwd.clone().map(git::GitSearch::begin);
        let environment = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Start {
            cwd: cwd.map(|path| path.display().to_string()),
            ci: Ci::detect(environment),
            process: Process::detect(roots),
            load: read_once(&roots.proc("loadavg")).map(|text| Load::parse(&text)).unwrap_or_default(),
            git: git.and_then(git::GitSearch::end),
        }
    }
}

impl Load {
    /// `0.44 0.40 0.73 1/86 15650`
    fn parse(text: &str) -> Load {
        let mut words = text.split_whitespace();
        let mut average = || words.next().and_then(|word| word.parse().ok());
        let (load1, load5, load15) = (average(), average(), average());
        let (running, threads) = words.next().and_then(|word| word.split_once('/')).unzip();
        let count = |word: Option<&str>| word.and_then(|word| word.parse().ok());
        Load { load1, load5, load15, threads_running: count(running), threads: count(threads) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_averages() {
        let load = Load::parse("0.44 0.40 12.73 3/861 15650");
        assert_eq!((load.load1, load.load5, load.load15), (Some(0.44), Some(0.4), Some(12.73)));
        assert_eq!((load.threads_running, load.threads), (Some(3), Some(861)));
        assert_eq!(Load::parse(""), Load::default());
        assert_eq!(Load::parse("x 1.5"), Load { load5: Some(1.5), ..Load::default() });
    }
}
