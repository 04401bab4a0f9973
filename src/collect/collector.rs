//! What a collector is: something that is opened once, then asked for its rows at every tick.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regex_lite::Regex;

use crate::linux::files::{HeldFile, Roots, SharedFile, SourceError};
use crate::linux::scan::ParseError;
use crate::table::sample::Sample;
use crate::table::{Table, TableDef};
use crate::workload::command::Command;

/// A collector as the registry lists it.
pub struct Entry {
    /// The name in `--collectors`, in the manifest and in the table `collector`.
    pub name: &'static str,
    /// One line for `perfwatch doctor`.
    pub doc: &'static str,
    /// The tables that it fills.
    pub tables: &'static [fn() -> TableDef],
    /// The shortest time between two samples; zero: every tick.
    pub cadence: Duration,
    /// Looks whether the source is there, and opens it.
    pub open: fn(&Setup) -> Result<Opened, Unavailable>,
}

/// What a collector may want to know when it is opened.
pub struct Setup {
    pub roots: Roots,
    pub options: Options,
    /// `/proc/stat`, read once a tick for `cpu` and `cpu_core`.
    pub stat: SharedFile,
    /// The command that is recorded, which waits to begin.
    pub command: Option<Arc<Command>>,
}

impl Setup {
    pub fn new(roots: Roots, options: Options) -> Self {
        let stat = SharedFile::new(roots.proc("stat"));
        Setup { roots, options, stat, command: None }
    }
}

/// What users can ask of the collectors.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time between two ticks: what is too dear to read at each of them (frequencies, temperatures) takes turns.
    pub interval: Duration,
    /// Loopback interfaces too.
    pub all_interfaces: bool,
    /// Partitions, loop, ram and zram devices too.
    pub all_disks: bool,
    /// Pseudo and network file systems too.
    pub all_filesystems: bool,
    /// Processes of the machine; `None`: none but those of the command and of `perf.pids`.
    pub processes: Option<Processes>,
    /// Patterns of control groups' paths; empty: none but that of the command.
    pub cgroups: Vec<String>,
    pub perf: PerfOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            interval: Duration::from_secs(1),
            all_interfaces: false,
            all_disks: false,
            all_filesystems: false,
            processes: None,
            cgroups: Vec::new(),
            perf: PerfOptions::default(),
        }
    }
}

/// Processes that have rows although they are none of the recorded command's.
#[derive(Clone, Debug)]
pub enum Processes {
    All,
    /// So many that used most CPU time since the previous look, and so many that hold most memory.
    Top(usize),
    /// Those whose name or command line matches.
    Matching(Regex),
}

/// What users can ask about the counting of events.
#[derive(Clone, Debug, Default)]
pub struct PerfOptions {
    pub backend: Backend,
    /// The program; `None`: the first `perf` on `PATH`.
    pub path: Option<PathBuf>,
    pub format: StatFormat,
    /// Event names as perf takes them, and names of sets; empty: the default events.
    pub events: Vec<String>,
    /// `None`: every tick, and of the program at least 100 ms.
    pub interval: Option<Duration>,
    /// A CPU list as perf takes it (`0-3,8`); `None`: all.
    pub cpus: Option<String>,
    pub per: Per,
    /// These processes alone, and what they start.
    pub pids: Vec<u32>,
    /// The tasks of these cgroups alone.
    pub cgroups: Vec<String>,
}

/// Who counts events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The system call where it can count what was asked for, otherwise the program.
    #[default]
    Auto,
    /// The program `perf stat`.
    Perf,
    /// `perf_event_open`, read at the tick.
    Syscall,
}

/// What `perf stat` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatFormat {
    #[default]
    Auto,
    Csv,
    Json,
}

/// What the counts of an event are told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// One row for all.
    #[default]
    Whole,
    Cpu,
    Core,
    Die,
    Socket,
    Node,
    Cluster,
    Cache,
    Thread,
}

