//! `_recording.json`: what a recording is of, and what each start of the recorder found and did.

mod change;
mod command;
mod options;
mod past;

pub use change::Change;
pub use command::{CommandFacts, Cost};
pub use past::Past;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::layout::{FORMAT, Layout, near};
use super::write::uniform::Uniform;
use crate::facts::machine::Host;
use crate::facts::start::Start;

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// `hint`: what may have been meant.
    #[error("{} is not a recording: it has no {}{hint}", path.display(), super::layout::MANIFEST)]
    Missing { path: PathBuf, hint: String },
    #[error("cannot read {}: {error}{hint}", path.display())]
    Absent { path: PathBuf, error: io::Error, hint: String },
    #[error("cannot read {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("{} is being changed by another process: try again", path.display())]
    Busy { path: PathBuf },
    #[error("{}: not a manifest of a recording: {error}", path.display())]
    Damaged { path: PathBuf, error: serde_json::Error },
    #[error(
        "{}: recording of format {found}, this perfwatch ({}) reads formats up to {FORMAT}: use a newer perfwatch",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Format { path: PathBuf, found: u32 },
}

impl ManifestError {
    /// The error without the path.
    pub fn what(&self) -> String {
        match self {
            ManifestError::Missing { .. } => "the recording has no manifest".into(),
            ManifestError::Io { error, .. } | ManifestError::Absent { error, .. } => format!("cannot be read: {error}"),
            ManifestError::Write { error, .. } => format!("cannot be written: {error}"),
            ManifestError::Busy { .. } => "is being changed by another process".into(),
            ManifestError::Damaged { error, .. } => format!("not a manifest of a recording: {error}"),
            ManifestError::Format { found, .. } => format!("recording of format {found}"),
        }
    }
}

/// The whole manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// RFC 3339, UTC.
    pub created: String,
    pub tags: BTreeMap<String, String>,
    /// What people wrote down about it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Which run of a series it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<SeriesRun>,
    /// As the latest session found it.
    pub host: Host,
    pub sessions: Vec<Session>,
    /// Those of long ago, which are in a file of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
    /// What a later perfwatch wrote here is kept as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A remark that `perfwatch annotate` added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When it was added: RFC 3339, UTC.
    pub at: String,
    pub text: String,
}

/// One of the runs that `record --runs` or `ab` made: with it, the runs are known without the index of their folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesRun {
    /// The same for all runs of a series, and for no others.
    pub series: String,
    /// "base" or "new"; null where one command was repeated.
    pub side: Option<String>,
    /// From 1, of its side; warm-ups are counted by themselves.
    pub number: u32,
    pub warmup: bool,
}

/// One start of the recorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    pub number: u32,
    pub perfwatch: String,
    pub pid: u32,
    pub argv: Vec<String>,
    /// RFC 3339, UTC.
    pub started: String,
    /// Null while it runs, and for ever when it was killed.
    pub ended: Option<String>,
    /// "SIGINT", "duration", …
    pub end_reason: Option<String>,
    /// RFC 3339, UTC: when `perfwatch recover` sealed what a killed recorder had left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<String>,
    pub boot_id: Option<String>,
    /// Keys of the session itself: `cwd`, `git`, `ci`, `process`, `load`.
    #[serde(flatten)]
    pub start: Start,
    pub interval_s: f64,
    pub rotate_s: f64,
    pub sync_s: f64,
    /// What is kept, as it was asked for; null: all.
    pub retain_s: Option<f64>,
    pub max_bytes: Option<u64>,
    /// Room that the disk is to keep, `5%` or bytes; null: none.
    pub min_free: Option<String>,
    /// How the collectors were set: the options of each under its name, and where the kernel's files were.
    #[serde(deserialize_with = "options::by_collector")]
    pub options: Map<String, Value>,
    pub collectors: Vec<CollectorFacts>,
    /// The command that was recorded, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandFacts>,
    pub ticks: u64,
    pub missed: u64,
    /// Ticks that could not be written: a full disk.
    pub lost_ticks: u64,
    /// How often the journal could not be synced to the disk.
    pub sync_failures: u64,
    /// Marks that were stored.
    pub marks: u64,
    /// Sealed files, also of earlier sessions, that were deleted because `--retain` or `--max-bytes` asks for it.
    pub deleted_files: u64,
    pub deleted_bytes: u64,
    /// RFC 3339, UTC: what was recorded before is gone. Null: nothing was deleted.
    pub deleted_before: Option<String>,
    /// What was known of the columns of all files before the first of this session was sealed.
    #[serde(skip_serializing_if = "Uniform::is_unknown")]
    pub uniform: Uniform,
    pub problems: Vec<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Session {
    /// Notes that so much is gone, and from when on something is left.
    pub fn note_deleted(&mut self, files: u64, bytes: u64, before: DateTime<Utc>) {
        self.deleted_files += files;
        self.deleted_bytes += bytes;
        self.deleted_before = Some(before.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
}

/// What became of one collector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorFacts {
    pub name: String,
    pub state: State,
    /// How it is read, where there are several ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why it is not recorded, or what of it is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Recorded,
    /// Recorded, but some values are null: the notes say which and why.
    Partial,
    /// This machine does not have it.
    Unavailable,
    /// Not asked for.
    Disabled,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Recorded => "recorded",
            State::Partial => "partial",
            State::Unavailable => "unavailable",
            State::Disabled => "disabled",
        }
    }
}

