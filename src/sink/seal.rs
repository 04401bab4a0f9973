//! A closed journal becomes Parquet files, one a table; then it is unlinked.
//!
//! Order matters: write to a temporary file, sync it, check it, rename it into the table's folder, sync the folder; when
//! all tables are there, unlink the journal. A crash between any two steps leaves the journal, and the tables whose files
//! had arrived are known by their names: whoever reads takes each table from one place, and whoever seals again writes the
//! same rows under the same names.
//!
//! Bytes that cannot be read are never thrown away: a journal that is damaged before its end, or from its beginning, is
//! kept beside the others as `0001.damaged`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::schema::types::ColumnPath;

use super::order::Order;
use crate::journal::{Journal, JournalError, Tail};
use crate::manifest::FORMAT;
use crate::recording::{Layout, sync_folder};
use crate::replay::{self, ReplayError};
use crate::schema::{TS, TableDef};

/// Rows that are decoded and handed to the Parquet writer at a time.
const BATCH_ROWS: usize = 16 * 1024;
/// Rows of a row group.
const GROUP_ROWS: usize = 128 * 1024;

/// Why a journal could not be sealed. It is still there, and nothing in it is lost.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot write {}: {error}", path.display())]
    Parquet { path: PathBuf, error: ParquetError },
    #[error("{}: wrote {wrote} rows, but reads back {read}", path.display())]
    Check { path: PathBuf, wrote: usize, read: i64 },
}

/// What sealing a journal left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    pub files: usize,
    pub rows: usize,
    pub bytes: u64,
    pub damage: Option<Damage>,
}

/// What could not be read of a journal, and where the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes from byte {from} on are damaged; the file is kept as {}", kept.display())]
pub struct Damage {
    pub from: u64,
    pub bytes: u64,
    pub kept: PathBuf,
}

/// Key-value metadata that every file of a recording carries.
pub type FileFacts = Vec<(String, String)>;

/// Seals journal `number` and unlinks it, or sets it aside if it is damaged.
///
/// # Errors
/// The journal stays; calling this again is safe.
pub fn seal(layout: &Layout, number: u32, catalog: &[TableDef], facts: &FileFacts) -> Result<Sealed, SealError> {
    let path = layout.journal(number);
    let journal = Journal::open(&path)?;
    let mut sealed = Sealed::default();
    for table in catalog {
        if let Some((rows, bytes)) = seal_table(layout, &journal, number, table, facts)? {
            sealed.files += 1;
            sealed.rows += rows;
            sealed.bytes += bytes;
        }
    }
    let write = |path: &Path| {
        let path = path.to_path_buf();
        move |error| SealError::Write { path, error }
    };
    match journal.tail()? {
        Tail::Clean | Tail::Torn => fs::remove_file(&path).map_err(write(&path))?,
        Tail::Damaged { from, bytes } => {
            let kept = layout.damaged(number);
            fs::rename(&path, &kept).map_err(write(&kept))?;
            sealed.damage = Some(Damage { from, bytes, kept });
        }
    }
    sync_folder(&layout.journal_folder()).map_err(write(&layout.journal_folder()))?;
    Ok(sealed)
}

fn seal_table(
    layout: &Layout,
    journal: &Journal,
    number: u32,
    table: &TableDef,
    facts: &FileFacts,
) -> Result<Option<(usize, u64)>, SealError> {
    let Some(window) = journal.header().map(|h| h.window.clone()) else { return Ok(None) };
    let temporary = layout.temporary(&format!("{}-{number:04}", table.name));
    let mut output = Output { path: &temporary, table, window: &window, facts, writer: None, rows: 0 };
    let mut order = table.order.map(Order::by);
    let ordered = |error: ArrowError| SealError::Parquet { path: temporary.clone(), error: error.into() };
    let replayed = replay::table(journal, table, BATCH_ROWS, |batch| match &mut order {
        None => output.write(&batch),
        Some(order) => order.add(&batch).map_err(ordered)?.map_or(Ok(()), |batch| output.write(&batch)),
    });
    let rest = |order: &mut Order| order.rest().map_err(ordered);
    let written = match replayed {
        Ok(()) => match order.as_mut().map(rest).transpose()?.flatten() {
            Some(batch) => output.write(&batch).and_then(|()| output.close()),
            None => output.close(),
        },
        Err(ReplayError::Taker(error)) => Err(error),
        Err(ReplayError::Journal(error)) => Err(error.into()),
        Err(ReplayError::Arrow(error)) => Err(SealError::Parquet { path: temporary.clone(), error: error.into() }),
    };
    let rows = match written {
        Ok(0) => return Ok(None),
        Ok(rows) => rows,
        Err(error) => {
            // What is half written is of no use to anyone, and on a full disk its room is.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
    };
    check(&temporary, rows)?;
    let target = layout.sealed(table.name, &window, number);
    let folder = layout.table_folder(table.name);
    let arrive = || {
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            sync_folder(&layout.root)?;
        }
        let bytes = fs::metadata(&temporary)?.len();
        fs::rename(&temporary, &target)?;
        sync_folder(&folder)?;
        Ok(bytes)
    };
    let bytes = arrive().map_err(|error| SealError::Write { path: target.clone(), error })?;
    Ok(Some((rows, bytes)))
}

