//! What a collector is: something that is opened once and then adds its rows at every tick.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::group::Group;
use super::options::Options;
use crate::linux::files::{HeldFile, Roots, SharedFile, SourceError};
use crate::linux::scan::ParseError;
use crate::table::sample::Sample;
use crate::table::{Table, TableDef};
use crate::workload::command::RecordedCommand;

/// A collector as the registry lists it.
pub struct Entry {
    /// The name in `--collectors`, in the manifest and in the table `collector`.
    pub name: &'static str,
    /// One line for `perfwatch doctor`.
    pub doc: &'static str,
    /// The groups of `--collectors` that it belongs to. A collector that costs something on every machine and that few
    /// people need is not in [`Group::Default`].
    pub groups: &'static [Group],
    /// The tables that it fills.
    pub tables: &'static [fn() -> TableDef],
    /// The shortest time between two samples; zero means every tick.
    pub cadence: Duration,
    /// Checks whether the source exists, and opens it.
    pub open: fn(&Setup) -> Result<Opened, Unavailable>,
}

/// What a collector may need when it is opened.
pub struct Setup {
    pub roots: Roots,
    pub options: Options,
    /// The time between two ticks. Values that are too expensive to read at every tick (frequencies, temperatures) are
    /// read in turn.
    pub interval: Duration,
    /// `/proc/stat`, read once per tick for `cpu` and `cpu_core`.
    pub stat: SharedFile,
    pub net: NetFiles,
    /// The recorded command, which has not started yet.
    pub command: Option<Arc<RecordedCommand>>,
}

impl Setup {
    /// For one tick per second, without a command.
    pub fn new(roots: Roots, options: Options) -> Self {
        let stat = SharedFile::new(roots.proc("stat"));
        let net = NetFiles::new(&roots);
        Setup { roots, options, interval: Duration::from_secs(1), stat, net, command: None }
    }
}

/// Files of `/proc/net` that `socket` and the tables of protocols read, each once per tick.
#[derive(Clone)]
pub struct NetFiles {
    pub snmp: SharedFile,
    pub netstat: SharedFile,
    pub snmp6: SharedFile,
    pub sockstat: SharedFile,
    pub sockstat6: SharedFile,
}

impl NetFiles {
    fn new(roots: &Roots) -> Self {
        let file = |name| SharedFile::new(roots.net(name));
        NetFiles {
            snmp: file("snmp"),
            netstat: file("netstat"),
            snmp6: file("snmp6"),
            sockstat: file("sockstat"),
            sockstat6: file("sockstat6"),
        }
    }
}

/// A collector that is ready, and notes on which columns stay null and why.
pub struct Opened {
    pub collector: Box<dyn Collector>,
    pub notes: Vec<String>,
    /// How the source is read, if there are several ways.
    pub by: Option<String>,
}

impl Opened {
    pub fn complete(collector: impl Collector + 'static) -> Self {
        Opened::with_notes(collector, Vec::new())
    }
    pub fn with_notes(collector: impl Collector + 'static, notes: Vec<String>) -> Self {
        Opened { collector: Box::new(collector), notes, by: None }
    }
    /// Sets how the source is read.
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = Some(by.into());
        self
    }
}

/// A source that this machine does not have: a normal state, not a failure.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// What was found: "no /proc/pressure".
    pub reason: String,
    /// What to do about it, if anything can be done.
    pub advice: Option<String>,
    /// The user asked for something that no machine has. This ends the command before it begins.
    pub is_mistake: bool,
    /// The source exists, but is only collected on request, and was not requested.
    pub is_optional: bool,
    /// A stand-in collector with rows that say that there is no data.
    pub instead: Option<Instead>,
}

/// Makes the stand-in for a source that is missing.
pub type Instead = fn(&Setup, &Unavailable) -> Box<dyn Collector>;

impl Unavailable {
    pub fn new(reason: impl Into<String>) -> Self {
        Unavailable { reason: reason.into(), advice: None, is_mistake: false, is_optional: false, instead: None }
    }
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
    /// Adds this advice, if there is any.
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

/// Compares the texts, not the stand-ins.
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
    /// Reads the source and adds its rows. `tick` is the number of the tick, for sources that several collectors share.
    ///
    /// # Errors
    /// If nothing could be read. The rows of this tick are then removed, and the other collectors continue.
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError>;

    /// Called once before the last sample. A child process that counts in intervals prints its last interval now.
    fn finish(&mut self) {}

    /// Whether the rows describe long-lived things, so that it is worth a warning if all of them are gone from one
    /// sample to the next.
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
    /// If the file cannot be opened.
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
