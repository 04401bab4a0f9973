//! Reads a Parquet file: its footer, read and verified once, and its column chunks, each verified against its checksum
//! before decoding. In a short file, all chunks together have one checksum, which is verified with the footer.
//!
//! The file stays open, so that it can be read to the end even if it is deleted in the meantime. A year has more files
//! than a process may open, so those beyond the first few hundred are opened again for each chunk, which takes
//! microseconds.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::guard::guarded;
use super::numbers::{self, Numbers};
use super::pages::{Chunks, GroupPages};
use super::piece::{Fault, ReadError, VERSION_KEY};
use crate::store::checksums::{self, Checksums, Found};
use crate::store::layout::{Layout, Stored};
use crate::table::arrow::{declared, with_dictionaries};
use crate::table::packed::unpack;
use crate::table::{Declaration, Facts, TableDef};

/// Rows decoded at once: the decoded chunk of a column fits the L2 cache.
const BATCH_ROWS: usize = 16 * 1024;

/// Bytes first read from the end of a file. Shorter files are read completely.
const END_BYTES: usize = 64 * 1024;

/// Our footers and column chunks are smaller. A damaged length, or a sparse file, could claim any size.
const MAX_FOOTER_BYTES: usize = 64 << 20;
const MAX_CHUNK_BYTES: u64 = 256 << 20;
/// Our row groups have fewer rows. For a missing column, this number of nulls is allocated.
const MAX_GROUP_ROWS: i64 = 64 << 20;

/// A Parquet file with a valid footer.
pub struct SealedReader {
    /// The recording, for opening the file again.
    layout: Option<Layout>,
    path: PathBuf,
    length: u64,
    /// Open unless too many files are.
    file: Option<Stored>,
    /// The contents of a short file.
    whole: Option<Bytes>,
    metadata: ArrowReaderMetadata,
    /// None for files of versions that wrote no checksums.
    checksums: Option<Checksums>,
    footer: usize,
}

impl SealedReader {
    /// Opens a file of a recording. If too many files are open, it is closed and opened again for each read. If the
    /// file has the columns of the expected schema, the schema is not made from the file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is not a Parquet file.
    pub fn open(layout: &Layout, path: &Path, expected: Option<&SchemaRef>) -> Result<SealedReader, ReadError> {
        let file = layout.stored(path).map_err(|error| ReadError::new(path, error.into()))?;
        let mut sealed = SealedReader::new(file, path, expected)?;
        if sealed.file.as_ref().is_some_and(|file| !file.may_stay_open()) {
            sealed.file = None;
        }
        sealed.layout = Some(layout.clone());
        Ok(sealed)
    }

    /// The same for an open file. `path` is used in messages.
    ///
    /// # Errors
    /// As [`SealedReader::open`].
    pub fn from_file(file: File, path: &Path) -> Result<SealedReader, ReadError> {
        let file = Stored::file(file).map_err(|error| ReadError::new(path, error.into()))?;
        SealedReader::new(file, path, None)
    }

    fn new(file: Stored, path: &Path, expected: Option<&SchemaRef>) -> Result<SealedReader, ReadError> {
        let fail = |fault| ReadError::new(path, fault);
        let length = file.length();
        let read = |bytes: u64| file.bytes(length - bytes, usize::try_from(bytes).unwrap_or(usize::MAX));
        let end = read(length.min(END_BYTES as u64)).map_err(|error| fail(error.into()))?;
        let footer = checksums::footer_length(&end).filter(|footer| *footer as u64 <= length);
        let footer = footer.ok_or_else(|| fail(damaged(&"no footer at its end")))?;
        if footer > MAX_FOOTER_BYTES {
            return Err(fail(damaged(&format!("a footer of {footer} bytes"))));
        }
        let more =
            if footer > end.len() { read(footer as u64).map_err(|error| fail(error.into()))? } else { end.clone() };
        let bytes = &more[more.len() - footer..];
        let checksums = match checksums::find(bytes) {
            Found::Good(checksums) => Some(checksums),
            Found::None => None,
            Found::Damaged => return Err(fail(Fault::Checksum { part: "its footer".into() })),
        };
        let metadata = guarded(|| {
            let metadata = Arc::new(ParquetMetaDataReader::decode_metadata(&bytes[..footer - checksums::END])?);
            let expected = expected.filter(|schema| has_columns(&metadata, schema));
            let options = expected.map(|schema| ArrowReaderOptions::new().with_schema(schema.clone()));
            let known = options.map(|options| ArrowReaderMetadata::try_new(metadata.clone(), options));
            match known {
                Some(Ok(known)) => Ok(known),
                _ => with_own_schema(metadata),
            }
        });
        let metadata = metadata.map_err(|e| fail(Fault::Damaged(e)))?.map_err(|e| fail(damaged(&e)))?;
        let mut rows = metadata.metadata().row_groups().iter().map(RowGroupMetaData::num_rows);
        if let Some(rows) = rows.find(|rows| !(0..=MAX_GROUP_ROWS).contains(rows)) {
            return Err(fail(damaged(&format!("a row group of {rows} rows"))));
        }
        let whole = (end.len() as u64 == length).then_some(end);
        let file = whole.is_none().then_some(file);
        let all = checksums.as_ref().and_then(Checksums::of_all);
        let sealed =
            SealedReader { layout: None, path: path.to_path_buf(), length, file, whole, metadata, checksums, footer };
        match all {
            Some(all) => sealed.with_good_chunks(all),
            None => Ok(sealed),
        }
    }

