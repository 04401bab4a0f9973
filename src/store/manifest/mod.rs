//! `_recording.json`: facts about a recording, and about each start of the recorder.

mod change;
mod command;
mod options;
mod past;

pub use change::Change;
pub use command::{CommandFacts, Cost, NamedFile};
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
use crate::text::json::compact_lines;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// `hint`: a suggestion for another path.
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
    /// Remarks that users added, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The run of a series, if this recording is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<SeriesRun>,
    /// As found by the latest session.
    pub host: Host,
    pub sessions: Vec<Session>,
    /// Sums of the older sessions, which are in a separate file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
    /// Keys of a later perfwatch, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A remark added by `perfwatch annotate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When it was added: RFC 3339, UTC.
    pub at: String,
    pub text: String,
}

/// A run made by `record --runs` or `ab`. It identifies the run without the index of the folder of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesRun {
    /// Identifies the series; the same for all its runs.
    pub series: String,
    /// The folder of its side: "base" or "new", or the values of parameters; null if one command was repeated.
    pub side: Option<String>,
    /// The values of `--parameter-list`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// What the random order of the runs was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// If the runs go on until decided: how often they are looked at, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looks: Option<u32>,
    /// Counted from 1 per side; warm-ups are counted separately.
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
    /// Null while it runs, and permanently if the recorder was killed.
    pub ended: Option<String>,
    /// "SIGINT", "duration", …
    pub end_reason: Option<String>,
    /// RFC 3339, UTC: when `perfwatch recover` sealed what a killed recorder left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<String>,
    pub boot_id: Option<String>,
    /// Flattened into the session: `cwd`, `git`, `ci`, `process`, `load`.
    #[serde(flatten)]
    pub start: Start,
    pub interval_s: f64,
    /// When samples were taken more often, as requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bursts: Vec<String>,
    pub rotate_s: f64,
    pub sync_s: f64,
    /// How much is kept, as requested; null: everything.
    pub retain_s: Option<f64>,
    pub max_bytes: Option<u64>,
    /// Space to keep free on the disk, `5%` or bytes; null: none.
    pub min_free: Option<String>,
    /// The options of each collector under its name, and the roots of the kernel's files.
    #[serde(deserialize_with = "options::by_collector")]
    pub options: Map<String, Value>,
    pub collectors: Vec<CollectorFacts>,
    /// The recorded command, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandFacts>,
    pub ticks: u64,
    pub missed: u64,
    /// Ticks that could not be written, because the disk was full for instance.
    pub lost_ticks: u64,
    /// Number of failed attempts to sync the journal to disk.
    pub sync_failures: u64,
    /// Number of stored marks.
    pub marks: u64,
    /// Sealed files, also of earlier sessions, that were deleted because of `--retain` or `--max-bytes`.
    pub deleted_files: u64,
    pub deleted_bytes: u64,
    /// RFC 3339, UTC: everything recorded before this was deleted. Null: nothing was deleted.
    pub deleted_before: Option<String>,
    /// What was known about the columns of all files before the first file of this session was sealed.
    #[serde(skip_serializing_if = "Uniform::is_unknown")]
    pub uniform: Uniform,
    pub problems: Vec<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Session {
    /// Adds deleted files and bytes, and the time from which data remains.
    pub fn note_deleted(&mut self, files: u64, bytes: u64, before: DateTime<Utc>) {
        self.deleted_files += files;
        self.deleted_bytes += bytes;
        self.deleted_before = Some(before.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
}

/// The state of one collector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorFacts {
    pub name: String,
    pub state: CollectorState,
    /// The source it uses, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why it is not recorded, or which part is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectorState {
    #[default]
    Recorded,
    /// Recorded, but some values are null: the notes say which and why.
    Partial,
    /// Not available on this machine.
    Unavailable,
    /// Not requested.
    Disabled,
}

impl CollectorState {
    pub fn word(self) -> &'static str {
        match self {
            CollectorState::Recorded => "recorded",
            CollectorState::Partial => "partial",
            CollectorState::Unavailable => "unavailable",
            CollectorState::Disabled => "disabled",
        }
    }
}

impl Manifest {
    /// The manifest of a new recording.
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

    /// Rows before this time were deleted to limit the size; None if nothing was deleted.
    pub fn deleted_before(&self) -> Option<&str> {
        // Sessions are in order, and deleted data does not return.
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

    /// The same for an open recording.
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

    /// Replaces the manifest atomically. If there is already one, use [`Change`], so that no tags are lost. The rename
    /// survives a power failure only after the recorder has synced.
    ///
    /// # Errors
    /// When it cannot be written; the old manifest is then kept.
    pub fn write(&self, layout: &Layout) -> io::Result<()> {
        put_in_place(self, layout, Room::Reserve, Durable::Later)
    }
}

/// The space that a manifest may use on a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// Only free space.
    Free,
    /// The recorder's final manifest may use the space that was reserved for it.
    Reserve,
}

/// When the rename of a new manifest is durable. Its content is always durable before the rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// Before the write is reported as done.
    Now,
    /// After the recorder's next sync, which happens regularly; until then the old manifest may come back.
    Later,
}

/// Writes a manifest atomically.
fn put_in_place(manifest: &impl Serialize, layout: &Layout, room: Room, durable: Durable) -> io::Result<()> {
    // Not in the journal folder: that folder is removed with the recorder, and other processes may write too.
    let temporary = layout.temporary_manifest();
    let text = compact_lines(manifest)?;
    let write = || {
        let mut file = layout.create_anew(&temporary)?;
        file.write_all(text.as_bytes())?;
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
