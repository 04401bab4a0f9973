//! Adds columns to a sealed file: the same rows, with nulls in the new columns, so that a table's folder stays one
//! table for every Parquet reader.
//!
//! Existing columns are copied without decoding, which costs no more than reading and writing their bytes.

use std::path::Path;

use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::column::writer::{ColumnCloseResult, ColumnWriter};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use super::output::{Failed, OutputError, Store};
use super::profile::{CREATED_BY, FileFacts, compression, metadata, writer};
use crate::store::layout::{Layout, SealedName};
use crate::store::read::parquet::{check, facts_of};
use crate::store::read::piece::{Fault, ReadError};
use crate::store::read::sealed_reader::SealedReader;
use crate::table::TableDef;
use crate::table::arrow::arrow_schema;

/// Why a file could not get its columns. It is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum WidenError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] OutputError),
}

/// Does a file have exactly the columns of the table, in order, and text as text? Additional columns of the file are
/// added to `table`.
///
/// # Errors
/// When it cannot be read.
pub fn is_wide(layout: &Layout, path: &Path, table: &mut TableDef) -> Result<bool, ReadError> {
    let file = SealedReader::open(layout, path, None)?;
    if let Some(wider) = file.table(table.name).and_then(|declared| table.with_columns_of(&declared)) {
        *table = wider;
    }
    let (found, schema) = (file.arrow().schema(), arrow_schema(table));
    // As written by version 0.1.0: pandas would read these files of the table as categories, and the others as text.
    if file.fact(ARROW_SCHEMA_META_KEY).is_some() {
        return Ok(false);
    }
    Ok(found.fields().iter().map(|field| field.name()).eq(schema.fields().iter().map(|field| field.name())))
}

/// Replaces a sealed file by one with all columns of the table. Columns that exist in both must have the same types.
///
/// # Errors
/// When it cannot be read, is damaged, or the new file cannot be written.
pub fn widen(layout: &Layout, path: &Path, name: SealedName, table: &TableDef) -> Result<(), WidenError> {
    let source = SealedReader::open(layout, path, None)?;
    let temporary = layout.temporary(&format!("wide-{}-{:04}", table.name, name.first));
    let write = || -> Result<(), WidenError> {
        let file = layout.create_anew(&temporary).map_err(|e| Failed::Write(e).at(&temporary))?;
        write(&source, table, &name.window(), Store::new(file), &temporary)?;
        let written = layout.open(&temporary).map_err(|e| Failed::Write(e).at(&temporary))?;
        let (read, wrote) = (check(written, &temporary)?, rows(&source));
        if read != wrote {
            return Err(OutputError::Check { path: temporary.clone(), wrote, read }.into());
        }
        let place = || {
            layout.sync(&[&temporary], &[])?;
            layout.rename(&temporary, path)
        };
        place().map_err(|e| Failed::Write(e).at(path).into())
    };
    write().inspect_err(|_| drop(layout.remove(&temporary)))
}

fn rows(file: &SealedReader) -> usize {
    usize::try_from(file.metadata().file_metadata().num_rows()).unwrap_or(0)
}

fn write(
    source: &SealedReader,
    table: &TableDef,
    window: &str,
    mut store: Store,
    path: &Path,
) -> Result<(), WidenError> {
    let schema = arrow_schema(table);
    let parquet = |error: ParquetError| Failed::Parquet(error).at(path);
    let properties = properties(source, table, window)?;
    let mut writer = self::writer(&schema, properties).map_err(parquet)?;
    let found = source.arrow().schema();
    // Nothing must be lost: a file with a column that our tables cannot have is not changed.
    if let Some(other) = found.fields().iter().find(|field| schema.index_of(field.name()).is_err()) {
        let what = format!("column `{}` has a type that a table cannot have", other.name());
        return Err(ReadError::new(source.path(), Fault::Schema(what)).into());
    }
    let places: Vec<Option<usize>> = schema.fields().iter().map(|field| found.index_of(field.name()).ok()).collect();
    for group in 0..source.metadata().num_row_groups() {
        copy_group(source, group, &places, &mut writer, path)?;
        writer.flush().map_err(|e| Failed::Write(e).at(path))?;
        let bytes = std::mem::take(writer.inner_mut());
        store.add(&bytes, writer.flushed_row_groups()).map_err(|e| e.at(path))?;
    }
    writer.append_key_value_metadata(store.checksums());
    let last = writer.into_inner().map_err(parquet)?;
    store.end(last).map_err(|e| e.at(path))?;
    Ok(())
}

