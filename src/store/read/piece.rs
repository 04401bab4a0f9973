//! What the report asks of a recording: its tables, each in pieces, each column of a piece by itself.
//!
//! A piece is a sealed Parquet file, or an hour that is still in the journal. Columns come one at a time because the
//! statistics of a day of a large machine are exact only if all values of a column are in memory at once; all columns
//! at once would not fit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::ArrayRef;
use serde::Serialize;

use super::numbers::Numbers;
use crate::store::journal::Damage;
use crate::store::layout::FORMAT;
use crate::table::TableDef;

/// A recording as the report reads it.
pub trait Source {
    /// For headings and messages.
    fn path(&self) -> &Path;

    fn facts(&self) -> Facts;

    /// What of the recording as a whole could not be read.
    fn problems(&self) -> &[ReadError] {
        &[]
    }

    /// The tables that have rows, in catalog order; then those that only another perfwatch knows.
    fn tables(&self) -> Vec<&'static TableDef>;

    /// The pieces of a table that may have rows in the window, in time order. What cannot be read is named in
    /// `problems` and left out.
    fn pieces(
        &self,
        table: &'static TableDef,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> Vec<Box<dyn Piece + '_>>;

    /// The same, with the table as all pieces together declare it: a column may be in one of them alone.
    fn read(
        &self,
        table: &'static TableDef,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> (&'static TableDef, Vec<Box<dyn Piece + '_>>) {
        (table, self.pieces(table, window, problems))
    }
}

/// Rows of one table that lie together. Several threads may read columns of one.
pub trait Piece: Sync {
    /// For messages.
    fn path(&self) -> &Path;

    fn rows(&self) -> usize;

    /// The first and last `ts`, microseconds since the epoch, as far as they are known without reading the rows.
    fn span(&self) -> Option<(i64, i64)>;

    /// One column of all rows, in row order, in one chunk or more. Every column has the same row order.
    ///
    /// # Errors
    /// When the piece cannot be read, or has no such column.
    fn column(&self, name: &str) -> Result<Vec<ArrayRef>, ReadError>;

    /// The same of a column of numbers, some rows at a time, in the form in which they are at hand.
    ///
    /// # Errors
    /// As [`Piece::column`].
    fn numbers(&self, name: &str, take: &mut dyn FnMut(Numbers<'_>)) -> Result<(), ReadError> {
        self.column(name)?.iter().for_each(|chunk| take(Numbers::Array(chunk)));
        Ok(())
    }
}

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A recorder is at work.
    Live,
    /// A recorder began and did not end; nobody is at work.
    Killed,
    Finished,
}

/// What the manifest says about a recording.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub host: Option<String>,
    /// The interval that was asked for, in seconds.
    pub interval_s: Option<f64>,
    /// None where the manifest is lost.
    pub state: Option<State>,
    /// What a reader of its figures should know first: `still recording`.
    pub notes: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// What was recorded of, if it was a command, and how that ended.
    pub command: Option<String>,
}

/// Instants from `from_us` on, before `to_us`: microseconds since the epoch.
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

    /// May rows between these instants, both included, lie in the window?
    pub fn overlaps(&self, span: (i64, i64)) -> bool {
        span.0 < self.to_us && span.1 >= self.from_us
    }
}

/// A file of a recording that could not be read, or not as what it should be.
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

    /// There is no such file any more.
    pub fn is_gone(&self) -> bool {
        matches!(&self.fault, Fault::Io(error) if error.kind() == std::io::ErrorKind::NotFound)
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("is damaged, cut short, or no Parquet file ({0})")]
    Damaged(String),
    #[error("was not written by perfwatch (no `{VERSION_KEY}` in its metadata); move it out of the recording")]
    Foreign,
    #[error("has format version {found}, this perfwatch reads version {FORMAT}; use the one that recorded it")]
    Version { found: String },
    #[error("is no file of this table: {0}")]
    Schema(String),
    /// A part of a Parquet file: its footer, a column.
    #[error("is damaged: {part} does not have the checksum that it was written with")]
    Checksum { part: String },
    #[error("{}; what comes before {} is read", .0, if .0.ends { "and behind them" } else { "them" })]
    Journal(Damage),
    #[error("damaged from its first byte, so that nothing can be read; `perfwatch recover` keeps it aside")]
    Head,
    #[error(
        "is missing, and with it all that was recorded: {NO_JOURNAL}. The recorder was killed, or still at work; `perfwatch recover`, run \
         before the copy, makes ordinary files of it"
    )]
    NoJournal,
    /// The manifest is not needed for the rows.
    #[error("{0}")]
    Manifest(String),
}

/// How a recording loses its journals.
pub const NO_JOURNAL: &str =
    "hidden files were not copied with the rest (actions/upload-artifact needs `include-hidden-files: true`)";

/// The key of the format version in the metadata of every Parquet file.
pub const VERSION_KEY: &str = "perfwatch.format";