impl Manifest {
    /// Of a recording that begins.
    pub fn new(created: String, host: Host) -> Manifest {
        Manifest {
            format: FORMAT,
            created,
            tags: BTreeMap::new(),
            notes: Vec::new(),
            run: None,
            host,
            sessions: Vec::new(),
            past: None,
            other: Map::new(),
        }
    }

    /// What was recorded before this was deleted, to keep the recording small; none where all is there.
    pub fn deleted_before(&self) -> Option<&str> {
        // The sessions are in order, and nothing comes back.
        let latest = self.sessions.iter().rev().find_map(|session| session.deleted_before.as_deref());
        latest.or_else(|| self.past.as_ref()?.deleted_before.as_deref())
    }

    /// Reads the manifest of the recording at `root`.
    ///
    /// # Errors
    /// [`ManifestError`], which names the path.
    pub fn read(root: &Path) -> Result<Manifest, ManifestError> {
        Manifest::read_in(&Layout::new(root))
    }

    /// The same in a recording that is open.
    ///
    /// # Errors
    /// [`ManifestError`], which names the path.
    pub fn read_in(layout: &Layout) -> Result<Manifest, ManifestError> {
        let (path, root) = (layout.manifest(), &layout.root);
        let text = match layout.read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && layout.is_there() => {
                return Err(ManifestError::Missing { path: root.clone(), hint: near::hint(root) });
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && !layout.is_there() => {
                return Err(ManifestError::Missing { path: root.clone(), hint: near::hint(root) });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ManifestError::Absent { path: root.clone(), error, hint: near::hint(root) });
            }
            Err(error) => return Err(ManifestError::Io { path, error }),
        };
        #[derive(Deserialize)]
        struct OnlyFormat {
            format: u32,
        }
        match serde_json::from_slice::<OnlyFormat>(&text) {
            Ok(only) if only.format > FORMAT => return Err(ManifestError::Format { path, found: only.format }),
            _ => {}
        }
        serde_json::from_slice(&text).map_err(|error| ManifestError::Damaged { path, error })
    }

    /// Puts this manifest in the place of the one that is there, whole or not at all. Where there is one, [`Change`] is
    /// the way, so that nobody's tags are lost. That it has its name lasts once the recorder has synced.
    ///
    /// # Errors
    /// When it cannot be written; the old one then stands.
    pub fn write(&self, layout: &Layout) -> io::Result<()> {
        put_in_place(self, layout, Room::Reserve, Durable::Later)
    }
}

/// Where a manifest may find room on a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// Only what is free.
    Free,
    /// The recorder's last word about a session may use what was kept for it.
    Reserve,
}

/// When the name of a new manifest lasts through a power cut. Its content always does before it gets the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// Before it is said to be written.
    Now,
    /// Once the recorder has synced, which it does all the time; until then the old one may come back.
    Later,
}

/// Writes a manifest, whole or not at all.
fn put_in_place(manifest: &impl Serialize, layout: &Layout, room: Room, durable: Durable) -> io::Result<()> {
    // Not beside the journals: their folder comes and goes with the recorder, and others may write too.
    let temporary = layout.manifest_in_the_making();
    let mut text = serde_json::to_vec_pretty(manifest)?;
    text.push(b'\n');
    let write = || {
        let mut file = layout.create_anew(&temporary)?;
        file.write_all(&text)?;
        layout.make_like(&file, &layout.manifest())?;
        file.sync_all()?;
        layout.rename(&temporary, &layout.manifest())
    };
    let write = || write().inspect_err(|_| drop(layout.remove(&temporary)));
    let is_full = |e: &io::Error| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    match write() {
        Err(full) if room == Room::Reserve && is_full(&full) && layout.remove(&layout.reserve()).is_ok() => write()?,
        written => written?,
    }
    if durable == Durable::Now { layout.sync_folder(&layout.root) } else { Ok(()) }
}