    /// The file, if all its column chunks together have this checksum.
    fn with_good_chunks(self, sum: u32) -> Result<SealedReader, ReadError> {
        let start = checksums::MAGIC.len() as u64;
        let end = self.end_of_chunks().filter(|end| *end - start <= MAX_CHUNK_BYTES);
        let end = end.ok_or_else(|| self.fail(damaged(&"bytes that belong to no column")))?;
        let bytes = self.read(start, end - start).map_err(|error| self.fail(error.into()))?;
        if checksums::crc(&bytes) == sum {
            Ok(self)
        } else {
            let part = format!("a column of table {}", self.table_name());
            Err(self.fail(Fault::Checksum { part }))
        }
    }

    /// Where the column chunks end. They must be contiguous, so that every byte has a checksum; None if they are not, or
    /// end after the start of the footer.
    fn end_of_chunks(&self) -> Option<u64> {
        let mut chunks = self.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
        let end = chunks.try_fold(checksums::MAGIC.len() as u64, |end, chunk| match range(chunk) {
            Some((start, length)) if start == end => start.checked_add(length),
            _ => None,
        });
        end.filter(|end| end.checked_add(self.footer as u64).is_some_and(|end| end <= self.length))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn arrow(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// Does the file have the columns of the schema with which it was opened?
    pub fn has_schema(&self, expected: Option<&SchemaRef>) -> bool {
        expected.is_some_and(|expected| Arc::ptr_eq(expected, self.arrow().schema()))
    }

    pub fn metadata(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    pub fn has_checksums(&self) -> bool {
        self.checksums.is_some()
    }

    /// Is the file short, and therefore already read?
    pub fn is_short(&self) -> bool {
        self.whole.is_some()
    }

    /// A value of the file's key-value metadata.
    pub fn fact(&self, key: &str) -> Option<&str> {
        let all = self.metadata().file_metadata().key_value_metadata()?;
        all.iter().find(|pair| pair.key == key)?.value.as_deref()
    }

    /// The rows of a row group in batches of some thousand rows: the given columns, or all.
    ///
    /// # Errors
    /// When the file cannot be read, or a chunk is damaged. Each batch can also be an error.
    pub fn rows(&self, group: usize, columns: Option<&[usize]>) -> Result<GroupRows<'_>, ReadError> {
        let schema = self.metadata.parquet_schema();
        let all = 0..schema.num_columns();
        let chunks = all.filter(|column| columns.is_none_or(|chosen| chosen.contains(column)));
        let chunks = chunks.map(|column| self.chunk(group, column)).collect::<Result<Vec<_>, _>>()?;
        let mask = match columns {
            Some(columns) => ProjectionMask::roots(schema, columns.iter().copied()),
            None => ProjectionMask::all(),
        };
        let source = Chunks { length: self.length, chunks };
        let is_ours = self.has_checksums();
        let build = || if is_ours { self.our_rows(group, mask, source) } else { self.any_rows(group, mask, source) };
        let reader = guarded(build).map_err(|e| self.fail(Fault::Damaged(e)))?.map_err(|e| self.fail(damaged(&e)))?;
        Ok(GroupRows { file: self, reader })
    }

    fn our_rows(
        &self,
        group: usize,
        mask: ProjectionMask,
        source: Chunks,
    ) -> Result<ParquetRecordBatchReader, ParquetError> {
        let metadata = self.metadata();
        let hint = self.metadata.schema().fields();
        let levels = parquet_to_arrow_field_levels(self.metadata.parquet_schema(), mask, Some(hint))?;
        let pages = GroupPages { metadata, group: metadata.row_group(group), source: Arc::new(source) };
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, self.batch_rows(group), None)
    }

    /// The reader reserves memory for this many rows of each column at once, which for a file of a few rows would be
    /// most of the work.
    fn batch_rows(&self, group: usize) -> usize {
        let rows = self.metadata().row_groups().get(group).map_or(0, RowGroupMetaData::num_rows);
        usize::try_from(rows).unwrap_or(0).clamp(1, BATCH_ROWS)
    }

    fn any_rows(
        &self,
        group: usize,
        mask: ProjectionMask,
        source: Chunks,
    ) -> Result<ParquetRecordBatchReader, ParquetError> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source, self.metadata.clone());
        builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(self.batch_rows(group)).build()
    }

    /// A column chunk of numbers, some rows at a time. Returns the number of rows; `None` if [`numbers`] cannot decode
    /// it.
    ///
    /// # Errors
    /// When the file cannot be read, or the chunk is damaged.
    pub fn numbers(
        &self,
        group: usize,
        column: usize,
        take: &mut dyn FnMut(Numbers<'_>),
    ) -> Result<Option<usize>, ReadError> {
        let row_group = self.metadata().row_groups().get(group);
        let chunk = row_group.and_then(|group| group.columns().get(column)).filter(|_| self.has_checksums());
        let Some((chunk, row_group)) = chunk.zip(row_group) else { return Ok(None) };
        let source = Arc::new(Chunks { length: self.length, chunks: vec![self.chunk(group, column)?] });
        let rows = usize::try_from(row_group.num_rows()).unwrap_or(0);
        let pages = guarded(|| numbers::pages(source, chunk, rows)).map_err(|e| self.fail(Fault::Damaged(e)))?;
        let Some(pages) = pages else { return Ok(None) };
        let mut decoder = numbers::Decoder::new(chunk);
        let mut read = 0;
        for page in pages {
            let what = "a page that contradicts itself";
            read += decoder.page(&page, take).ok_or_else(|| self.fail(damaged(&what)))?;
        }
        Ok(Some(read))
    }

    /// A column chunk: its offset and its verified bytes.
    ///
    /// # Errors
    /// When there is no such chunk, or it cannot be read.
    pub fn chunk(&self, group: usize, column: usize) -> Result<(u64, Bytes), ReadError> {
        let groups = self.metadata().row_groups();
        let chunk = groups.get(group).and_then(|group| group.columns().get(column));
        let range = chunk.and_then(range).filter(|(start, length)| start.saturating_add(*length) <= self.length);
        let (start, length) = range.ok_or_else(|| self.fail(damaged(&"a column outside of the file")))?;
        if length > MAX_CHUNK_BYTES {
            return Err(self.fail(damaged(&format!("a column of {length} bytes"))));
        }
        let bytes = self.read(start, length).map_err(|error| self.fail(error.into()))?;
        // One checksum for all chunks was compared when the file was opened.
        if let Some(checksums) = self.checksums.as_ref().filter(|checksums| checksums.of_all().is_none()) {
            let width = self.metadata.parquet_schema().num_columns();
            if checksums.chunks.get(group * width + column) != Some(&checksums::crc(&bytes)) {
                let name = self.metadata.parquet_schema().column(column).name().to_string();
                let part = format!("column `{name}` of table {}", self.table_name());
                return Err(self.fail(Fault::Checksum { part }));
            }
        }
        Ok((start, bytes))
    }

    /// Do the statistics say that a column chunk contains only nulls?
    pub fn is_null(&self, group: usize, column: usize) -> bool {
        let group = self.metadata().row_group(group);
        let statistics = group.columns().get(column).and_then(|chunk| chunk.statistics());
        let nulls = statistics.and_then(|statistics| statistics.null_count_opt());
        nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(group.num_rows()))
    }

    /// Reads the whole file: verifies all checksums, decodes all values, and compares the row counts. Returns the
    /// number of rows.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<usize, ReadError> {
        let io = |error: std::io::Error| self.fail(error.into());
        if self.fact(VERSION_KEY).is_none() {
            return Err(self.fail(Fault::Foreign));
        }
        if *self.read(0, checksums::MAGIC.len() as u64).map_err(io)? != *checksums::MAGIC {
            return Err(self.fail(damaged(&"not the start of a Parquet file")));
        }
        let groups = self.metadata().row_groups();
        if let Some(checksums) = &self.checksums {
            let chunks = groups.iter().flat_map(RowGroupMetaData::columns).count();
            let end = self.end_of_chunks().filter(|_| checksums.of_all().is_some() || chunks == checksums.chunks.len());
            let index = end.map(|end| (end, self.length - end - self.footer as u64));
            let index = index.filter(|(_, length)| *length <= MAX_CHUNK_BYTES);
            let (start, length) = index.ok_or_else(|| self.fail(damaged(&"bytes that belong to no column")))?;
            if checksums::crc(&self.read(start, length).map_err(io)?) != checksums.index {
                return Err(self.fail(Fault::Checksum { part: "its page index".into() }));
            }
        }
        let mut rows = 0;
        for (n, group) in groups.iter().enumerate() {
            let mut read = 0;
            for batch in self.rows(n, None)? {
                read += batch?.num_rows();
            }
            if i64::try_from(read) != Ok(group.num_rows()) {
                return Err(self.fail(Fault::Damaged(format!("{read} of {} rows", group.num_rows()))));
            }
            rows += read;
        }
        let said = self.metadata().file_metadata().num_rows();
        if i64::try_from(rows) == Ok(said) {
            Ok(rows)
        } else {
            Err(self.fail(Fault::Damaged(format!("{rows} of {said} rows"))))
        }
    }

    /// The table name in the file's metadata, otherwise the name of its folder.
    pub fn table_name(&self) -> &str {
        let folder = || self.path.parent()?.file_name()?.to_str();
        self.fact(TABLE_KEY).or_else(folder).unwrap_or_default()
    }

    /// The table with this name as the file declares it.
    pub fn table(&self, name: &str) -> Option<TableDef> {
        let said = |key: &str| self.fact(key).unwrap_or_default().to_string();
        let mut columns = declared(self.metadata.schema());
        let facts = self.fact(COLUMNS_KEY).and_then(unpack::<BTreeMap<String, Facts>>);
        if let Some(mut facts) = facts {
            for column in &mut columns {
                column.facts = facts.remove(&column.name).unwrap_or_default();
            }
        }
        Declaration { name: name.into(), source: said(SOURCE_KEY), description: said(DESCRIPTION_KEY), columns }.table()
    }

    fn read(&self, start: u64, length: u64) -> std::io::Result<Bytes> {
        let bytes = usize::try_from(length).map_err(|_| std::io::ErrorKind::OutOfMemory)?;
        if let (Some(whole), Ok(start)) = (&self.whole, usize::try_from(start)) {
            return Ok(whole.slice(start..start + bytes));
        }
        match (&self.file, &self.layout) {
            (Some(file), _) => file.bytes(start, bytes),
            (None, Some(layout)) => layout.stored(&self.path)?.bytes(start, bytes),
            (None, None) => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn fail(&self, fault: Fault) -> ReadError {
        ReadError::new(&self.path, fault)
    }
}

/// With the schema that the file has. Text is in dictionaries as everywhere.
fn with_own_schema(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata, ParquetError> {
    let own = ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new())?;
    let with = |schema| ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(schema));
    Ok(with_dictionaries(own.schema()).and_then(|schema| with(schema).ok()).unwrap_or(own))
}

