//! Makes files and names survive a power failure.

use std::io;
use std::path::Path;

use rustix::fs::FsWord;

use super::Layout;
use crate::linux::files::read_once;

/// Syncing the whole file system costs about as much as syncing two files if there is little else to write, but can
/// take long if there is much.
const MAX_SEPARATE: usize = 2;
const MAX_DIRTY_KB: u64 = 32 * 1024;

/// The file system that never survives a power failure (`linux/magic.h`).
const TMPFS: FsWord = 0x0102_1994;

/// Enough for a thread that makes one system call.
const STACK_BYTES: usize = 64 * 1024;

/// Before this version, `syncfs` succeeds even if the disk failed.
const FIRST_WITH_ERRORS: (u32, u32) = (5, 8);

impl Layout {
    /// Makes these files, and the names in these folders, survive a power failure.
    ///
    /// # Errors
    /// When one of them cannot be opened or synced.
    pub fn sync(&self, files: &[&Path], folders: &[&Path]) -> io::Result<()> {
        let file = |path: &Path| self.open(path)?.sync_all();
        let folder = |path: &Path| self.sync_folder(path);
        if self.is_in_memory() {
            // Syncing does not wait for anything here.
            files.iter().try_for_each(|path| file(path))?;
            return folders.iter().try_for_each(|path| folder(path));
        }
        if files.len() + folders.len() > MAX_SEPARATE && all_at_once() {
            return Ok(rustix::fs::syncfs(self.descriptor()?)?);
        }
        sync_in_parallel(files, file)?;
        sync_in_parallel(folders, folder)
    }

    #[allow(clippy::useless_conversion, reason = "its type is another on other machines")]
    fn is_in_memory(&self) -> bool {
        let of = self.descriptor().and_then(|folder| Ok(rustix::fs::fstatfs(folder)?.f_type));
        of.is_ok_and(|kind| kind == TMPFS)
    }
}

/// Syncs each path on a separate thread. The file system can then write them together; one after the other, each would
/// wait for a busy disk.
fn sync_in_parallel(paths: &[&Path], sync: impl Fn(&Path) -> io::Result<()> + Sync) -> io::Result<()> {
    let Some((first, others)) = paths.split_first() else { return Ok(()) };
    let sync = &sync;
    std::thread::scope(|scope| {
        let started: Vec<_> = others
            .iter()
            .map(|path| (path, std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || sync(path))))
            .collect();
        let mut done = sync(first);
        for (path, thread) in started {
            let synced = match thread.map(|thread| thread.join()) {
                Ok(Ok(synced)) => synced,
                // Without a thread it is done here.
                Ok(Err(_)) | Err(_) => sync(path),
            };
            done = done.and(synced);
        }
        done
    })
}

/// Is syncing the whole file system cheap here, and does it report errors?
fn all_at_once() -> bool {
    let read = |path: &str| read_once(Path::new(path)).unwrap_or_default();
    reports_errors(&read("/proc/sys/kernel/osrelease"))
        && dirty_kb(&read("/proc/meminfo")).is_some_and(|kb| kb <= MAX_DIRTY_KB)
}

fn reports_errors(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    (major, minor) >= FIRST_WITH_ERRORS
}

/// Kilobytes that wait to be written, on all file systems.
fn dirty_kb(meminfo: &str) -> Option<u64> {
    let of = |name: &str| -> Option<u64> {
        meminfo.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
    };
    Some(of("Dirty:")? + of("Writeback:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_not_trusted() {
        for (release, trusted) in [
            ("6.18.44-x\n", true),
            ("5.8.0", true),
            ("5.7.19", false),
            ("4.18.0-553.el8", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(reports_errors(release), trusted, "{release}");
        }
    }

    #[test]
    fn dirty_and_written_back_memory_is_added() {
        let text = "MemTotal:       24684092 kB\nDirty:             28732 kB\nWriteback:             8 kB\nWritebackTmp: 99 kB\n";
        assert_eq!(dirty_kb(text), Some(28740));
        assert_eq!(dirty_kb("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn one_by_one_and_all_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let files: Vec<_> = ["a", "b", "c"].map(|name| layout.root.join(name)).into();
        files.iter().for_each(|file| drop(layout.create(file).unwrap()));
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        layout.sync(&files[..1], &[&layout.root]).unwrap();
        layout.sync(&files, &[&layout.root]).unwrap();
        assert!(layout.sync(&[&layout.root.join("no such")], &[]).is_err());
        sync_in_parallel(&files, |path| layout.open(path)?.sync_all()).unwrap();
        let with_a_missing_one = [files[0], &layout.root.join("no such"), files[1]];
        assert!(sync_in_parallel(&with_a_missing_one, |path| layout.open(path)?.sync_all()).is_err());
    }
}
