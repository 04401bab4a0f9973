//! A control group that is created, and removed again with everything in it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::linux::cgroup::{ASIDE, Folder, PREFIX, Version};
use crate::linux::files::{open, read_once};

pub const PROCESSES: &str = "cgroup.procs";

/// The command's group in one hierarchy.
pub struct CommandCgroup {
    pub folder: Folder,
    /// The group to which its processes are moved at the end.
    home: PathBuf,
    /// The file for joining it.
    door: File,
    /// Locked as long as we live: an unlocked group was left by a killed recorder.
    _lock: File,
}

impl CommandCgroup {
    /// Creates a group in this folder.
    ///
    /// # Errors
    /// Why that is not permitted.
    pub fn make(parent: &Path, version: Version, home: &Path) -> Result<CommandCgroup, String> {
        const TRIES: u32 = 3;
        sweep(parent);
        let make = || {
            let path = make_folder(parent, "")?;
            let open = || Ok((OpenOptions::new().write(true).open(path.join(PROCESSES))?, lock(&path)?));
            let (door, lock) = open().inspect_err(|_: &io::Error| drop(fs::remove_dir(&path)))?;
            io::Result::Ok(CommandCgroup { folder: Folder { path, version }, home: home.into(), door, _lock: lock })
        };
        // Before we have locked it, another recorder that starts may think that it was left, and remove it.
        let made = (1..TRIES).find_map(|_| make().ok()).map_or_else(make, Ok);
        made.map_err(|error| format!("none can be created in {}: {error}", parent.display()))
    }

    pub fn counts_memory(&self) -> bool {
        self.folder.path.join("memory.current").exists()
    }

    /// Another handle of the file for joining it.
    pub fn door(&self) -> Option<File> {
        self.door.try_clone().ok()
    }
}

impl Drop for CommandCgroup {
    fn drop(&mut self) {
        remove(&self.folder.path, &self.home);
    }
}

/// Removes a group and those inside it, after moving their processes home.
pub fn remove(path: &Path, home: &Path) {
    const TRIES: u32 = 50;
    for inside in groups_in(path) {
        remove(&inside, home);
    }
    for _ in 0..TRIES {
        for pid in processes(path) {
            // A process that has just ended cannot be moved, and does not need to be.
            let _ = fs::write(home.join(PROCESSES), pid);
        }
        match fs::remove_dir(path) {
            // A process was created in the meantime, or has not ended completely.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => std::thread::sleep(Duration::from_millis(2)),
            _ => break,
        }
    }
}

fn groups_in(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())).map(|entry| entry.path()).collect()
}

/// Creates a folder. A recorder in another namespace, or one that was killed, may have used our pid.
pub fn make_folder(parent: &Path, ending: &str) -> io::Result<PathBuf> {
    const TRIES: u32 = 100;
    let pid = std::process::id();
    for n in 1..=TRIES {
        let name = if n == 1 { format!("{PREFIX}{pid}") } else { format!("{PREFIX}{pid}-{n}") };
        let path = parent.join(name + ending);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Locks a folder until the file is closed.
fn lock(folder: &Path) -> io::Result<File> {
    let file = open(folder)?;
    file.try_lock()?;
    Ok(file)
}

/// Removes empty groups of recorders that were killed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_ours)
            && let Ok(_lock) = lock(&entry.path())
        {
            remove_empty(&entry.path());
        }
    }
}

/// Removes a group and those inside it. The kernel refuses if there are processes.
fn remove_empty(path: &Path) {
    groups_in(path).iter().for_each(|inside| remove_empty(inside));
    let _ = fs::remove_dir(path);
}

/// `perfwatch-123`, `perfwatch-123-2`, `perfwatch-123-aside`.
pub fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(ASIDE).unwrap_or(name);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.splitn(2, '-').all(is_number))
}

/// The pids of the processes in a group.
pub fn processes(folder: &Path) -> impl Iterator<Item = String> {
    let text = read_once(&folder.join(PROCESSES)).unwrap_or_default();
    text.lines().map(str::to_string).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_recorders_left() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::create_dir(dir.path().join(name)).unwrap();
        for name in [
            "perfwatch-1",
            "perfwatch-2",
            "perfwatch-3-2",
            "perfwatch-3-aside",
            "perfwatch-data",
            "perfwatch-",
            "other",
        ] {
            make(name);
        }
        fs::write(dir.path().join("perfwatch-2/inside"), "").unwrap();
        make("perfwatch-4");
        let lives = lock(&dir.path().join("perfwatch-4")).unwrap();
        sweep(dir.path());
        let left = || crate::linux::files::names_in(dir.path()).unwrap();
        assert_eq!(left(), ["other", "perfwatch-", "perfwatch-2", "perfwatch-4", "perfwatch-data"]);
        drop(lives);
        sweep(dir.path());
        assert!(!left().contains(&"perfwatch-4".to_string()));
    }
}
