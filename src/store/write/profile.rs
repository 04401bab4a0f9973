//! The Parquet profile that every common reader reads correctly: v1 pages, PLAIN and dictionary encodings, zstd.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, FieldRef, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::store::layout::FORMAT;
use crate::table::{TS, TableDef};

/// The number of rows in a row group.
const GROUP_ROWS: usize = 128 * 1024;

/// A file with fewer rows is written without compression. Its pages are smaller than their metadata, so there is nothing to gain, and
/// finding the best encoding of each column takes many times as long as writing it.
pub(super) const FEW_ROWS: usize = 16;

/// Key-value metadata in every file of a recording.
pub type FileFacts = Vec<(String, String)>;

/// The properties of a file with these first rows, which decide the encoding of each column.
pub(super) fn properties(
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
        // fastparquet fails on an empty dictionary, which is a page of zero bytes. When compressed, the page is not empty.
        if is_small && is_text(column) && column.null_count() == column.len() {
            properties = properties.set_column_compression(path(), compression()?);
        }
    }
    Ok(properties.build())
}

pub(super) const CREATED_BY: &str = concat!("perfwatch ", env!("CARGO_PKG_VERSION"));

/// The metadata of a file about itself.
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

/// Text columns always have a dictionary.
fn is_text(column: &ArrayRef) -> bool {
    matches!(column.data_type(), DataType::Dictionary(..))
}

/// For numbers both encodings are tried. A dictionary of values that rarely repeat is a second copy of them (if used for all
/// columns, files are 45 % larger); a dictionary of few values saves half of a column or more.
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
