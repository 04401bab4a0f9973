//! The thread that seals closed journals and then deletes old files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use super::news::News;
use super::profile::FileFacts;
use super::retain::{Retention, retain};
use super::seal::{SealedJournal, seal};
use super::sealed::{Listeners, OnSealed};
use super::uniform::{Tables, Uniform, make_uniform};
use crate::linux::memory;
use crate::store::layout::Layout;
use crate::store::layout::merged::Tidying;
use crate::table::TableDef;

/// Seals closed journals one after another with low priority, then deletes files that are too old. A journal that cannot be sealed
/// is kept and tried again at the next call.
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

/// The problems that were reported already.
#[derive(Default)]
struct Reported {
    journals: BTreeSet<u32>,
    retention: bool,
}

#[derive(Clone)]
struct Work {
    layout: Layout,
    catalog: &'static [TableDef],
    /// The tables with the columns that sealed files get. Determined before the first file is sealed.
    tables: Arc<OnceLock<Vec<TableDef>>>,
    /// What the previous session knew about the files; `None` in the first session.
    before: Option<Uniform>,
    facts: FileFacts,
    notify: Arc<dyn Fn(News) + Send + Sync>,
    listeners: Listeners,
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

    /// The same for a recording with files. `before`: what the previous session knew about them.
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
        let work =
            Work { layout, catalog, tables: Arc::default(), before, facts, notify, listeners: Listeners::default() };
        let (requests, theirs) = channel();
        let at_work = work.clone();
        let thread = thread::Builder::new().name("seal".into()).spawn(move || {
            lower_priority();
            at_work.serve(&theirs);
        })?;
        Ok(Sealer { requests: Some(requests), thread: Some(thread), retention: Retention::default(), work })
    }

    /// Sets the retention.
    #[must_use]
    pub fn keeping(self, retention: Retention) -> Sealer {
        Sealer { retention, ..self }
    }

    /// Adds a listener, which is called for each sealed file before retention deletes old ones.
    #[must_use]
    pub fn telling(self, listener: OnSealed) -> Sealer {
        self.work.listeners.add(listener);
        self
    }

    /// Has every journal with a lower number sealed, and then everything deleted that is too old at this time. Does not wait for it.
    pub fn seal_below(&self, below: u32, now_us: i64) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(Request { below, now_us, retention: self.retention });
        }
    }

    /// Waits for the thread, then seals the remaining journals on this thread with its priority. Returns why journals could not be
    /// sealed.
    pub(super) fn finish(mut self, now_us: i64) -> Vec<String> {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let left = self.work.seal_all(u32::MAX).into_iter().map(|(_, why)| why).collect();
        self.work.retain(self.retention, now_us, &mut Reported::default());
        left
    }
}

impl Work {
    fn serve(&self, requests: &Receiver<Request>) {
        let mut reported = Reported::default();
        if let Err(error) = Tidying::repair(&self.layout) {
            (self.notify)(News::Problem(format!("{}: {error}", self.layout.tidying().display())));
        }
        while let Ok(Request { below, now_us, retention }) = requests.recv() {
            for (number, why) in self.seal_all(below) {
                if reported.journals.insert(number) {
                    (self.notify)(News::Problem(why));
                }
            }
            self.retain(retention, now_us, &mut reported);
            memory::give_back();
        }
    }

    fn retain(&self, retention: Retention, now_us: i64, reported: &mut Reported) {
        let problem = match retain(&self.layout, self.catalog, retention, now_us, &|path| self.listeners.hold(path)) {
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
                let waits = |path: PathBuf| format!("old files are kept for now: {} is still needed", path.display());
                too_large.or(deleted.waits_for.map(waits)).or(deleted.problem.map(stays))
            }
            Err(error) => Some(format!("{}: old files cannot be deleted: {error}", self.layout.root.display())),
        };
        // Reported once until it works again.
        if let Some(why) = problem.as_ref().filter(|_| !reported.retention) {
            (self.notify)(News::Problem(why.clone()));
        }
        reported.retention = problem.is_some();
    }

    /// The tables with the columns that sealed files get. Before the first is sealed, existing files get these columns too.
    fn tables(&self) -> &[TableDef] {
        self.tables.get_or_init(|| {
            let Tables { tables, uniform, widened } = make_uniform(&self.layout, self.catalog, self.before.as_ref());
            (self.notify)(match uniform {
                Ok(uniform) => News::Uniform(uniform, widened),
                Err(error) => News::Problem(format!("files of an earlier version keep their columns: {error}")),
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
                    Ok(SealedJournal { files, damage }) => {
                        files.into_iter().for_each(|file| self.listeners.tell(file.table, file.path, file.rows));
                        format!("{}: {}", path.display(), damage?)
                    }
                    Err(why) => {
                        // The journal is still needed, so sync it. Nothing is written to it any more.
                        let _ = self.layout.open(&path).and_then(|f| f.sync_data());
                        format!("{} is not sealed yet: {why}", path.display())
                    }
                };
                Some((number, why))
            })
            .collect()
    }
}

/// Sets the lowest CPU priority for this thread: sealing may take an hour.
fn lower_priority() {
    // To the kernel, "no process" means the calling thread.
    let _ = rustix::process::setpriority_process(None, 19);
}
