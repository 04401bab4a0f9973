//! The two threads behind the sink: one pushes what was written to the disk, one seals closed journals.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::output::FileFacts;
use super::retain::{Deleted, Retention, retain};
use super::seal::seal;
use crate::clock::{Stop, Woken};
use crate::recording::Layout;
use crate::recording::merged::Tidying;
use crate::schema::TableDef;

/// Calls `fdatasync` on the open journal every so often, away from the thread that samples.
pub struct Syncer {
    file: Arc<Mutex<Option<File>>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(every: Duration) -> std::io::Result<Syncer> {
        let file: Arc<Mutex<Option<File>>> = Arc::default();
        let stop = Stop::default();
        let (theirs, until) = (file.clone(), stop.clone());
        let thread = thread::Builder::new().name("sync".into()).stack_size(64 * 1024).spawn(move || {
            while until.wait_for(every) == Woken::Deadline {
                let file = theirs.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(File::try_clone);
                if let Some(Ok(file)) = file {
                    // A disk that fails here fails the next write too, which is where it is reported.
                    let _ = file.sync_data();
                }
            }
        })?;
        Ok(Syncer { file, stop, thread: Some(thread) })
    }

    /// Syncs this file from now on; the one before is synced a last time by whoever seals it.
    pub fn follow(&self, file: Option<File>) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }

    pub(super) fn finish(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What the sealer has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A journal could not be sealed, or old files not be deleted, and why. Told once of each.
    Trouble(String),
    /// Old files are gone.
    Deleted(Deleted),
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
        let work = Work { layout, catalog, facts, notify };
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

    fn seal_all(&self, below: u32) -> Vec<(u32, String)> {
        let journals = match self.layout.journals() {
            Ok(journals) => journals,
            Err(error) => return vec![(0, format!("{}: {error}", self.layout.journal_folder().display()))],
        };
        let ready = journals.into_iter().filter(|(number, _)| *number < below);
        ready
            .filter_map(|(number, path)| {
                // The writer is done with it; what it wrote must be down before the journal may go.
                let _ = File::open(&path).and_then(|f| f.sync_data());
                let why = match seal(&self.layout, number, self.catalog, &self.facts) {
                    Ok(sealed) => format!("{}: {}", path.display(), sealed.damage?),
                    Err(why) => format!("{} is not sealed yet: {why}", path.display()),
                };
                Some((number, why))
            })
            .collect()
    }
}

/// Lowest CPU priority for the calling thread: sealing has an hour's time.
fn be_humble() {
    // SAFETY: plain system calls; 0 names the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// Sealing needs tens of megabytes for a moment, which the allocator would otherwise keep.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only releases memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
