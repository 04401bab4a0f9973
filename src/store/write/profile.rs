//! The Parquet profile that every common reader reads correctly: v1 pages; PLAIN, dictionary and DELTA_BINARY_PACKED
//! encodings; zstd.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, FieldRef, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::store::layout::FORMAT;
use crate::table::packed::pack;
use crate::table::{TS, TableDef};

/// The number of rows in a row group.
const GROUP_ROWS: usize = 128 * 1024;

/// A file with fewer rows is written without compression, which is faster to write and to read, and saves little.
const TINY_ROWS: usize = 4;

/// With fewer rows, finding the best encoding of each column takes many times as long as writing it.
pub(super) const FEW_ROWS: usize = 16;

/// Of fewer rows, statistics (smallest and largest value, number of nulls) are kept for `ts` only.
const PAGE_ROWS: usize = 1000;

/// From this many rows on, a column has several pages.
const INDEX_ROWS: usize = 16 * 1024;

/// Key-value metadata in every file of a recording.
pub type FileFacts = Vec<(String, String)>;

/// The properties of a file with these first rows, which decide the encoding of each column.
pub(super) fn properties(
    first: &RecordBatch,
    table: &TableDef,
    window: &str,
    facts: &FileFacts,
) -> Result<WriterProperties, ParquetError> {
    let statistics = if first.num_rows() < PAGE_ROWS { EnabledStatistics::None } else { EnabledStatistics::Chunk };
    // A file of one page per column needs no index of pages.
    let has_pages = first.num_rows() >= INDEX_ROWS;
    let of_ts = if has_pages { EnabledStatistics::Page } else { EnabledStatistics::Chunk };
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_string())
        .set_compression(if first.num_rows() < TINY_ROWS { Compression::UNCOMPRESSED } else { compression()? })
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(statistics)
        .set_column_statistics_enabled(ColumnPath::from(TS), of_ts)
        .set_offset_index_disabled(!has_pages)
        .set_key_value_metadata(Some(metadata(table, window, facts)));
    for (field, column) in first.schema().fields().iter().zip(first.columns()) {
        if first.num_rows() >= FEW_ROWS {
            let path = ColumnPath::from(field.name().as_str());
            properties = smallest(field, column)?.set(properties, path);
        }
    }
    Ok(properties.build())
}

/// A writer of a Parquet file. The file has no Arrow schema: text arrives as text in every reader, not as a category.
pub(super) fn writer(schema: SchemaRef, properties: WriterProperties) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(Vec::new(), schema, options)
}

pub(super) const CREATED_BY: &str = concat!("perfwatch ", env!("CARGO_PKG_VERSION"));

/// The metadata of a file about itself.
pub(super) fn metadata(table: &TableDef, window: &str, facts: &FileFacts) -> Vec<KeyValue> {
    let pair = |key: &str, value: &str| KeyValue::new(format!("perfwatch.{key}"), value.to_string());
    let own = [pair("format", &FORMAT.to_string()), pair("table", table.name), pair("window", window)];
    let columns = pack(&table.lean_facts()).map(|columns| pair("columns", &columns));
    own.into_iter().chain(columns).chain(facts.iter().map(|(key, value)| pair(key, value))).collect()
}

/// How the values of a column are encoded.
#[derive(Clone, Copy, PartialEq)]
enum Encoded {
    Plain,
    Dictionary,
    Delta,
}

impl Encoded {
    fn set(self, properties: WriterPropertiesBuilder, path: ColumnPath) -> WriterPropertiesBuilder {
        match self {
            Encoded::Plain => properties,
            Encoded::Dictionary => properties.set_column_dictionary_enabled(path, true),
            Encoded::Delta => properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        }
    }
}

/// The smallest encoding of these values, found by trying. Text has a dictionary. A dictionary of numbers that rarely
/// repeat is a second copy of them (if used for all columns, files are 45 % larger); one of few numbers saves half of a
/// column or more. The differences of counters and times are smaller than their values.
fn smallest(field: &FieldRef, column: &ArrayRef) -> Result<Encoded, ParquetError> {
    let others: &[Encoded] = match column.data_type() {
        DataType::Dictionary(..) => return Ok(Encoded::Dictionary),
        DataType::Int64 | DataType::Timestamp(..) => &[Encoded::Dictionary, Encoded::Delta],
        _ => &[Encoded::Dictionary],
    };
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let size = |encoded: Encoded| {
        let properties = WriterProperties::builder()
            .set_compression(compression()?)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None);
        let properties = encoded.set(properties, ColumnPath::from(field.name().as_str())).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
        writer.write(&RecordBatch::try_new(schema.clone(), vec![column.clone()])?)?;
        Ok::<_, ParquetError>(writer.into_inner()?.len())
    };
    let mut best = (Encoded::Plain, size(Encoded::Plain)?);
    for other in others {
        let bytes = size(*other)?;
        if bytes < best.1 {
            best = (*other, bytes);
        }
    }
    Ok(best.0)
}

pub(super) fn compression() -> Result<Compression, ParquetError> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(3)?))
}
