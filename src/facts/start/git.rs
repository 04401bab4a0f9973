//! The revision of the code: the commit that is checked out in the working directory, and whether files differ from it.
//!
//! The commit is read from git's files. Only git can tell whether files differ, which may take long in a large tree; on
//! a network that does not answer, even reading may take long. So both are done on a thread that is left behind if
//! necessary.

use crate::linux::clock;
use crate::linux::helper::Helper;
use crate::linux::poll::is_readable;
use crate::linux::process::setup::hand_down_signals;
use crate::linux::signal;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ci::harmless;
use super::repository::Repository;

/// The longest that a start waits for this. In a tree of 30,000 cached files git takes 60 ms.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Time to end a `git` that took too long, and to report it.
const GRACE: Duration = Duration::from_millis(200);
const TOO_LONG: &str = "git took too long";

/// What is checked out in the working directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Git {
    /// The folder of the working tree.
    pub root: Option<String>,
    /// Null before the first commit.
    pub commit: Option<String>,
    /// Null if a commit without a branch is checked out.
    pub branch: Option<String>,
    /// Whether files differ from the commit. Untracked files do not count, as in `git describe --dirty`.
    pub dirty: Option<bool>,
    /// Why part of this is not known.
    pub problem: Option<String>,
}

/// A search on a separate thread.
pub struct GitSearch {
    found: Receiver<Option<Git>>,
    until: Instant,
}

impl GitSearch {
    pub fn begin(folder: PathBuf) -> GitSearch {
        GitSearch::with_patience(folder, PATIENCE)
    }

    fn with_patience(folder: PathBuf, patience: Duration) -> GitSearch {
        let (tell, found) = mpsc::channel();
        let until = clock::instant() + patience;
        let search = move || {
            let Some(repository) = Repository::around(&folder) else {
                let _ = tell.send(None);
                return;
            };
            // Sent now: if git takes too long, this is known.
            let git = revision(&repository, until);
            let _ = tell.send(Some(Git { problem: Some(TOO_LONG.into()), ..git.clone() }));
            let _ = tell.send(Some(with_changes(git, &repository.root, until)));
        };
        // Without a thread the channel is closed, and nothing was found.
        let _ = std::thread::Builder::new().name("git".into()).spawn(search);
        GitSearch { found, until: until + GRACE }
    }

    /// The result; `None` outside of a repository.
    pub fn end(self) -> Option<Git> {
        let mut latest = None;
        loop {
            match self.found.recv_timeout(self.until.saturating_duration_since(clock::instant())) {
                Ok(found) => latest = Some(found),
                Err(mpsc::RecvTimeoutError::Timeout) if latest.is_none() => {
                    let problem = Some("the working directory does not answer".to_string());
                    return Some(Git { problem, ..Git::default() });
                }
                Err(_) => return latest.flatten(),
            }
        }
    }
}

fn revision(repository: &Repository, until: Instant) -> Git {
    let head = repository.head();
    let mut git = Git {
        root: Some(repository.root.display().to_string()),
        commit: head.commit,
        branch: head.branch,
        ..Git::default()
    };
    if head.is_hidden {
        let line = |args: &[&str]| {
            let printed = ask(&repository.root, args, 4096, until).ok()?;
            Some(printed.trim().to_string()).filter(|text| !text.is_empty())
        };
        git.commit = line(&["rev-parse", "--quiet", "--verify", "HEAD"]);
        git.branch = line(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
    }
    git
}

fn with_changes(git: Git, root: &Path, until: Instant) -> Git {
    let status = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=untracked"];
    // A byte of output means that a file differs.
    match ask(root, &status, 1, until) {
        Ok(printed) => Git { dirty: Some(!printed.is_empty()), ..git },
        Err(problem) => Git { problem: Some(problem), ..git },
    }
}

/// What git prints, at least `enough` bytes of it if there are that many. It changes nothing, prompts for nothing and
/// fetches nothing.
fn ask(root: &Path, args: &[&str], enough: usize, until: Instant) -> Result<String, String> {
    let mut command = Command::new("git");
    // No daemon that stays behind, and no search for renamed files. The child changes the directory itself, so that
    // only the child may have to wait for it.
    command.args(["-c", "core.fsmonitor=false", "-c", "status.renames=false"]).arg("-C").arg(root).args(args);
    command.envs([("GIT_OPTIONAL_LOCKS", "0"), ("GIT_NO_LAZY_FETCH", "1"), ("GIT_TERMINAL_PROMPT", "0")]);
    command.env("LC_ALL", "C").process_group(0);
    // A git hook sets these variables, which refer to another repository than that of the working directory.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    hand_down_signals(&mut command);
    let spawn = || {
        let child = command.spawn()?;
        let pid = child.id();
        std::io::Result::Ok((child, Some(pid)))
    };
    let (mut child, _helper) = Helper::start(spawn).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "no git on PATH".to_string(),
        _ => format!("git cannot be started: {error}"),
    })?;
    let printed = child.stdout.take().map_or(Ok(None), |out| read(out, enough, until));
    match printed {
        Ok(Some(bytes)) if bytes.len() >= enough => {
            end(&mut child);
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        Ok(Some(bytes)) => {
            // It closed its output, and is about to end.
            let mut said = Vec::new();
            let _ = child.stderr.take().map(|err| err.take(4096).read_to_end(&mut said));
            let status = child.wait().map_err(|error| error.to_string())?;
            if status.success() {
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            let said = String::from_utf8_lossy(&said);
            let reason = said.lines().next().unwrap_or("it failed without a word");
            Err(format!("git: {}", harmless(reason.trim_start_matches("fatal: "))))
        }
        Ok(None) => {
            end(&mut child);
            Err(TOO_LONG.into())
        }
        Err(error) => {
            end(&mut child);
            Err(format!("git: {error}"))
        }
    }
}

/// Reads to the end, or until there is enough; `None` if neither happens in time.
fn read(mut out: impl Read + AsFd, enough: usize, until: Instant) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    loop {
        let left = until.saturating_duration_since(clock::instant());
        match is_readable(&out, Some(left)) {
            Ok(false) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(true) => {
                let mut piece = [0; 4096];
                let n = out.read(&mut piece)?;
                bytes.extend_from_slice(&piece[..n]);
                if n == 0 || bytes.len() >= enough {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// Ends it with everything that it started; the rest of its output is not read.
fn end(child: &mut Child) {
    // The child was not waited for yet, so the number of its group still belongs to it.
    let _ = signal::send_to_group(child.id(), libc::SIGKILL);
    let _ = child.wait();
}

#[cfg(test)]
#[path = "git_tests.rs"]
mod tests;
