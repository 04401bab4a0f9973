//! One sealed Parquet file in the making: its profile, its metadata, and the look back at it when it is finished.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::schema::types::ColumnPath;

use crate::manifest::FORMAT;
use crate::schema::{TS, TableDef};

/// Rows of a row group.
const GROUP_ROWS: usize = 128 * 1024;

/// Key-value metadata that every file of a recording carries.
pub type FileFacts = Vec<(String, String)>;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot write {}: {error}", path.display())]
    Parquet { path: PathBuf, error: ParquetError },
    #[error("{}: wrote {wrote} rows, but reads back {read}", path.display())]
    Check { path: PathBuf, wrote: usize, read: i64 },
}

impl OutputError {
    pub fn parquet(path: &Path, error: impl Into<ParquetError>) -> Self {
        OutputError::Parquet { path: path.to_path_buf(), error: error.into() }
    }

    fn write(path: &Path, error: io::Error) -> Self {
        OutputError::Write { path: path.to_path_buf(), error }
    }
}

/// The Parquet file of one table, made when the first rows come.
pub struct Output<'a> {
    path: &'a Path,
    table: &'a TableDef,
    window: &'a str,
    facts: &'a FileFacts,
    writer: Option<ArrowWriter<File>>,
    rows: usize,
}

impl<'a> Output<'a> {
    pub fn new(path: &'a Path, table: &'a TableDef, window: &'a str, facts: &'a FileFacts) -> Self {
        Output { path, table, window, facts, writer: None, rows: 0 }
    }

    /// # Errors
    /// When it cannot be written: a full disk.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let parquet = |error| OutputError::parquet(self.path, error);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file = File::create(self.path).map_err(|error| OutputError::write(self.path, error))?;
                let properties = properties(batch, self.table, self.window, self.facts).map_err(parquet)?;
                none.insert(ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(parquet)?)
            }
        };
        self.rows += batch.num_rows();
        writer.write(batch).map_err(parquet)
    }

    /// The same as a row group of its own, whose statistics tell what it holds.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_group(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        self.write(batch)?;
        let flushed = self.writer.as_mut().map_or(Ok(()), ArrowWriter::flush);
        flushed.map_err(|error| OutputError::parquet(self.path, error))
    }

    /// Finishes and syncs the file, and opens it as a reader would. Returns its rows; 0 where there is no file.
    ///
    /// # Errors
    /// When it cannot be written, or reads back otherwise.
    pub fn close(self) -> Result<usize, OutputError> {
        let Some(writer) = self.writer else { return Ok(0) };
        let file = writer.into_inner().map_err(|error| OutputError::parquet(self.path, error))?;
        file.sync_all().map_err(|error| OutputError::write(self.path, error))?;
        let file = File::open(self.path).map_err(|error| OutputError::write(self.path, error))?;
        let reader = SerializedFileReader::new(file).map_err(|error| OutputError::parquet(self.path, error))?;
        let read = reader.metadata().file_metadata().num_rows();
        if usize::try_from(read) == Ok(self.rows) {
            Ok(self.rows)
        } else {
            Err(OutputError::Check { path: self.path.to_path_buf(), wrote: self.rows, read })
        }
    }
}

/// The profile that every common reader reads right: v1 pages, PLAIN and dictionary encodings, zstd.
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
