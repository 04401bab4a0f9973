//! Writes a sealed Parquet file: its encoding, its metadata, and the verification of the finished file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, FieldRef, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::store::checksums;
use crate::store::layout::{FORMAT, Layout};
use crate::store::read::parquet::check;
use crate::store::read::piece::ReadError;
use crate::table::{TS, TableDef};

/// Rows per row group.
const GROUP_ROWS: usize = 128 * 1024;

/// Smaller files are written without compression: their pages are smaller than the metadata about them, so nothing
/// would be saved, and finding the best encoding per column takes many times longer than writing.
const FEW_ROWS: usize = 16;

/// Key-value metadata that every file of a recording has.
pub type FileFacts = Vec<(String, String)>;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot write {}: {error}", path.display())]
    Parquet { path: PathBuf, error: ParquetError },
    #[error("{}: wrote {wrote} rows, but reads back {read}", path.display())]
    Check { path: PathBuf, wrote: usize, read: usize },
    /// The written file is damaged when read back.
    #[error(transparent)]
    Damaged(#[from] ReadError),
}

impl OutputError {
    pub fn parquet(path: &Path, error: impl Into<ParquetError>) -> Self {
        OutputError::Parquet { path: path.to_path_buf(), error: error.into() }
    }

    fn write(path: &Path, error: io::Error) -> Self {
        OutputError::Write { path: path.to_path_buf(), error }
    }
}

/// The Parquet file of one table, created when the first rows are written.
pub struct Output<'a> {
    layout: &'a Layout,
    path: &'a Path,
    table: &'a TableDef,
    window: &'a str,
    facts: &'a FileFacts,
    writer: Option<Sealing>,
    /// Rows collected until there are enough to choose the encodings.
    first: Vec<RecordBatch>,
    rows: usize,
}

impl<'a> Output<'a> {
    pub fn new(layout: &'a Layout, path: &'a Path, table: &'a TableDef, window: &'a str, facts: &'a FileFacts) -> Self {
        Output { layout, path, table, window, facts, writer: None, first: Vec::new(), rows: 0 }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When it cannot be written: a full disk.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        self.rows += batch.num_rows();
        if let Some(writer) = &mut self.writer {
            return writer.write(batch).map_err(|error| error.of(self.path));
        }
        self.first.push(batch.clone());
        if self.rows < FEW_ROWS { Ok(()) } else { self.begin().map(drop) }
    }

    /// Creates the file and writes the collected rows.
    fn begin(&mut self) -> Result<Option<&mut Sealing>, OutputError> {
        let first = std::mem::take(&mut self.first);
        if let Some(schema) = first.first().map(RecordBatch::schema) {
            let parquet = |error| OutputError::parquet(self.path, error);
            let first = concat_batches(&schema, &first).map_err(|error| OutputError::parquet(self.path, error))?;
            let file = self.layout.create_anew(self.path).map_err(|error| OutputError::write(self.path, error))?;
            let properties = properties(&first, self.table, self.window, self.facts).map_err(parquet)?;
            let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(parquet)?;
            let writer = self.writer.insert(Sealing { writer, store: Store::new(file) });
            writer.write(&first).map_err(|error| error.of(self.path))?;
        }
        Ok(self.writer.as_mut())
    }

    /// The same as a separate row group with statistics of these rows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_group(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        self.write(batch)?;
        let flushed = self.writer.as_mut().map_or(Ok(()), Sealing::flush);
        flushed.map_err(|error| error.of(self.path))
    }

    /// Finishes the file and verifies it by reading. It is not synced. Returns the number of rows; 0 if there is no
    /// file.
    ///
    /// # Errors
    /// When it cannot be written, or reads back differently.
    pub fn close(mut self) -> Result<usize, OutputError> {
        self.begin()?;
        let Some(writer) = self.writer else { return Ok(0) };
        drop(writer.close().map_err(|error| error.of(self.path))?);
        let file = self.layout.open(self.path).map_err(|error| OutputError::write(self.path, error))?;
        let read = check(file, self.path)?;
        if read == self.rows {
            Ok(self.rows)
        } else {
            Err(OutputError::Check { path: self.path.to_path_buf(), wrote: self.rows, read })
        }
    }
}

