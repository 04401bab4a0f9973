//! Locks: one recorder, one change of the manifest, and one merge at a time.
//!
//! Each uses a separate file below `.journal`, created on demand and removed afterwards, which only the owner of the
//! recording can open: any user can lock a file that they can read, and could so block the owner. A lock ends with its
//! process, however the process ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::Layout;
use crate::linux::files::read_once;

/// Maximum number of attempts if the previous owner keeps removing the file of the lock.
const MAX_TRIES: u32 = 1000;

/// The kernel's list of locks.
const LOCKS: &str = "/proc/locks";

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    layout: Layout,
    path: PathBuf,
    file: File,
    /// Version 0.1 locks the directory itself.
    _old: Option<File>,
}

impl Lock {
    /// Locks the recording for writing rows, for a recorder or for `recover`.
    ///
    /// # Errors
    /// `WouldBlock` if another process holds it; otherwise when the lock's file cannot be created or opened.
    pub fn take(layout: &Layout) -> io::Result<Lock> {
        let old = if may_be_of_version_0_1(layout) { Some(lock_directory(layout)?) } else { None };
        let mut lock = Lock::take_at(layout, &layout.recorder_lock())?;
        lock._old = old;
        Ok(lock)
    }

    /// Takes the lock with this file.
    ///
    /// # Errors
    /// `WouldBlock` if another process holds it; otherwise when the lock's file cannot be created or opened.
    pub fn take_at(layout: &Layout, path: &Path) -> io::Result<Lock> {
        let mut tries = 0;
        loop {
            tries += 1;
            match try_take(layout, path) {
                Ok(Some(file)) => {
                    return Ok(Lock { layout: layout.clone(), path: path.to_path_buf(), file, _old: None });
                }
                // The previous owner has just removed the file or its folder.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && layout.descriptor().is_ok() => {}
                Err(error) => return Err(error),
            }
            if tries == MAX_TRIES {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    /// Does a recorder hold the lock? Several processes can check at once without affecting each other.
    ///
    /// # Errors
    /// When the directory or the lock's file cannot be opened.
    pub fn is_held_at(layout: &Layout) -> io::Result<bool> {
        let path = layout.recorder_lock();
        if layout.is_packed() {
            // It is in the pack if it was held when the recording was packed.
            return Ok(layout.has_file(&path));
        }
        match layout.open(&path) {
            Ok(file) => is_held(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(may_be_of_version_0_1(layout) && is_would_block(&lock_directory(layout)))
            }
            // Only the owner can open it, but the kernel lists the locks for all users.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Ok(layout.identity(&path).is_some_and(|(device, inode)| {
                    read_once(Path::new(LOCKS)).is_ok_and(|locks| is_listed(&locks, device, inode))
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// The same; if it cannot be checked, it counts as not held.
    pub fn is_held(layout: &Layout) -> bool {
        Lock::is_held_at(layout).unwrap_or(false)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If our file was removed, there may be a file of another process.
        if self.layout.is_at(&self.file, &self.path) {
            let _ = self.layout.remove(&self.path);
        }
        self.layout.drop_journal_folder();
    }
}

fn try_take(layout: &Layout, path: &Path) -> io::Result<Option<File>> {
    layout.make_folder(&layout.journal_folder())?;
    let file = layout.open_private(path)?;
    match file.try_lock() {
        Ok(()) => Ok(layout.is_at(&file, path).then_some(file)),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_held(file: &File) -> io::Result<bool> {
    // A shared lock: several processes may check at once, and none mistakes another for the recorder.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Is there a journal folder without a lock file? Then the recorder may be of version 0.1.
fn may_be_of_version_0_1(layout: &Layout) -> bool {
    !layout.has_file(&layout.recorder_lock()) && layout.journals().is_ok_and(|journals| !journals.is_empty())
}

fn lock_directory(layout: &Layout) -> io::Result<File> {
    let directory = File::from(layout.descriptor()?.try_clone_to_owned()?);
    match directory.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => Ok(directory),
    }
}

fn is_would_block<T>(result: &io::Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Is a lock on this file in the kernel's list? Example of a line: `1: FLOCK  ADVISORY  WRITE 5204 fe:00:131227 0 EOF`.
fn is_listed(locks: &str, device: u64, inode: u64) -> bool {
    let file = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    locks.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace();
        // A process that waits for a lock is marked with an arrow.
        fields.nth(1) == Some("FLOCK") && fields.any(|field| field == file)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn recording() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        (dir, layout)
    }

    #[test]
    fn one_writer_at_a_time() {
        let (dir, layout) = recording();
        let first = Lock::take(&layout).unwrap();
        assert_eq!(layout.recorder_lock().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Lock::take(&layout).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(Lock::is_held(&Layout::new(dir.path())));
        drop(first);
        assert!(!Lock::is_held(&layout) && !layout.journal_folder().exists());
        assert!(Lock::take(&layout).is_ok());
    }

    #[test]
    fn the_lock_of_another_process_stays() {
        let (dir, layout) = recording();
        let first = Lock::take(&layout).unwrap();
        std::fs::remove_dir_all(layout.journal_folder()).unwrap();
        let second = Lock::take(&Layout::new(dir.path())).unwrap();
        drop(first);
        assert!(Lock::is_held(&layout));
        drop(second);
        assert!(!layout.journal_folder().exists());
    }

    #[test]
    fn a_user_who_can_only_read_cannot_block_a_recorder() {
        let (dir, layout) = recording();
        std::fs::write(dir.path().join("_recording.json"), "{}").unwrap();
        for read in [dir.path().to_path_buf(), dir.path().join("_recording.json")] {
            let theirs = File::open(read).unwrap();
            theirs.lock().unwrap();
            assert!(Lock::take(&layout).is_ok() && !Lock::is_held(&layout));
            assert!(Lock::take_at(&layout, &layout.manifest_lock()).is_ok());
        }
    }

    #[test]
    fn a_recorder_of_version_0_1_is_seen() {
        let (dir, layout) = recording();
        std::fs::create_dir(layout.journal_folder()).unwrap();
        std::fs::write(layout.journal(1), "").unwrap();
        let theirs = File::open(dir.path()).unwrap();
        theirs.lock().unwrap();
        assert!(Lock::is_held(&layout));
        assert_eq!(Lock::take(&layout).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        theirs.unlock().unwrap();
        assert!(!Lock::is_held(&layout) && Lock::take(&layout).is_ok());
    }

    /// Several processes check a recording at once that is not being recorded: no result is "yes".
    #[test]
    fn checks_do_not_affect_each_other() {
        let (_dir, layout) = recording();
        std::fs::create_dir(layout.journal_folder()).unwrap();
        std::fs::write(layout.recorder_lock(), "").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..500).for_each(|_| assert!(!Lock::is_held_at(&layout).unwrap())));
            }
        });
    }

    #[test]
    fn it_can_be_taken_while_others_release_it() {
        let (_dir, layout) = recording();
        let inside = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut taken = 0;
                    while taken < 50 {
                        let Ok(lock) = Lock::take(&layout) else { continue };
                        assert!(!inside.swap(true, Ordering::SeqCst), "two at a time");
                        inside.store(false, Ordering::SeqCst);
                        drop(lock);
                        taken += 1;
                    }
                });
            }
        });
        assert!(!layout.journal_folder().exists());
    }

    #[test]
    fn the_kernels_list_is_read() {
        let (_dir, layout) = recording();
        let list = "1: POSIX  ADVISORY  WRITE 812 fe:00:131227 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 5204 103:2a:99 0 EOF\n\
                    2: -> FLOCK  ADVISORY  WRITE 5204 fe:00:131227 0 EOF\n";
        let device = |major, minor| rustix::fs::makedev(major, minor);
        assert!(is_listed(list, device(0x103, 0x2a), 99));
        assert!(!is_listed(list, device(0x103, 0x2a), 9));
        assert!(!is_listed(list, device(0xfe, 0), 131227), "another kind of lock, or a waiting process");
        let _lock = Lock::take(&layout).unwrap();
        let own = layout.recorder_lock().metadata().unwrap();
        match std::fs::read_to_string(LOCKS) {
            Ok(locks) => assert!(is_listed(&locks, own.dev(), own.ino()), "{locks}"),
            Err(error) => eprintln!("skipped: this kernel: {LOCKS}: {error}"),
        }
    }
}