/// Opens the finished file as a reader would, before it takes the journal's place.
fn check(path: &Path, wrote: usize) -> Result<(), SealError> {
    let file = File::open(path).map_err(|error| SealError::Write { path: path.to_path_buf(), error })?;
    let reader =
        SerializedFileReader::new(file).map_err(|error| SealError::Parquet { path: path.to_path_buf(), error })?;
    let read = reader.metadata().file_metadata().num_rows();
    if usize::try_from(read) == Ok(wrote) {
        Ok(())
    } else {
        Err(SealError::Check { path: path.to_path_buf(), wrote, read })
    }
}

/// The Parquet file of one table, made when the first rows come.
struct Output<'a> {
    path: &'a Path,
    table: &'a TableDef,
    window: &'a str,
    facts: &'a FileFacts,
    writer: Option<ArrowWriter<File>>,
    rows: usize,
}

impl Output<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), SealError> {
        let parquet = |error| SealError::Parquet { path: self.path.to_path_buf(), error };
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file = File::create(self.path)
                    .map_err(|error| SealError::Write { path: self.path.to_path_buf(), error })?;
                let properties = properties(batch, self.table, self.window, self.facts).map_err(parquet)?;
                none.insert(ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(parquet)?)
            }
        };
        self.rows += batch.num_rows();
        writer.write(batch).map_err(parquet)?;
        // Rows that were put in order are a group, whose statistics tell which entities it has.
        if self.table.order.is_some() { writer.flush().map_err(parquet) } else { Ok(()) }
    }

    /// Finishes and syncs the file. Returns its rows; 0 where there is no file.
    fn close(self) -> Result<usize, SealError> {
        let Some(writer) = self.writer else { return Ok(0) };
        let file = writer.into_inner().map_err(|error| SealError::Parquet { path: self.path.to_path_buf(), error })?;
        file.sync_all().map_err(|error| SealError::Write { path: self.path.to_path_buf(), error })?;
        Ok(self.rows)
    }
}

/// The profile that every reader of DESIGN's list reads right: v1 pages, PLAIN and dictionary encodings, zstd.
///
/// Which of the two encodings a column gets, its first rows decide.
fn properties(
    first: &RecordBatch,
    table: &TableDef,
    window: &str,
    facts: &FileFacts,
) -> Result<WriterProperties, ParquetError> {
    let pair = |key: &str, value: &str| KeyValue::new(format!("perfwatch.{key}"), value.to_string());
    let mut pairs = vec![
        pair("format", &FORMAT.to_string()),
        pair("version", env!("CARGO_PKG_VERSION")),
        pair("table", table.name),
        pair("window", window),
    ];
    pairs.extend(facts.iter().map(|(key, value)| pair(key, value)));
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("perfwatch ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(compression()?)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(ColumnPath::from(TS), EnabledStatistics::Page)
        .set_key_value_metadata(Some(pairs));
    for (field, column) in first.schema().fields().iter().zip(first.columns()) {
        if dictionary_is_smaller(field, column)? {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), true);
        }
    }
    Ok(properties.build())
}

/// Text always has a dictionary. For numbers it is tried which is smaller: a dictionary of values that hardly repeat is a
/// second copy of them (left on everywhere it costs 45 %), one of few values saves half of a column or more.
fn dictionary_is_smaller(field: &FieldRef, column: &ArrayRef) -> Result<bool, ParquetError> {
    if matches!(column.data_type(), DataType::Dictionary(..)) {
        return Ok(true);
    }
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let size = |dictionary: bool| {
        let properties = WriterProperties::builder()
            .set_compression(compression()?)
            .set_dictionary_enabled(dictionary)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
        writer.write(&RecordBatch::try_new(schema.clone(), vec![column.clone()])?)?;
        Ok::<_, ParquetError>(writer.into_inner()?.len())
    };
    Ok(size(true)? < size(false)?)
}

fn compression() -> Result<Compression, ParquetError> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(3)?))
}
