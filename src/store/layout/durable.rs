//! Making files and names last through a power cut.

use std::io;
use std::path::Path;

use rustix::fs::FsWord;

use super::Layout;
use crate::linux::files::read_once;

/// To sync the whole file system costs as much as two files if there is little else to write, and any time if there is much.
const FEW: usize = 2;
const MOST_DIRTY_KB: u64 = 32 * 1024;

/// The file system of which no power cut leaves anything (`linux/magic.h`).
const TMPFS: FsWord = 0x0102_1994;

/// Of a thread that makes one system call.
const STACK_BYTES: usize = 64 * 1024;

/// Before this version `syncfs` succeeds though the disk failed.
const TELLS_ERRORS: (u32, u32) = (5, 8);

impl Layout {
    /// Makes these files, and the names in these folders, last through a power cut.
    ///
    /// # Errors
    /// When one of them cannot be opened or synced.
    pub fn sync(&self, files: &[&Path], folders: &[&Path]) -> io::Result<()> {
        let file = |path: &Path| self.open(path)?.sync_all();
        let folder = |path: &Path| self.sync_folder(path);
        if self.is_in_memory() {
            // There is nothing to wait for.
            files.iter().try_for_each(|path| file(path))?;
            return folders.iter().try_for_each(|path| folder(path));
        }
        if files.len() + folders.len() > FEW && all_at_once() {
            return Ok(rustix::fs::syncfs(self.descriptor()?)?);
        }
        at_the_same_time(files, file)?;
        at_the_same_time(folders, folder)
    }

    #[allow(clippy::useless_conversion, reason = "its type is another on other machines")]
    fn is_in_memory(&self) -> bool {
        let of = self.descriptor().and_then(|folder| Ok(rustix::fs::fstatfs(folder)?.f_type));
        of.is_ok_and(|kind| kind == TMPFS)
    }
}

/// Syncs each path on a thread of its own: the file system can then write them together, where one after the other each waits
/// for a disk that is busy.
fn at_the_same_time(paths: &[&Path], sync: impl Fn(&Path) -> io::Result<()> + Sync) -> io::Result<()> {
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

/// Is it cheap here to sync the whole file system, and does it tell errors?
fn all_at_once() -> bool {
    let read = |path: &str| read_once(Path::new(path)).unwrap_or_default();
    tells_errors(&read("/proc/sys/kernel/osrelease"))
        && dirty_kb(&read("/proc/meminfo")).is_some_and(|kb| kb <= MOST_DIRTY_KB)
}

fn tells_errors(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    (major, minor) >= TELLS_ERRORS
}

/// What waits to be written, of all file systems.
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
            assert_eq!(tells_errors(release), trusted, "{release}");
        }
    }

    #[test]
    fn what_waits_to_be_written() {
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
        at_the_same_time(&files, |path| layout.open(path)?.sync_all()).unwrap();
        let with_a_missing_one = [files[0], &layout.root.join("no such"), files[1]];
        assert!(at_the_same_time(&with_a_missing_one, |path| layout.open(path)?.sync_all()).is_err());
    }
}
