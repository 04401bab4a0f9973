//! Writes a sealed Parquet file: its encoding, its metadata, and the verification of the finished file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use arrow_select::concat::concat_batches;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, RowGroupMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::group::{FIRST_ROWS, Group};
use super::lean::lean;
pub use super::profile::FileFacts;
use super::profile::{properties, writer};
use crate::store::checksums;
use crate::store::layout::Layout;
use crate::store::read::parquet::{FEW_ROWS, check};
use crate::store::read::piece::ReadError;
use crate::table::TableDef;

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

/// Files with a single row group of [few rows](FEW_ROWS), and no more than this before their footer, have one checksum
/// for all column chunks. Readers read and decode them as a whole.
const SHORT_BYTES: u64 = 16 << 10;

/// The Parquet file of one table, created when the first rows are written.
pub struct Output<'a> {
    layout: &'a Layout,
    path: &'a Path,
    table: &'a TableDef,
    window: &'a str,
    facts: &'a FileFacts,
    writer: Option<Sealing>,
    /// The first rows of a row group, until there are enough to choose its encodings.
    first: Vec<RecordBatch>,
    first_rows: usize,
    rows: usize,
}

impl<'a> Output<'a> {
    pub fn new(layout: &'a Layout, path: &'a Path, table: &'a TableDef, window: &'a str, facts: &'a FileFacts) -> Self {
        Output { layout, path, table, window, facts, writer: None, first: Vec::new(), first_rows: 0, rows: 0 }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When it cannot be written: a full disk.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows();
        if let Some(writer) = &mut self.writer
            && writer.add(batch).map_err(|error| error.at(self.path))?
        {
            return Ok(());
        }
        self.first_rows += batch.num_rows();
        self.first.push(batch.clone());
        if self.first_rows < FIRST_ROWS { Ok(()) } else { self.begin() }
    }

    /// Begins a row group with the collected rows.
    fn begin(&mut self) -> Result<(), OutputError> {
        let first = std::mem::take(&mut self.first);
        self.first_rows = 0;
        let Some(schema) = first.first().map(RecordBatch::schema) else { return Ok(()) };
        let first = concat_batches(&schema, &first).map_err(|error| OutputError::parquet(self.path, error))?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert({
                let file = self.layout.create_anew(self.path).map_err(|error| OutputError::write(self.path, error))?;
                let properties = properties(first.num_rows(), self.table, self.window, self.facts);
                let begun = properties.and_then(|properties| Sealing::begin(file, &schema, properties));
                begun.map_err(|error| OutputError::parquet(self.path, error))?
            }),
        };
        writer.begin_group(&first).map_err(|error| error.at(self.path))
    }

    /// Adds rows as a separate row group, with its own statistics.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_group(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        self.write(batch)?;
        self.begin()?;
        let ended = self.writer.as_mut().map_or(Ok(()), Sealing::end_group);
        ended.map_err(|error| error.at(self.path))
    }

    /// Finishes the file and verifies it by reading. It is not synced. Returns the number of rows; 0 if there is no
    /// file.
    ///
    /// # Errors
    /// When it cannot be written, or reads back differently.
    pub fn close(mut self) -> Result<usize, OutputError> {
        self.begin()?;
        let Some(writer) = self.writer else { return Ok(0) };
        drop(writer.close().map_err(|error| error.at(self.path))?);
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
    writer: SerializedFileWriter<Vec<u8>>,
    properties: WriterProperties,
    group: Option<Group>,
    store: Store,
}

/// Receives row groups: the output of the Parquet writer is buffered until its checksums are computed.
pub(super) struct Store {
    file: File,
    /// Checksums of the column chunks so far.
    chunks: Vec<u32>,
    /// Of all together.
    all: crc32fast::Hasher,
    /// Row groups that are in the file.
    groups: usize,
    /// Rows in them.
    rows: i64,
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
    pub(super) fn at(self, path: &Path) -> OutputError {
        match self {
            Failed::Write(error) => OutputError::write(path, error),
            Failed::Parquet(error) => OutputError::parquet(path, error),
        }
    }
}

