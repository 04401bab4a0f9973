//! Writes one row group: its encodings fit its values.

use arrow_array::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use zstd::bulk::Compressor;

use super::encoding::{Differences, Encoded};
use super::profile::{LEVEL, writer};

/// The number of rows in a row group.
const GROUP_ROWS: usize = 128 * 1024;

/// A group begins with this many rows, or with all if there are fewer.
pub const FIRST_ROWS: usize = 16 * 1024;

/// With fewer rows, finding the best encoding of each column takes many times as long as writing it.
const FEW_ROWS: usize = 16;

/// A row group that is being written.
pub struct Group {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    writer: ArrowColumnWriter,
    /// Of a delta encoded column.
    differences: Option<Differences>,
}

impl Group {
    /// Begins with these rows, which decide the encoding of each column. `properties`: those of the file.
    pub fn begin(first: &RecordBatch, properties: &WriterProperties) -> Result<Group, ParquetError> {
        let schema = first.schema();
        let mut properties = properties.clone().into_builder();
        let mut differences = Vec::new();
        let mut compressor = (first.num_rows() >= FEW_ROWS).then(|| Compressor::new(LEVEL)).transpose()?;
        for (field, column) in schema.fields().iter().zip(first.columns()) {
            let path = ColumnPath::from(field.name().as_str());
            let is_null = first.num_rows() < FIRST_ROWS && column.null_count() == column.len();
            let encoded = match &mut compressor {
                // Nulls take a few bytes, and compressed some more. Without compression, an empty dictionary would be a
                // page without bytes, which fastparquet does not read.
                _ if is_null => {
                    properties = properties.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
                    Encoded::Plain
                }
                Some(compressor) => Encoded::smallest(field, column, compressor)?,
                None => Encoded::Plain,
            };
            properties = encoded.set(properties, path);
            differences.push((encoded == Encoded::Delta).then(Differences::default));
        }
        // A factory takes the encodings from the properties of a file. This one has no other use.
        let file = writer(&schema, properties.build())?;
        let writers = ArrowRowGroupWriterFactory::new(&file, schema).create_column_writers(0)?;
        let columns = writers.into_iter().zip(differences);
        let columns = columns.map(|(writer, differences)| Column { writer, differences }).collect();
        let mut group = Group { columns, rows: 0 };
        group.add(first)?;
        Ok(group)
    }

    /// Adds rows. False if they do not fit in this group; then it must be closed.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<bool, ParquetError> {
        let is_full = self.rows > 0 && self.rows + batch.num_rows() > GROUP_ROWS;
        let fits = |(column, values)| {
            let Column { differences, .. }: &mut Column = column;
            differences.as_mut().is_none_or(|differences| differences.add(values))
        };
        if is_full || !self.columns.iter_mut().zip(batch.columns()).all(fits) {
            return Ok(false);
        }
        for ((field, values), column) in batch.schema().fields().iter().zip(batch.columns()).zip(&mut self.columns) {
            for leaf in compute_leaves(field, values)? {
                column.writer.write(&leaf)?;
            }
        }
        self.rows += batch.num_rows();
        Ok(true)
    }

    /// Adds the group to the file.
    pub fn close(self, file: &mut SerializedFileWriter<Vec<u8>>) -> Result<(), ParquetError> {
        let mut group = file.next_row_group()?;
        for column in self.columns {
            column.writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close().map(drop)
    }
}