/// A Parquet file that is written one row group at a time.
struct Sealing {
    writer: ArrowWriter<Vec<u8>>,
    store: Store,
}

/// Receives row groups: the output of the Parquet writer is buffered until its checksums are computed.
pub(super) struct Store {
    file: File,
    /// Checksums of the column chunks so far.
    chunks: Vec<u32>,
    /// Row groups that are in the file.
    groups: usize,
    /// Bytes that are in the file.
    written: u64,
}

/// An error without the path, which [`Output`] adds.
pub(super) enum Failed {
    Write(io::Error),
    Parquet(ParquetError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::Write(error)
    }
}

impl From<ParquetError> for Failed {
    fn from(error: ParquetError) -> Self {
        Failed::Parquet(error)
    }
}

impl Failed {
    pub(super) fn of(self, path: &Path) -> OutputError {
        match self {
            Failed::Write(error) => OutputError::write(path, error),
            Failed::Parquet(error) => OutputError::parquet(path, error),
        }
    }
}

impl Sealing {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failed> {
        self.writer.write(batch)?;
        self.store_groups()
    }

    fn flush(&mut self) -> Result<(), Failed> {
        self.writer.flush()?;
        self.store_groups()
    }

    /// Writes finished row groups to the file.
    fn store_groups(&mut self) -> Result<(), Failed> {
        if self.writer.flushed_row_groups().len() == self.store.groups {
            return Ok(());
        }
        self.writer.sync()?;
        let bytes = std::mem::take(self.writer.inner_mut());
        self.store.add(&bytes, self.writer.flushed_row_groups())
    }

    /// Writes the remaining rows and the footer.
    fn close(mut self) -> Result<File, Failed> {
        self.flush()?;
        self.writer.append_key_value_metadata(self.store.checksums());
        self.store.end(self.writer.into_inner()?)
    }
}

impl Store {
    pub(super) fn new(file: File) -> Store {
        Store { file, chunks: Vec::new(), groups: 0, written: 0 }
    }

    /// Adds the bytes written since the last call. `groups`: all finished row groups.
    pub(super) fn add(&mut self, bytes: &[u8], groups: &[RowGroupMetaData]) -> Result<(), Failed> {
        for chunk in groups[self.groups..].iter().flat_map(RowGroupMetaData::columns) {
            let (start, length) = chunk.byte_range();
            let start = start.checked_sub(self.written).and_then(|start| usize::try_from(start).ok());
            let chunk = start.zip(usize::try_from(length).ok());
            let chunk = chunk.and_then(|(start, length)| bytes.get(start..start.checked_add(length)?));
            let chunk = chunk.ok_or_else(|| ParquetError::General("a column chunk that was not written".into()))?;
            self.chunks.push(checksums::of(chunk));
        }
        self.groups = groups.len();
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// The checksums, to be added to the metadata last.
    pub(super) fn checksums(&self) -> KeyValue {
        KeyValue::new(checksums::KEY.to_string(), checksums::text(&self.chunks))
    }

    /// Adds the footer.
    pub(super) fn end(mut self, mut last: Vec<u8>) -> Result<File, Failed> {
        checksums::fill_in(&mut last).ok_or_else(|| ParquetError::General("no footer was written".into()))?;
        self.file.write_all(&last)?;
        Ok(self.file)
    }
}

/// Encoding that all common readers read correctly: v1 pages, PLAIN and dictionary encodings, zstd.
///
/// The first rows of a column decide which of the two encodings it gets.
fn properties(
    first: &RecordBatch,
    table: &TableDef,
    window: &str,
    facts: &FileFacts,
) -> Result<WriterProperties, ParquetError> {
    let is_small = first.num_rows() < FEW_ROWS;
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_string())
        .set_compression(if is_small { Compression::UNCOMPRESSED } else { compression()? })
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(ColumnPath::from(TS), EnabledStatistics::Page)
        .set_key_value_metadata(Some(metadata(table, window, facts)));
    for (field, column) in first.schema().fields().iter().zip(first.columns()) {
        let path = || ColumnPath::from(field.name().as_str());
        if is_text(column) || !is_small && dictionary_is_smaller(field, column)? {
            properties = properties.set_column_dictionary_enabled(path(), true);
        }
        // An empty dictionary is a page of zero bytes, which fastparquet cannot read. Compressed, it has some bytes.
        if is_small && is_text(column) && column.null_count() == column.len() {
            properties = properties.set_column_compression(path(), compression()?);
        }
    }
    Ok(properties.build())
}

