//! Locks: one recorder, one change of the manifest, one tidying up at a time.
//!
//! Each is on a file of its own below `.journal`, made when it is needed and removed afterwards, which only the owner of the
//! recording can open: anyone can lock what he can read, and so keep its owner out. A lock ends with its process, however
//! that ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::Layout;
use crate::linux::files::read_once;

/// As often is a lock's file looked for that its last owner takes away meanwhile.
const MOST_TRIES: u32 = 1000;

/// Where the kernel lists the locks that are held.
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
    /// Takes the right to add to the recording, for a recorder or one that recovers.
    ///
    /// # Errors
    /// `WouldBlock` where another process has it; else when the lock's file cannot be made or opened.
    pub fn take(layout: &Layout) -> io::Result<Lock> {
        let old = if may_be_of_version_0_1(layout) { Some(lock_directory(layout)?) } else { None };
        let mut lock = Lock::take_at(layout, &layout.recorder_lock())?;
        lock._old = old;
        Ok(lock)
    }

    /// Takes the lock with this file.
    ///
    /// # Errors
    /// `WouldBlock` where another process has it; else when the lock's file cannot be made or opened.
    pub fn take_at(layout: &Layout, path: &Path) -> io::Result<Lock> {
        let mut tries = 0;
        loop {
            tries += 1;
            match try_take(layout, path) {
                Ok(Some(file)) => {
                    return Ok(Lock { layout: layout.clone(), path: path.to_path_buf(), file, _old: None });
                }
                // Its last owner has just taken it away, or the folder around it.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && layout.descriptor().is_ok() => {}
                Err(error) => return Err(error),
            }
            if tries == MOST_TRIES {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    /// Does a recorder hold it? Asking keeps nobody else who asks from the truth.
    ///
    /// # Errors
    /// When the directory or the lock's file cannot be opened.
    pub fn is_held_at(layout: &Layout) -> io::Result<bool> {
        let path = layout.recorder_lock();
        match layout.open(&path) {
            Ok(file) => is_held(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(may_be_of_version_0_1(layout) && is_would_block(&lock_directory(layout)))
            }
            // Only the owner can open it, but the kernel tells everybody who holds what.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Ok(layout.identity(&path).is_some_and(|(device, inode)| {
                    read_once(Path::new(LOCKS)).is_ok_and(|locks| is_listed(&locks, device, inode))
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// The same, where what cannot be opened is held by nobody.
    pub fn is_held(layout: &Layout) -> bool {
        Lock::is_held_at(layout).unwrap_or(false)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Where ours was removed, another's may be there.
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
    // Shared: many may ask at once, and none of them takes another one for the recorder.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Is there a journal folder without a lock's file? Then the recorder may be of version 0.1.
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

/// Is a lock on this file in the kernel's list? A line: `1: FLOCK  ADVISORY  WRITE 5204 fe:00:131227 0 EOF`.
fn is_listed(locks: &str, device: u64, inode: u64) -> bool {
    let file = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    locks.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace();
        // What waits for a lock has an arrow in front, and holds nothing.
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
    fn that_of_another_stays() {
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
    fn who_can_only_read_keeps_nobody_out() {
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

    /// Many ask at once about a recording that nobody records: no answer is "yes".
    #[test]
    fn those_who_ask_do_not_see_each_other() {
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
    fn it_is_taken_while_others_give_it_up() {
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
        assert!(!is_listed(list, device(0xfe, 0), 131227), "it is another kind of lock, or waits");
        let _lock = Lock::take(&layout).unwrap();
        let own = layout.recorder_lock().metadata().unwrap();
        match std::fs::read_to_string(LOCKS) {
            Ok(locks) => assert!(is_listed(&locks, own.dev(), own.ino()), "{locks}"),
            Err(error) => eprintln!("skipped: this kernel: {LOCKS}: {error}"),
        }
    }
}
