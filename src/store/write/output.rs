//! Writes a sealed Parquet file: its encoding, its metadata, and the verification of the finished file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, RowGroupMetaData};

use super::lean::lean;
pub use super::profile::FileFacts;
use super::profile::{FEW_ROWS, properties, writer};
use crate::store::checksums;
use crate::store::layout::Layout;
use crate::store::read::parquet::check;
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
            return writer.write(batch).map_err(|error| error.at(self.path));
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
            let writer = writer(schema, properties).map_err(parquet)?;
            let writer = self.writer.insert(Sealing { writer, store: Store::new(file) });
            writer.write(&first).map_err(|error| error.at(self.path))?;
        }
        Ok(self.writer.as_mut())
    }

    /// Adds rows as a separate row group, with its own statistics.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_group(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        self.write(batch)?;
        let flushed = self.writer.as_mut().map_or(Ok(()), Sealing::flush);
        flushed.map_err(|error| error.at(self.path))
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
    pub(super) fn at(self, path: &Path) -> OutputError {
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
            self.chunks.push(checksums::crc(chunk));
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
    use parquet::basic::Compression;
    use parquet::file::reader::FileReader;
    use parquet::file::serialized_reader::SerializedFileReader;

    use super::*;
    use crate::collect::catalog;
    use crate::table::TS;

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
        assert_eq!(written(&[2, 0, 1]), (3, vec![false; 2]));
        assert_eq!(written(&[2, 0, 2]), (4, vec![true; 2]));
        assert_eq!(written(&[5, 10, 1, 30]), (46, vec![true; 2]));
        assert_eq!(written(&[300]), (300, vec![true; 2]));
    }
}