/// A collector that is ready, and what it will have to leave null and why.
pub struct Opened {
    pub collector: Box<dyn Collector>,
    pub notes: Vec<String>,
    /// How it is read, where there are several ways.
    pub by: Option<String>,
}

impl Opened {
    pub fn complete(collector: impl Collector + 'static) -> Self {
        Opened::with_notes(collector, Vec::new())
    }
    pub fn with_notes(collector: impl Collector + 'static, notes: Vec<String>) -> Self {
        Opened { collector: Box::new(collector), notes, by: None }
    }
    /// Says how it is read.
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = Some(by.into());
        self
    }
}

/// A source that this machine does not have: an ordinary state, not a failure.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// What was found: "no /proc/pressure".
    pub reason: String,
    /// What to do about it, if anything can be done.
    pub advice: Option<String>,
    /// It was asked for something that no machine has: that ends the command before it begins.
    pub is_mistake: bool,
    /// It is there for those who ask for it, and was not asked for.
    pub is_optional: bool,
    /// What has rows in its tables all the same, which say that there is nothing.
    pub instead: Option<Instead>,
}

/// Makes the stand-in for a source that is not there.
pub type Instead = fn(&Setup, &Unavailable) -> Box<dyn Collector>;

impl Unavailable {
    pub fn new(reason: impl Into<String>) -> Self {
        Unavailable { reason: reason.into(), advice: None, is_mistake: false, is_optional: false, instead: None }
    }
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
    /// With this advice, if there is any.
    pub fn advise_if(self, advice: Option<String>) -> Self {
        match advice {
            Some(advice) => self.advise(advice),
            None => self,
        }
    }
    pub fn not_asked(reason: impl Into<String>) -> Self {
        Unavailable { is_optional: true, ..Unavailable::new(reason) }
    }
    pub fn mistake(reason: impl Into<String>) -> Self {
        Unavailable { is_mistake: true, ..Unavailable::new(reason) }
    }
}

/// What is said, not what stands in.
impl PartialEq for Unavailable {
    fn eq(&self, other: &Unavailable) -> bool {
        let said = |u: &Unavailable| (u.reason.clone(), u.advice.clone(), u.is_mistake, u.is_optional);
        said(self) == said(other)
    }
}

impl From<SourceError> for Unavailable {
    fn from(error: SourceError) -> Self {
        Unavailable::new(error.to_string())
    }
}

/// Reads one source at every tick.
pub trait Collector: Send {
    /// Reads the source and adds its rows. `tick` numbers the tick, for sources that are shared.
    ///
    /// # Errors
    /// When nothing could be read; the rows of this tick are then taken back, and the other collectors go on.
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError>;

    /// Called once before the last sample: a child that counts in intervals prints its last one now.
    fn finish(&mut self) {}

    /// Its rows are about things that last: that all of them are gone from one sample to the next is worth a word.
    fn lasts(&self) -> bool {
        false
    }
}

/// Why a collector has no rows at this tick.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{}: {error}", path.display())]
    Parse { path: PathBuf, error: ParseError },
    #[error("{0}")]
    Other(String),
}

/// A collector whose source is one file, held open.
pub struct FileCollector<R: 'static> {
    table: &'static Table<R>,
    parse: fn(&[u8], &mut Vec<R>) -> Result<(), ParseError>,
    file: HeldFile,
    rows: Vec<R>,
}

impl<R: 'static> FileCollector<R> {
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(
        path: PathBuf,
        table: &'static Table<R>,
        parse: fn(&[u8], &mut Vec<R>) -> Result<(), ParseError>,
    ) -> Result<Self, SourceError> {
        Ok(FileCollector { table, parse, file: HeldFile::open(path)?, rows: Vec::new() })
    }
}

impl<R: Send + 'static> Collector for FileCollector<R> {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.rows.clear();
        let parsed = (self.parse)(self.file.read()?, &mut self.rows);
        parsed.map_err(|error| CollectError::Parse { path: self.file.path().to_path_buf(), error })?;
        out.push(self.table, &self.rows);
        Ok(())
    }
}
