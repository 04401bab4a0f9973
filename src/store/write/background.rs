//! The two background threads of the sink: one syncs the journal to disk, one seals closed journals.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::output::FileFacts;
use super::retain::{Deleted, Retention, retain};
use super::seal::seal;
use super::uniform::{Tables, Uniform, make_uniform};
use crate::linux::clock::{Stop, Woken};
use crate::store::layout::Layout;
use crate::store::layout::merged::Tidying;
use crate::table::TableDef;

/// Calls `fdatasync` on the open journal at regular intervals, outside of the sampling thread.
pub struct Syncer {
    journal: Arc<Mutex<Followed>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// The state of the open journal for syncing.
#[derive(Default)]
struct Followed {
    file: Option<File>,
    /// The recording, until the names in it have been synced.
    names: Option<Layout>,
    /// Distinguishes it from the previous journal.
    number: u64,
    written: u64,
    /// Bytes that are known to be on disk. It does not change any more after a failure: the kernel may have dropped
    /// data that it could not write, and a later success does not cover that data.
    synced: u64,
    failed: bool,
    /// Failures in all journals.
    failures: u64,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(every: Duration) -> std::io::Result<Syncer> {
        Syncer::start_and_tell(every, |_| ())
    }

    /// The same, and reports the first failure.
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
                    notify(News::Trouble(format!(
                        "the journal cannot be synced to the disk: {error}; recorded data may be lost in a power failure: check the disk (`dmesg`)"
                    )));
                }
            }
        })?;
        Ok(Syncer { journal, stop, thread: Some(thread) })
    }

    /// Syncs this file from now on. The previous one is sealed, and sealing has synced it.
    pub fn follow(&self, file: Option<File>) {
        self.follow_in(file, None);
    }

    /// The same for a new file in this recording; the first sync also makes its name durable.
    pub fn follow_in(&self, file: Option<File>, names: Option<Layout>) {
        let mut journal = self.journal();
        let (number, failures) = (journal.number + 1, journal.failures);
        *journal = Followed { file, names, number, failures, ..Followed::default() };
    }

    /// Sets the number of bytes written to the file.
    pub fn wrote(&self, bytes: u64) {
        self.journal().written = bytes;
    }

    /// Bytes of the open journal that are known to be on disk.
    pub fn synced_bytes(&self) -> u64 {
        self.journal().synced
    }

    pub fn failures(&self) -> u64 {
        self.journal().failures
    }

    /// Held for a short time only, never during disk access.
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

/// Syncs the open journal. Returns the error of the first failure only.
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

/// Messages of the two threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A journal could not be synced or sealed, or old files could not be deleted; with the reason. Each is reported
    /// once.
    Trouble(String),
    /// Old files were deleted.
    Deleted(Deleted),
    /// The files of each table now have the same columns; with the number of files that were changed.
    Uniform(Uniform, usize),
}

/// Seals closed journals one after the other, with low priority. A journal that cannot be sealed is kept and tried
/// again at the next call. After each call, old files are deleted.
pub struct Sealer {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    retention: Retention,
    work: Work,
}

struct Request {
    below: u32,
    now_us: i64,
    retention: Retention,
}

/// What has already been reported.
#[derive(Default)]
struct Told {
    journals: BTreeSet<u32>,
    retention: bool,
}

#[derive(Clone)]
struct Work {
    layout: Layout,
    catalog: &'static [TableDef],
    /// The tables as they are sealed, once known.
    tables: Arc<OnceLock<Vec<TableDef>>>,
    /// What the previous session knew about the files; None if there are no files.
    before: Option<Uniform>,
    facts: FileFacts,
    notify: Arc<dyn Fn(News) + Send + Sync>,
}

impl Sealer {
    /// Starts the thread, for a recording without files.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        layout: Layout,
        catalog: &'static [TableDef],
        facts: FileFacts,
        notify: Arc<dyn Fn(News) + Send + Sync>,
    ) -> std::io::Result<Sealer> {
        Sealer::start_knowing(None, layout, catalog, facts, notify)
    }

    /// The same for a recording with files; `before`: what the previous session knew about them.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start_knowing(
        before: Option<Uniform>,
        layout: Layout,
        catalog: &'static [TableDef],
        facts: FileFacts,
        notify: Arc<dyn Fn(News) + Send + Sync>,
    ) -> std::io::Result<Sealer> {
        let work = Work { layout, catalog, tables: Arc::default(), before, facts, notify };
        let (requests, theirs) = channel();
        let at_work = work.clone();
        let thread = thread::Builder::new().name("seal".into()).spawn(move || {
            lower_priority();
            at_work.serve(&theirs);
        })?;
        Ok(Sealer { requests: Some(requests), thread: Some(thread), retention: Retention::default(), work })
    }

    /// Sets how much is kept.
    #[must_use]
    pub fn keeping(self, retention: Retention) -> Sealer {
        Sealer { retention, ..self }
    }

    /// Requests sealing of every journal with a lower number, and deletion of what is too old at this time.
    pub fn seal_below(&self, below: u32, now_us: i64) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(Request { below, now_us, retention: self.retention });
        }
    }

    /// Waits for the thread, then seals the remaining journals with the priority of the calling thread. Returns
    /// messages about journals that could not be sealed.
    pub(super) fn finish(mut self, now_us: i64) -> Vec<String> {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let left = self.work.seal_all(u32::MAX).into_iter().map(|(_, why)| why).collect();
        self.work.retain(self.retention, now_us, &mut Told::default());
        left
    }
}

