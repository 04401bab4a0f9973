//! Footers without what no reader of our files needs.

use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData};

use crate::store::checksums;

/// The last piece of a file without statistics about encodings and sizes, which are a third of a footer. A piece with a
/// page index is not changed: its file is so large that the footer does not matter.
///
/// # Errors
/// If it is not the last piece of a file.
pub fn lean(last: Vec<u8>) -> Result<Vec<u8>, ParquetError> {
    let is_footer = checksums::footer_length(&last) == Some(last.len());
    if !is_footer {
        return Ok(last);
    }
    let metadata = ParquetMetaDataReader::decode_metadata(&last[..last.len() - checksums::END])?;
    let groups = metadata.row_groups().iter().cloned().map(lean_group).collect::<Result<_, _>>()?;
    let metadata = metadata.into_builder().set_row_groups(groups).build();
    let mut footer = Vec::with_capacity(last.len());
    ParquetMetaDataWriter::new(&mut footer, &metadata).finish()?;
    Ok(footer)
}

fn lean_group(group: RowGroupMetaData) -> Result<RowGroupMetaData, ParquetError> {
    let columns = group.columns().iter().cloned().map(lean_chunk).collect::<Result<_, _>>()?;
    group.into_builder().set_column_metadata(columns).build()
}

fn lean_chunk(chunk: ColumnChunkMetaData) -> Result<ColumnChunkMetaData, ParquetError> {
    chunk
        .into_builder()
        .clear_page_encoding_stats()
        .set_unencoded_byte_array_data_bytes(None)
        .set_definition_level_histogram(None)
        .build()
}