fn copy_group(
    source: &SealedReader,
    group: usize,
    places: &[Option<usize>],
    writer: &mut SerializedFileWriter<Vec<u8>>,
    path: &Path,
) -> Result<(), WidenError> {
    let parquet = |error: ParquetError| Failed::Parquet(error).at(path);
    let rows = usize::try_from(source.metadata().row_group(group).num_rows()).unwrap_or(0);
    let mut to = writer.next_row_group().map_err(parquet)?;
    for place in places {
        match place {
            Some(column) => {
                let (_, bytes) = source.chunk(group, *column)?;
                let chunk = source.metadata().row_group(group).column(*column).clone();
                let close = unchanged(chunk, rows).map_err(parquet)?;
                to.append_column(&bytes, close).map_err(parquet)?;
            }
            None => {
                let column = to.next_column().map_err(parquet)?;
                nulls(column, rows).map_err(parquet)?;
            }
        }
    }
    to.close().map_err(parquet)?;
    Ok(())
}

/// The metadata that a column writer would return for this chunk, with offsets relative to its start.
fn unchanged(chunk: ColumnChunkMetaData, rows: usize) -> Result<ColumnCloseResult, ParquetError> {
    let (start, length) = chunk.byte_range();
    let start = i64::try_from(start).unwrap_or(0);
    let (data, dictionary) = (chunk.data_page_offset() - start, chunk.dictionary_page_offset().map(|at| at - start));
    let chunk = chunk
        .into_builder()
        .set_data_page_offset(data)
        .set_dictionary_page_offset(dictionary)
        .set_column_index_offset(None)
        .set_column_index_length(None)
        .set_offset_index_offset(None)
        .set_offset_index_length(None)
        .build()?;
    Ok(ColumnCloseResult {
        bytes_written: length,
        rows_written: rows as u64,
        metadata: chunk,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    })
}

fn nulls(column: Option<SerializedColumnWriter<'_>>, rows: usize) -> Result<(), ParquetError> {
    let mut column = column.ok_or_else(|| ParquetError::General("no place for a column".into()))?;
    let levels = vec![0; rows];
    match column.untyped() {
        ColumnWriter::BoolColumnWriter(w) => w.write_batch(&[], Some(&levels), None),
        ColumnWriter::Int32ColumnWriter(w) => w.write_batch(&[], Some(&levels), None),
        ColumnWriter::Int64ColumnWriter(w) => w.write_batch(&[], Some(&levels), None),
        ColumnWriter::Int96ColumnWriter(w) => w.write_batch(&[], Some(&levels), None),
        ColumnWriter::FloatColumnWriter(w) => w.write_batch(&[], Some(&levels), None),
        ColumnWriter::DoubleColumnWriter(w) => w.write_batch(&[], Some(&levels), None),
        ColumnWriter::ByteArrayColumnWriter(w) => w.write_batch(&[], Some(&levels), None),
        ColumnWriter::FixedLenByteArrayColumnWriter(w) => w.write_batch(&[], Some(&levels), None),
    }?;
    column.close()
}

fn properties(source: &SealedReader, table: &TableDef, window: &str) -> Result<WriterProperties, WidenError> {
    let facts: FileFacts = facts_of(source);
    let compression = compression().map_err(|error| OutputError::parquet(source.path(), error))?;
    Ok(WriterProperties::builder()
        .set_created_by(CREATED_BY.to_string())
        .set_compression(compression)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata(table, window, &facts)))
        .build())
}
