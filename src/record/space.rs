//! Free disk space: with `--min-free` a recording stops before the disk is full.

use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::BinaryBytes;

use crate::linux::statvfs::{FilesystemUsage, statvfs};

/// Interval between checks. A tick writes kilobytes, and a check costs 2 us.
pub const EVERY: Duration = Duration::from_secs(1);

/// Space that must stay free on a disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Floor {
    Bytes(u64),
    /// Percentage of the file system's size.
    Percent(f64),
}

impl Floor {
    /// The number of bytes on a file system of this size.
    pub fn bytes_of(self, total: u64) -> u64 {
        match self {
            Floor::Bytes(bytes) => bytes,
            Floor::Percent(percent) => (total as f64 * percent / 100.0) as u64,
        }
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Floor::Bytes(bytes) => write!(f, "{}", BinaryBytes(*bytes)),
            Floor::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Why the recording cannot continue; `None` if it can.
pub fn shortage(floor: Option<Floor>, root: &Path) -> Option<String> {
    let floor = floor?;
    // A file system that does not answer does not count as full.
    let FilesystemUsage { total_bytes, available_bytes, .. } = usage(root).ok()?;
    let free = available_bytes?;
    (free < floor.bytes_of(total_bytes?))
        .then(|| format!("the disk of {} has {} free, less than --min-free {floor}", root.display(), BinaryBytes(free)))
}

/// Checks the free space before a recording.
///
/// # Errors
/// When there is too little free space to start.
pub fn must_suffice(floor: Option<Floor>, root: &Path) -> Result<()> {
    match shortage(floor, root) {
        Some(why) => bail!("{why}: free some space, or choose another directory"),
        None => Ok(()),
    }
}

/// The number of bytes that this user can still write there; `None` if unknown.
pub fn available(path: &Path) -> Option<u64> {
    usage(path).ok()?.available_bytes
}

/// The usage of the file system of this path, which does not need to exist.
fn usage(path: &Path) -> io::Result<FilesystemUsage> {
    // The last ancestor of a relative path is empty, so "." is the last resort.
    let there = path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    statvfs(&CString::new(there.as_os_str().as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_and_too_little_free_space() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_path_buf(), dir.path().join("not/yet"), "relative/path".into()] {
            assert_eq!(shortage(None, &path), None);
            assert_eq!(shortage(Some(Floor::Bytes(0)), &path), None);
            let why = shortage(Some(Floor::Bytes(1 << 59)), &path).unwrap();
            assert!(why.contains(" free, less than --min-free 512.00 PiB"), "{why}");
            assert!(must_suffice(Some(Floor::Bytes(1 << 59)), &path).is_err());
        }
    }
}