pub(super) const CREATED_BY: &str = concat!("perfwatch ", env!("CARGO_PKG_VERSION"));

/// The metadata of a file.
pub(super) fn metadata(table: &TableDef, window: &str, facts: &FileFacts) -> Vec<KeyValue> {
    let pair = |key: &str, value: &str| KeyValue::new(format!("perfwatch.{key}"), value.to_string());
    let own = [
        pair("format", &FORMAT.to_string()),
        pair("version", env!("CARGO_PKG_VERSION")),
        pair("table", table.name),
        pair("source", table.source),
        pair("description", table.doc),
        pair("window", window),
    ];
    own.into_iter().chain(facts.iter().map(|(key, value)| pair(key, value))).collect()
}

/// Text columns always use a dictionary.
fn is_text(column: &ArrayRef) -> bool {
    matches!(column.data_type(), DataType::Dictionary(..))
}

/// For numbers, both encodings are tried: a dictionary of values that rarely repeat is a second copy of them
/// (dictionaries for all columns cost 45 %), but one of few values saves at least half of a column.
fn dictionary_is_smaller(field: &FieldRef, column: &ArrayRef) -> Result<bool, ParquetError> {
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

pub(super) fn compression() -> Result<Compression, ParquetError> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(3)?))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, TimestampMicrosecondArray};
    use parquet::file::reader::FileReader;
    use parquet::file::serialized_reader::SerializedFileReader;

    use super::*;
    use crate::collect::catalog;

    /// Writes batches of these lengths to a file. Returns its number of rows, and which columns are compressed.
    fn written(pieces: &[usize]) -> (usize, Vec<bool>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let layout = Layout::new(folder.path());
        let facts = FileFacts::new();
        let mut output = Output::new(&layout, &path, &catalog::tables()[0], "20261120T0700Z", &facts);
        let mut numbers = 0..;
        for piece in pieces {
            let values: Vec<i64> = numbers.by_ref().take(*piece).collect();
            let ts = TimestampMicrosecondArray::from(values.clone());
            let columns = [(TS, Arc::new(ts) as ArrayRef), ("n", Arc::new(Int64Array::from(values)) as _)];
            output.write(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        }
        let rows = output.close().unwrap();
        let Ok(file) = File::open(&path) else { return (rows, Vec::new()) };
        let reader = SerializedFileReader::new(file).unwrap();
        let columns = reader.metadata().row_group(0).columns().iter();
        (rows, columns.map(|c| c.compression() != Compression::UNCOMPRESSED).collect())
    }

    #[test]
    fn small_files_are_not_compressed() {
        assert_eq!(written(&[]), (0, vec![]));
        assert_eq!(written(&[1]), (1, vec![false; 2]));
        assert_eq!(written(&[5, 0, 10]), (15, vec![false; 2]));
        assert_eq!(written(&[5, 10, 1, 30]), (46, vec![true; 2]));
        assert_eq!(written(&[300]), (300, vec![true; 2]));
    }
}