impl Work {
    fn serve(&self, requests: &Receiver<Request>) {
        let mut told = Told::default();
        if let Err(error) = Tidying::repair(&self.layout) {
            (self.notify)(News::Trouble(format!("{}: {error}", self.layout.tidying().display())));
        }
        while let Ok(Request { below, now_us, retention }) = requests.recv() {
            for (number, why) in self.seal_all(below) {
                if told.journals.insert(number) {
                    (self.notify)(News::Trouble(why));
                }
            }
            self.retain(retention, now_us, &mut told);
            give_back_memory();
        }
    }

    fn retain(&self, retention: Retention, now_us: i64, told: &mut Told) {
        let trouble = match retain(&self.layout, self.catalog, retention, now_us) {
            Ok(deleted) => {
                if deleted.files > 0 {
                    (self.notify)(News::Deleted(deleted.clone()));
                }
                let too_large = deleted.too_large_by.map(|by| {
                    format!(
                        "{} is {} larger than --max-bytes allows: only the newest hour is left, which is never deleted",
                        self.layout.root.display(),
                        indicatif::BinaryBytes(by)
                    )
                });
                let stays = |why| format!("an old file cannot be deleted: {why}");
                too_large.or(deleted.trouble.map(stays))
            }
            Err(error) => Some(format!("{}: old files cannot be deleted: {error}", self.layout.root.display())),
        };
        // Repeated problems are reported once.
        if let Some(why) = trouble.as_ref().filter(|_| !told.retention) {
            (self.notify)(News::Trouble(why.clone()));
        }
        told.retention = trouble.is_some();
    }

    /// The tables as they are sealed. Before the first seal, existing files get missing columns.
    fn tables(&self) -> &[TableDef] {
        self.tables.get_or_init(|| {
            let Tables { tables, uniform, widened } = make_uniform(&self.layout, self.catalog, self.before.as_ref());
            (self.notify)(match uniform {
                Ok(uniform) => News::Uniform(uniform, widened),
                Err(error) => News::Trouble(format!("files of an earlier build keep their columns: {error}")),
            });
            tables
        })
    }

    fn seal_all(&self, below: u32) -> Vec<(u32, String)> {
        let journals = match self.layout.journals() {
            Ok(journals) => journals,
            Err(error) => return vec![(0, format!("{}: {error}", self.layout.journal_folder().display()))],
        };
        let ready = journals.into_iter().filter(|(number, _)| *number < below);
        ready
            .filter_map(|(number, path)| {
                let why = match seal(&self.layout, number, self.tables(), &self.facts) {
                    Ok(sealed) => format!("{}: {}", path.display(), sealed.damage?),
                    Err(why) => {
                        // The data must then survive in the journal; its writer has finished.
                        let _ = self.layout.open(&path).and_then(|f| f.sync_data());
                        format!("{} is not sealed yet: {why}", path.display())
                    }
                };
                Some((number, why))
            })
            .collect()
    }
}

/// Sets the lowest CPU priority for the calling thread, because sealing has an hour of time.
fn lower_priority() {
    // SAFETY: plain system calls; 0 means the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// Returns memory to the system: sealing needs tens of megabytes for a short time, which the allocator would keep.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only releases memory that is free.
    unsafe {
        libc::malloc_trim(0);
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
    fn synced_bytes_are_known() {
        let syncer = Syncer::start_and_tell(SOON, |news| panic!("{news:?}")).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        syncer.follow(Some(file.try_clone().unwrap()));
        assert_eq!(syncer.synced_bytes(), 0);
        file.write_all(b"a tick").unwrap();
        syncer.wrote(6);
        wait_until(|| syncer.synced_bytes() == 6);
        // Another journal starts at zero.
        syncer.follow(Some(tempfile::tempfile().unwrap()));
        assert_eq!((syncer.synced_bytes(), syncer.failures()), (0, 0));
    }

    #[test]
    fn failed_syncs_are_reported_once_and_counted() {
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
        let [News::Trouble(why)] = &told[..] else { panic!("{told:?}") };
        assert!(why.contains("cannot be synced to the disk: Invalid argument"), "{why}");
    }
}
