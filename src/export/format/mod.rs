//! One writer per format for the rows of one table.

mod cells;
mod columnar;
mod csv;
mod jsonl;

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

pub use cells::{Second, float};

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
    Parquet,
    Arrow,
    OpenMetrics,
    Perfetto,
}

impl Format {
    pub const ALL: [Format; 6] =
        [Format::Csv, Format::JsonLines, Format::Parquet, Format::Arrow, Format::OpenMetrics, Format::Perfetto];

    /// The extensions of its files; the first is that of new files.
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Format::Csv => &["csv"],
            Format::JsonLines => &["jsonl", "ndjson"],
            Format::Parquet => &["parquet"],
            Format::Arrow => &["arrow", "feather", "arrows"],
            Format::OpenMetrics => &["om", "prom", "openmetrics"],
            Format::Perfetto => &["pftrace", "perfetto-trace"],
        }
    }

    /// The first extension, which new files get.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::OpenMetrics => "om",
            Format::Perfetto => "pftrace",
        }
    }

    /// The format of files with this extension.
    pub fn from_extension(extension: &str) -> Option<Format> {
        let extension = extension.to_ascii_lowercase();
        Format::ALL.into_iter().find(|format| format.extensions().contains(&extension.as_str()))
    }

    /// Does a file hold all tables?
    pub const fn holds_all_tables(self) -> bool {
        matches!(self, Format::OpenMetrics | Format::Perfetto)
    }

    /// Is it not for a terminal?
    pub const fn is_binary(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow | Format::Perfetto)
    }
}

/// Writes the rows of one table.
pub trait RowWriter {
    /// # Errors
    /// When they cannot be written.
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()>;

    /// Writes what belongs at the end.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A writer for rows with these columns, and what every file of the format begins with. `is_stream`: the reader cannot
/// go back, as in a pipe.
///
/// # Errors
/// When the beginning cannot be written, or the format holds other things than rows.
pub fn writer<'w>(
    format: Format,
    schema: &SchemaRef,
    out: &'w mut dyn Write,
    is_stream: bool,
) -> io::Result<Box<dyn RowWriter + 'w>> {
    Ok(match format {
        Format::Csv => Box::new(csv::Csv::new(schema, out)?),
        Format::JsonLines => Box::new(jsonl::JsonLines::new(schema, out)),
        Format::Parquet => Box::new(columnar::Parquet::new(schema, out)?),
        Format::Arrow if is_stream => Box::new(columnar::ArrowStream::new(schema, out)?),
        Format::Arrow => Box::new(columnar::ArrowFile::new(schema, out)?),
        Format::OpenMetrics | Format::Perfetto => return Err(io::Error::other("this format has no rows")),
    })
}
