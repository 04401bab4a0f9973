//! The two threads behind the sink: one pushes what was written to the disk, one seals closed journals.

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
use crate::linux::memory;
use crate::store::layout::Layout;
use crate::store::layout::merged::Tidying;
use crate::table::TableDef;

/// Calls `fdatasync` on the open journal every so often, away from the thread that samples.
pub struct Syncer {
    journal: Arc<Mutex<Followed>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// The open journal, as far as its syncing is concerned.
#[derive(Default)]
struct Followed {
    file: Option<File>,
    /// The recording, as long as the names in it are not synced.
    names: Option<Layout>,
    /// Tells it from the one before.
    number: u64,
    written: u64,
    /// So much of it is on the disk. Stays as it is after a failure: what the kernel could not write it may have dropped, and
    /// a later success says nothing of that.
    synced: u64,
    failed: bool,
    /// Of all journals.
    failures: u64,
}

impl Syncer {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(every: Duration) -> std::io::Result<Syncer> {
        Syncer::start_and_tell(every, |_| ())
    }

    /// The same, and tells of the first time that it fails.
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
                        "the journal cannot be synced to the disk: {error}; what is recorded may be lost if the power fails: look at the disk (`dmesg`)"
                    )));
                }
            }
        })?;
        Ok(Syncer { journal, stop, thread: Some(thread) })
    }

    /// Syncs this file from now on. The one before is sealed, and what was sealed is synced.
    pub fn follow(&self, file: Option<File>) {
        self.follow_in(file, None);
    }

    /// The same of a new file in this recording: that it has its name lasts from the first time on.
    pub fn follow_in(&self, file: Option<File>, names: Option<Layout>) {
        let mut journal = self.journal();
        let (number, failures) = (journal.number + 1, journal.failures);
        *journal = Followed { file, names, number, failures, ..Followed::default() };
    }

    /// So much is written to it now.
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

    /// Held for moments only, never while the disk is at work.
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

/// Syncs the open journal. Returns why it failed, if it never did before.
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

/// What the two threads have to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A journal could not be synced or sealed, or old files not be deleted, and why. Told once of each.
    Trouble(String),
    /// Old files are gone.
    Deleted(Deleted),
    /// The files of each table have the same columns now; so many got some.
    Uniform(Uniform, usize),
}

/// Seals closed journals, one after the other, with low priority. What fails is kept and tried again at the next call.
/// After each time, files that are too old go.
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

/// What was told already.
#[derive(Default)]
struct Told {
    journals: BTreeSet<u32>,
    retention: bool,
}

#[derive(Clone)]
struct Work {
    layout: Layout,
    catalog: &'static [TableDef],
    /// As they are sealed, once that is known.
    tables: Arc<OnceLock<Vec<TableDef>>>,
    /// What the session before knew of the files; none: there are none.
    before: Option<Uniform>,
    facts: FileFacts,
    notify: Arc<dyn Fn(News) + Send + Sync>,
}

impl Sealer {
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

    /// The same in a recording that has files: the session before knew this of them.
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
            be_humble();
            at_work.serve(&theirs);
        })?;
        Ok(Sealer { requests: Some(requests), thread: Some(thread), retention: Retention::default(), work })
    }

    /// From now on keeps only so much.
    #[must_use]
    pub fn keeping(self, retention: Retention) -> Sealer {
        Sealer { retention, ..self }
    }

    /// Seals every journal with a lower number, sooner or later, and deletes what is too old at this instant.
    pub fn seal_below(&self, below: u32, now_us: i64) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(Request { below, now_us, retention: self.retention });
        }
    }

    /// Waits for the thread, then seals what is left here, with this thread's priority. Returns what could not be.
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
            memory::give_back();
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
                        "{} is {} larger than it may be (--max-bytes): only the newest hour is left, which is not deleted",
                        self.layout.root.display(),
                        indicatif::BinaryBytes(by)
                    )
                });
                let stays = |why| format!("an old file cannot be deleted: {why}");
                too_large.or(deleted.trouble.map(stays))
            }
            Err(error) => Some(format!("{}: old files cannot be deleted: {error}", self.layout.root.display())),
        };
        // Once for a row of troubles.
        if let Some(why) = trouble.as_ref().filter(|_| !told.retention) {
            (self.notify)(News::Trouble(why.clone()));
        }
        told.retention = trouble.is_some();
    }

    /// The tables as they are sealed. Before the first of them is, the files that are there get their columns.
    fn tables(&self) -> &[TableDef] {
        self.tables.get_or_init(|| {
            let Tables { tables, uniform, widened } = make_uniform(&self.layout, self.catalog, self.before.as_ref());
            (self.notify)(match uniform {
                Ok(uniform) => News::Uniform(uniform, widened),
                Err(error) => {
                    News::Trouble(format!("files of an earlier build keep the columns that they have: {error}"))
                }
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
                        // Then it is the journal that must last; its writer is done with it.
                        let _ = self.layout.open(&path).and_then(|f| f.sync_data());
                        format!("{} is not sealed yet: {why}", path.display())
                    }
                };
                Some((number, why))
            })
            .collect()
    }
}

/// Lowest CPU priority for the calling thread: sealing has an hour's time.
fn be_humble() {
    // To the kernel, "no process" means the calling thread.
    let _ = rustix::process::setpriority_process(None, 19);
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
            assert!(begun.elapsed() < Duration::from_secs(30), "it never comes to that");
            thread::sleep(SOON);
        }
    }

    #[test]
    fn what_is_synced_is_known() {
        let syncer = Syncer::start_and_tell(SOON, |news| panic!("{news:?}")).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        syncer.follow(Some(file.try_clone().unwrap()));
        assert_eq!(syncer.synced_bytes(), 0);
        file.write_all(b"a tick").unwrap();
        syncer.wrote(6);
        wait_until(|| syncer.synced_bytes() == 6);
        // Another journal begins at nothing.
        syncer.follow(Some(tempfile::tempfile().unwrap()));
        assert_eq!((syncer.synced_bytes(), syncer.failures()), (0, 0));
    }

    #[test]
    fn a_sync_that_fails_is_said_once_and_counted() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let hear = told.clone();
        let syncer = Syncer::start_and_tell(SOON, move |news| hear.lock().unwrap().push(news)).unwrap();
        // The kernel syncs no pipe: EINVAL.
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