impl Sealing {
    fn begin(file: File, schema: &Schema, properties: WriterProperties) -> Result<Sealing, ParquetError> {
        let writer = writer(schema, properties.clone())?;
        Ok(Sealing { writer, properties, group: None, store: Store::new(file) })
    }

    /// Adds rows to the row group. False if there is none, or they do not fit; then it is closed.
    fn add(&mut self, batch: &RecordBatch) -> Result<bool, Failed> {
        let Some(group) = &mut self.group else { return Ok(false) };
        if group.add(batch)? {
            return Ok(true);
        }
        self.end_group()?;
        Ok(false)
    }

    fn begin_group(&mut self, first: &RecordBatch) -> Result<(), Failed> {
        self.end_group()?;
        self.group = Some(Group::begin(first, &self.properties)?);
        Ok(())
    }

    /// Writes the row group to the file.
    fn end_group(&mut self) -> Result<(), Failed> {
        let Some(group) = self.group.take() else { return Ok(()) };
        group.close(&mut self.writer)?;
        self.writer.flush()?;
        let bytes = std::mem::take(self.writer.inner_mut());
        self.store.add(&bytes, self.writer.flushed_row_groups())
    }

    /// Writes the remaining rows and the footer.
    fn close(mut self) -> Result<File, Failed> {
        self.end_group()?;
        self.writer.append_key_value_metadata(self.store.checksums());
        self.store.end(self.writer.into_inner()?)
    }
}

impl Store {
    pub(super) fn new(file: File) -> Store {
        Store { file, chunks: Vec::new(), all: crc32fast::Hasher::new(), groups: 0, rows: 0, written: 0 }
    }

