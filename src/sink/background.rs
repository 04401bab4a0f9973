//! The two threads behind the sink: one pushes what was written to the disk, one seals closed journals.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::output::FileFacts;
use super::seal::seal;
use crate::clock::Stop;
use crate::recording::Layout;
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
            while !until.wait_for(every) {
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

/// Seals closed journals, one after the other, with low priority. What fails is kept and tried again at the next call.
pub struct Sealer {
    below: Option<Sender<u32>>,
    thread: Option<JoinHandle<()>>,
    work: Work,
}

#[derive(Clone)]
struct Work {
    layout: Layout,
    catalog: &'static [TableDef],
    facts: FileFacts,
    notify: Arc<dyn Fn(String) + Send + Sync>,
}

impl Sealer {
    /// `notify` is told once of each journal that could not be sealed, and why.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        layout: Layout,
        catalog: &'static [TableDef],
        facts: FileFacts,
        notify: Arc<dyn Fn(String) + Send + Sync>,
    ) -> std::io::Result<Sealer> {
        let work = Work { layout, catalog, facts, notify };
        let (below, requests) = channel();
        let theirs = work.clone();
        let thread = thread::Builder::new().name("seal".into()).spawn(move || {
            be_humble();
            theirs.serve(&requests);
        })?;
        Ok(Sealer { below: Some(below), thread: Some(thread), work })
    }

    /// Seals every journal with a lower number, sooner or later.
    pub fn seal_below(&self, number: u32) {
        if let Some(below) = &self.below {
            let _ = below.send(number);
        }
    }

    /// Waits for the thread, then seals what is left here, with this thread's priority. Returns what could not be.
    pub(super) fn finish(mut self) -> Vec<String> {
        self.below = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.work.seal_all(u32::MAX).into_iter().map(|(_, why)| why).collect()
    }
}

impl Work {
    fn serve(&self, requests: &Receiver<u32>) {
        let mut told = BTreeSet::new();
        while let Ok(below) = requests.recv() {
            for (number, why) in self.seal_all(below) {
                if told.insert(number) {
                    (self.notify)(why);
                }
            }
            give_back_memory();
        }
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