/// Does the file have these columns, by name and order?
fn has_columns(metadata: &ParquetMetaData, schema: &SchemaRef) -> bool {
    let found = metadata.file_metadata().schema_descr().root_schema().get_fields();
    found.iter().map(|column| column.name()).eq(schema.fields().iter().map(|field| field.name().as_str()))
}

/// Metadata keys for the name of the table, and for the facts about its columns.
pub const TABLE_KEY: &str = "perfwatch.table";
const COLUMNS_KEY: &str = "perfwatch.columns";
/// Only files of version 0.1.0 have these, and the facts about the columns are in their Arrow schemas.
const SOURCE_KEY: &str = "perfwatch.source";
const DESCRIPTION_KEY: &str = "perfwatch.description";

fn damaged(error: &dyn std::fmt::Display) -> Fault {
    Fault::Damaged(error.to_string())
}

/// Offset and length of a column chunk.
fn range(chunk: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    Some((start.try_into().ok()?, chunk.compressed_size().try_into().ok()?))
}

/// The rows of a row group.
pub struct GroupRows<'s> {
    file: &'s SealedReader,
    reader: ParquetRecordBatchReader,
}

impl Iterator for GroupRows<'_> {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match guarded(|| self.reader.next()) {
            Ok(batch) => batch.map(|batch| batch.map_err(|e| self.file.fail(damaged(&e)))),
            Err(panic) => Some(Err(self.file.fail(Fault::Damaged(panic)))),
        }
    }
}