    /// Adds the bytes written since the last call. `groups`: all finished row groups.
    pub(super) fn add(&mut self, bytes: &[u8], groups: &[RowGroupMetaData]) -> Result<(), Failed> {
        self.rows += groups[self.groups..].iter().map(RowGroupMetaData::num_rows).sum::<i64>();
        for chunk in groups[self.groups..].iter().flat_map(RowGroupMetaData::columns) {
            let (start, length) = chunk.byte_range();
            let start = start.checked_sub(self.written).and_then(|start| usize::try_from(start).ok());
            let chunk = start.zip(usize::try_from(length).ok());
            let chunk = chunk.and_then(|(start, length)| bytes.get(start..start.checked_add(length)?));
            let chunk = chunk.ok_or_else(|| ParquetError::General("a column chunk that was not written".into()))?;
            self.chunks.push(checksums::crc(chunk));
            self.all.update(chunk);
        }
        self.groups = groups.len();
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// The checksums, to be added to the metadata last. In a short file, one per chunk would take as much space as the
    /// values.
    pub(super) fn checksums(&self) -> KeyValue {
        let all = [self.all.clone().finalize()];
        let is_short = self.groups == 1 && self.rows <= FEW_ROWS as i64 && self.written <= SHORT_BYTES;
        let chunks = if is_short { &all[..] } else { &self.chunks };
        KeyValue::new(checksums::KEY.to_string(), checksums::text(chunks))
    }

    /// Adds the footer.
    pub(super) fn end(mut self, mut last: Vec<u8>) -> Result<File, Failed> {
        last = lean(last)?;
        checksums::fill_in(&mut last).ok_or_else(|| ParquetError::General("no footer was written".into()))?;
        self.file.write_all(&last)?;
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
    use parquet::basic::{Compression, Encoding};
    use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
    use parquet::file::reader::FileReader;
    use parquet::file::serialized_reader::SerializedFileReader;

    use super::*;
    use crate::collect::catalog;
    use crate::table::TS;

    /// Writes batches of these numbers, which are times as well, to a file. Returns its number of rows and its metadata.
    fn written(batches: impl IntoIterator<Item = Vec<i64>>) -> (usize, Option<ParquetMetaData>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let layout = Layout::new(folder.path());
        let facts = FileFacts::new();
        let mut output = Output::new(&layout, &path, &catalog::tables()[0], "20261120T0700Z", &facts);
        for values in batches {
            let ts = TimestampMicrosecondArray::from(values.clone());
            let columns = [(TS, Arc::new(ts) as ArrayRef), ("n", Arc::new(Int64Array::from(values)) as _)];
            output.write(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        }
        let rows = output.close().unwrap();
        let file = File::open(&path).ok();
        (rows, file.map(|file| SerializedFileReader::new(file).unwrap().metadata().clone()))
    }

    /// The number of rows, and which columns are compressed.
    fn compressed(lengths: &[usize]) -> (usize, Vec<bool>) {
        let mut numbers = 0..;
        let (rows, metadata) = written(lengths.iter().map(|length| numbers.by_ref().take(*length).collect()));
        let columns = metadata.iter().flat_map(|metadata| metadata.row_group(0).columns());
        (rows, columns.map(|c| c.compression() != Compression::UNCOMPRESSED).collect())
    }

    /// Of each row group, the number of rows, and which columns are delta encoded.
    fn delta(batches: impl IntoIterator<Item = Vec<i64>>) -> Vec<(i64, [bool; 2])> {
        let metadata = written(batches).1.unwrap();
        let is_delta = |chunk: &ColumnChunkMetaData| chunk.encodings().any(|e| e == Encoding::DELTA_BINARY_PACKED);
        let group = |group: &RowGroupMetaData| (group.num_rows(), [0, 1].map(|column| is_delta(group.column(column))));
        metadata.row_groups().iter().map(group).collect()
    }

    #[test]
    fn differences_of_more_than_28_bits_are_not_packed() {
        let steps = |n: i64, step: i64| (0..n).map(move |i| i * step + i % 7);
        let jump = 1 << 28;
        let small = steps(100, 1_000_000);
        assert_eq!(delta([small.clone().collect()]), [(100, [true; 2])]);
        // The step before is 1,000,001, the smallest one is 999,994.
        let then = |step: i64| small.clone().chain([99 * 1_000_000 + 99 % 7 + step]).collect::<Vec<_>>();
        assert_eq!(delta([then(jump + 999_993)]), [(101, [true; 2])]);
        assert_eq!(delta([then(jump + 999_994)]), [(101, [false; 2])]);
        assert_eq!(delta([[i64::MIN, i64::MAX, 0].repeat(10)]), [(30, [false; 2])]);

        // Later rows that do not fit begin a row group, where they are packed again.
        let many = i64::try_from(FIRST_ROWS).unwrap();
        let first: Vec<i64> = steps(many, 1000).collect();
        let after = |gap: i64| first.iter().map(|value| first.last().unwrap() + gap + value).collect::<Vec<_>>();
        assert_eq!(delta([first.clone(), after(1000)]), [(2 * many, [true; 2])]);
        assert_eq!(delta([first.clone(), after(2 * jump)]), [(many, [true; 2]); 2]);
        // Few rows wait for others.
        let few = (1..20).map(|n| first[..50].iter().map(|value| n * 4 * jump + value).collect());
        assert_eq!(delta([first.clone()].into_iter().chain(few)), [(many, [true; 2]), (950, [false; 2])]);
    }

    #[test]
    fn small_files_are_not_compressed() {
        assert_eq!(compressed(&[]), (0, vec![]));
        assert_eq!(compressed(&[1]), (1, vec![false; 2]));
        assert_eq!(compressed(&[2, 0, 1]), (3, vec![false; 2]));
        assert_eq!(compressed(&[2, 0, 2]), (4, vec![true; 2]));
        assert_eq!(compressed(&[5, 10, 1, 30]), (46, vec![true; 2]));
        assert_eq!(compressed(&[300]), (300, vec![true; 2]));
    }
    #[test]
    fn nulls_are_not_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let layout = Layout::new(folder.path());
        let facts = FileFacts::new();
        let mut output = Output::new(&layout, &path, &catalog::tables()[0], "20261120T0700Z", &facts);
        let some = Int64Array::from_iter((0..300).map(|n| (n > 0).then_some(n)));
        let columns = [("none", Arc::new(Int64Array::new_null(300)) as ArrayRef), ("some", Arc::new(some) as _)];
        output.write(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        output.close().unwrap();
        let metadata = SerializedFileReader::new(File::open(&path).unwrap()).unwrap().metadata().clone();
        let compression = |column: usize| metadata.row_group(0).column(column).compression();
        assert_eq!(compression(0), Compression::UNCOMPRESSED);
        assert_ne!(compression(1), Compression::UNCOMPRESSED);
    }
}
