//! The Parquet profile that every common reader reads correctly: v1 pages; PLAIN, dictionary and DELTA_BINARY_PACKED
//! encodings; zstd.

use std::sync::Arc;

use arrow_schema::Schema;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::store::layout::FORMAT;
use crate::table::packed::pack;
use crate::table::{TS, TableDef};

/// A file with fewer rows is written without compression, which is faster to write and to read, and saves little.
const TINY_ROWS: usize = 4;

/// Of the compression with zstd.
pub(super) const LEVEL: i32 = 3;

/// Of fewer rows, statistics (smallest and largest value, number of nulls) are kept for `ts` only.
const PAGE_ROWS: usize = 1000;

/// From this many rows on, a column has several pages.
const INDEX_ROWS: usize = 16 * 1024;

/// Key-value metadata in every file of a recording.
pub type FileFacts = Vec<(String, String)>;

/// The properties of a file with that many rows, or more, all columns with PLAIN encoding.
pub(super) fn properties(
    rows: usize,
    table: &TableDef,
    window: &str,
    facts: &FileFacts,
) -> Result<WriterProperties, ParquetError> {
    let statistics = if rows < PAGE_ROWS { EnabledStatistics::None } else { EnabledStatistics::Chunk };
    // A file of one page per column needs no index of pages.
    let has_pages = rows >= INDEX_ROWS;
    let of_ts = if has_pages { EnabledStatistics::Page } else { EnabledStatistics::Chunk };
    Ok(WriterProperties::builder()
        .set_created_by(CREATED_BY.to_string())
        .set_compression(if rows < TINY_ROWS { Compression::UNCOMPRESSED } else { compression()? })
        .set_dictionary_enabled(false)
        .set_statistics_enabled(statistics)
        .set_column_statistics_enabled(ColumnPath::from(TS), of_ts)
        .set_offset_index_disabled(!has_pages)
        .set_key_value_metadata(Some(metadata(table, window, facts)))
        .build())
}

/// A writer of a Parquet file. The file has no Arrow schema: text arrives as text in every reader, not as a category.
pub(super) fn writer(
    schema: &Schema,
    properties: WriterProperties,
) -> Result<SerializedFileWriter<Vec<u8>>, ParquetError> {
    let columns = ArrowSchemaConverter::new().convert(schema)?;
    SerializedFileWriter::new(Vec::new(), columns.root_schema_ptr(), Arc::new(properties))
}

pub(super) const CREATED_BY: &str = concat!("perfwatch ", env!("CARGO_PKG_VERSION"));

/// The metadata of a file about itself.
pub(super) fn metadata(table: &TableDef, window: &str, facts: &FileFacts) -> Vec<KeyValue> {
    let pair = |key: &str, value: &str| KeyValue::new(format!("perfwatch.{key}"), value.to_string());
    let own = [pair("format", &FORMAT.to_string()), pair("table", table.name), pair("window", window)];
    let columns = pack(&table.lean_facts()).map(|columns| pair("columns", &columns));
    own.into_iter().chain(columns).chain(facts.iter().map(|(key, value)| pair(key, value))).collect()
}

pub(super) fn compression() -> Result<Compression, ParquetError> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
}
