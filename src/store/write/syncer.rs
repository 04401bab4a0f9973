//! The thread that syncs the journal to the disk, so that little is lost in a power failure.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::news::News;
use crate::linux::clock::{Stop, Woken};
use crate::store::layout::Layout;

/// Calls `fdatasync` on the open journal at intervals, without delaying the sampling thread.
pub struct Syncer {
    journal: Arc<Mutex<Followed>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// The open journal, and how much of it is synced.
#[derive(Default)]
struct Followed {
    file: Option<File>,
    /// The recording, until the names in it are synced.
    names: Option<Layout>,
    /// Counts journals, to distinguish one from the next.
    number: u64,
    written: u64,
    /// Bytes that are on the disk. Not increased after a failure: the kernel may have dropped what it could not write, and later
    /// successes do not include that.
    synced: u64,
    failed: bool,
    /// Failures of all journals.
    failures: u64,
}

impl Syncer {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(every: Duration) -> std::io::Result<Syncer> {
        Syncer::start_and_tell(every, |_| ())
    }

    /// Like [`Syncer::start`]. Calls `notify` at the first failure.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start_and_tell(every: Duration, notify: impl Fn(News) + Send + 'static) -> std::io::Result<Syncer> {
        let journal: Arc<Mutex<Followed>> = Arc::default();
        let stop = Stop::default();
        let (theirs, until) = (journal.clone(), stop.clone());
        let thread = thread::Builder::new().name("sync".into()).stack_size(64 * 1024).spawn(move || {
            while until.wait_for(every) == Woken::Deadline {
                if let Some(error) = sync(&theirs) {
                    notify(News::Problem(format!(
                        "the journal cannot be synced to the disk: {error}; data may be lost in a power failure: check the disk (`dmesg`)"
                    )));
                }
            }
        })?;
        Ok(Syncer { journal, stop, thread: Some(thread) })
    }

    /// Syncs this file from now on. The previous one will be sealed, which syncs it.
    pub fn follow(&self, file: Option<File>) {
        self.follow_in(file, None);
    }

    /// Like [`Syncer::follow`], for a new file of this recording. The first sync also makes its name durable.
    pub fn follow_in(&self, file: Option<File>, names: Option<Layout>) {
        let mut journal = self.journal();
        let (number, failures) = (journal.number + 1, journal.failures);
        *journal = Followed { file, names, number, failures, ..Followed::default() };
    }

    /// The journal has this many bytes now.
    pub fn wrote(&self, bytes: u64) {
        self.journal().written = bytes;
    }

    /// Bytes of the open journal that are known to be on the disk.
    pub fn synced_bytes(&self) -> u64 {
        self.journal().synced
    }

    pub fn failures(&self) -> u64 {
        self.journal().failures
    }

    /// Locked only for a moment, never while waiting for the disk.
    fn journal(&self) -> MutexGuard<'_, Followed> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn finish(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Syncs the open journal. Returns the error if it is the first one.
fn sync(journal: &Mutex<Followed>) -> Option<std::io::Error> {
    let lock = || journal.lock().unwrap_or_else(PoisonError::into_inner);
    let (file, names, number, written) = {
        let mut journal = lock();
        (journal.file.as_ref()?.try_clone(), journal.names.take(), journal.number, journal.written)
    };
    let done = file.and_then(|file| file.sync_data()).and_then(|()| match names {
        Some(layout) => layout.sync(&[], &[&layout.journal_folder(), &layout.root]),
        None => Ok(()),
    });
    let mut journal = lock();
    let is_open = journal.number == number;
    match done {
        Ok(()) if is_open && !journal.failed => journal.synced = written,
        Ok(()) => {}
        Err(error) => {
            journal.failed |= is_open;
            journal.failures += 1;
            return Some(error).filter(|_| journal.failures == 1);
        }
    }
    None
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn wait_until(what: impl Fn() -> bool) {
        let begun = Instant::now();
        while !what() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the condition is never met");
            thread::sleep(SOON);
        }
    }

    #[test]
    fn synced_bytes_are_counted() {
        let syncer = Syncer::start_and_tell(SOON, |news| panic!("{news:?}")).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        syncer.follow(Some(file.try_clone().unwrap()));
        assert_eq!(syncer.synced_bytes(), 0);
        file.write_all(b"a tick").unwrap();
        syncer.wrote(6);
        wait_until(|| syncer.synced_bytes() == 6);
        // Another journal begins with zero.
        syncer.follow(Some(tempfile::tempfile().unwrap()));
        assert_eq!((syncer.synced_bytes(), syncer.failures()), (0, 0));
    }

    #[test]
    fn a_sync_that_fails_is_reported_once_and_counted() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let hear = told.clone();
        let syncer = Syncer::start_and_tell(SOON, move |news| hear.lock().unwrap().push(news)).unwrap();
        // A pipe cannot be synced: EINVAL.
        let (_reader, writer) = std::io::pipe().unwrap();
        syncer.follow(Some(File::from(OwnedFd::from(writer))));
        syncer.wrote(6);
        wait_until(|| syncer.failures() > 2);
        assert_eq!(syncer.synced_bytes(), 0);
        let told = told.lock().unwrap();
        let [News::Problem(why)] = &told[..] else { panic!("{told:?}") };
        assert!(why.contains("cannot be synced to the disk: Invalid argument"), "{why}");
    }
}
