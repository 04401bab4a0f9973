//! The interface between a recording and its readers: tables, their pieces, and the columns of a piece.
//!
//! A piece is a sealed Parquet file, or a journal. Columns are read one at a time: exact statistics need all values of
//! a column in memory, and all columns of a day of a large machine would not fit.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use arrow_array::{ArrayRef, RecordBatch};
use serde::Serialize;

use super::numbers::Numbers;
use crate::store::journal::Damage;
use crate::store::layout::FORMAT;
use crate::store::manifest::Manifest;
use crate::table::TableDef;

/// A recording as its readers see it.
pub trait Source {
    /// The path for headings and messages.
    fn path(&self) -> &Path;

    fn facts(&self) -> Facts;

    /// None if it is lost, or the rows come from elsewhere.
    fn manifest(&self) -> Option<&Manifest> {
        None
    }

    /// Problems with the recording as a whole.
    fn problems(&self) -> &[ReadError] {
        &[]
    }

    /// The tables with rows, in catalog order, followed by tables that this version does not know.
    fn tables(&self) -> Vec<&'static TableDef>;

    /// The pieces of a table that may have rows in the window, in order of time. Pieces that cannot be read are added
    /// to `problems` and left out.
    fn pieces(
        &self,
        table: &'static TableDef,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> Vec<Box<dyn Piece + '_>>;

    /// The same, with the table as declared by all pieces together: a column may exist only in some of them.
    fn read(
        &self,
        table: &'static TableDef,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> (&'static TableDef, Vec<Box<dyn Piece + '_>>) {
        (table, self.pieces(table, window, problems))
    }
}

/// Rows of one table that are stored together. Several threads may read columns of one piece.
pub trait Piece: Sync {
    /// The path for messages.
    fn path(&self) -> &Path;

    fn rows(&self) -> usize;

    /// First and last `ts` in microseconds since the epoch, if known without reading the rows.
    fn span(&self) -> Option<(i64, i64)>;

    /// One column of all rows, in one or more chunks. All columns have the same row order.
    ///
    /// # Errors
    /// When the piece cannot be read, or has no such column.
    fn column(&self, name: &str) -> Result<Vec<ArrayRef>, ReadError>;

    /// The same for a column of numbers, some rows at a time, in their stored form.
    ///
    /// # Errors
    /// As [`Piece::column`].
    fn numbers(&self, name: &str, take: &mut dyn FnMut(Numbers<'_>)) -> Result<(), ReadError> {
        self.column(name)?.iter().for_each(|chunk| take(Numbers::Array(chunk)));
        Ok(())
    }

    /// All rows in order, some thousand at a time, with these columns, until `take` returns a break. So that files of any
    /// size can be read in bounded memory.
    ///
    /// # Errors
    /// As [`Piece::column`]. Rows before the damage have been taken.
    fn parts(&self, columns: &[&str], take: &mut dyn FnMut(Part) -> ControlFlow<()>) -> Result<(), ReadError>;
}

/// Consecutive rows of a piece.
pub struct Part {
    /// In the order in which they were asked for.
    pub columns: RecordBatch,
    /// No row of this and the following parts of the piece is earlier; `None` if that is not known.
    pub from_us: Option<i64>,
}

/// Whether a recording is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// A recorder is running.
    Live,
    /// A session has no end, and no recorder is running.
    Killed,
    Finished,
}

/// The facts from the manifest that reports show.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub host: Option<String>,
    /// The requested interval in seconds.
    pub interval_s: Option<f64>,
    /// None if the manifest is lost.
    pub state: Option<RecordingState>,
    /// What to know before reading the figures, such as `still recording`.
    pub notes: Vec<String>,
    /// Ticks that could not be written.
    pub lost_ticks: u64,
    pub tags: BTreeMap<String, String>,
    /// The recorded command, if there was one, and how it ended.
    pub command: Option<String>,
}

/// Times from `from_us` (included) to `to_us` (excluded), in microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from_us: i64,
    pub to_us: i64,
}

impl Window {
    pub const ALL: Window = Window { from_us: i64::MIN, to_us: i64::MAX };

    pub fn contains(&self, ts_us: i64) -> bool {
        self.from_us <= ts_us && ts_us < self.to_us
    }

    /// Can rows between these times, both included, be in the window?
    pub fn overlaps(&self, span: (i64, i64)) -> bool {
        span.0 < self.to_us && span.1 >= self.from_us
    }
}

/// A file of a recording that could not be read, or is not valid.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct ReadError {
    pub path: PathBuf,
    pub fault: Fault,
}

impl ReadError {
    pub fn new(path: &Path, fault: Fault) -> Self {
        ReadError { path: path.to_path_buf(), fault }
    }

    /// The file no longer exists.
    pub fn is_gone(&self) -> bool {
        matches!(&self.fault, Fault::Io(error) if error.kind() == std::io::ErrorKind::NotFound)
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("is damaged, cut short, or not a Parquet file ({0})")]
    Damaged(String),
    #[error("was not written by perfwatch (no `{VERSION_KEY}` in its metadata); move it out of the recording")]
    Foreign,
    #[error("has format version {found}, this perfwatch reads version {FORMAT}; use the version that recorded it")]
    Version { found: String },
    #[error("does not belong to this table: {0}")]
    Schema(String),
    /// Damage in a part of a Parquet file: its footer, or a column.
    #[error("is damaged: {part} does not have the checksum that it was written with")]
    Checksum { part: String },
    #[error("{}; the rows before {} are read", .0, if .0.ends { "and after them" } else { "them" })]
    Journal(Damage),
    #[error("damaged from its first byte, so nothing can be read; `perfwatch recover` sets it aside")]
    Head,
    #[error(
        "is missing, and with it all recorded data: {NO_JOURNAL}. The recorder was killed or still running; run \
         `perfwatch recover` before copying to convert it into Parquet files"
    )]
    NoJournal,
    /// The rows can be read without the manifest.
    #[error("{0}")]
    Manifest(String),
}

/// How the journals of a recording are usually lost.
pub const NO_JOURNAL: &str =
    "hidden files were not copied with the rest (actions/upload-artifact needs `include-hidden-files: true`)";

/// The key of the format version in the metadata of every Parquet file.
pub const VERSION_KEY: &str = "perfwatch.format";
