//! Rows as Parquet and Arrow. Texts are plain strings, of which pandas does not make categories.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::RowWriter;

/// Rows of a row group: at most these, and about this many values.
const GROUP_ROWS: usize = 128 * 1024;
const GROUP_VALUES: usize = 8 << 20;

/// The columns with plain texts in place of dictionaries.
fn plain_schema(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(..) => {
            let plain = Field::new(field.name(), DataType::Utf8, field.is_nullable());
            Arc::new(plain.with_metadata(field.metadata().clone()))
        }
        _ => field.clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn plain(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(schema.clone(), rows.columns().iter().map(plain_column).collect())
}

fn plain_column(column: &ArrayRef) -> ArrayRef {
    let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() else { return column.clone() };
    let Some(texts) = dictionary.downcast_dict::<arrow_array::StringArray>() else { return column.clone() };
    let mut builder = StringBuilder::new();
    texts.into_iter().for_each(|text| builder.append_option(text));
    Arc::new(builder.finish())
}

/// What the Parquet writer has finished and was not yet written.
#[derive(Clone, Default)]
struct Finished(Arc<Mutex<Vec<u8>>>);

impl Finished {
    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        out.write_all(&bytes)
    }
}

impl Write for Finished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Parquet<'w> {
    out: &'w mut dyn Write,
    schema: SchemaRef,
    writer: ArrowWriter<Finished>,
    finished: Finished,
}

impl<'w> Parquet<'w> {
    /// # Errors
    /// Does not happen for tables.
    pub fn new(schema: &SchemaRef, out: &'w mut dyn Write) -> io::Result<Self> {
        let schema = plain_schema(schema);
        let finished = Finished::default();
        let properties = || -> Result<WriterProperties, ParquetError> {
            let rows = (GROUP_VALUES / schema.fields().len().max(1)).clamp(1, GROUP_ROWS);
            Ok(WriterProperties::builder()
                .set_created_by(concat!("perfwatch ", env!("CARGO_PKG_VERSION")).to_string())
                .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
                .set_max_row_group_row_count(Some(rows))
                .build())
        };
        let writer = ArrowWriter::try_new(finished.clone(), schema.clone(), Some(properties()?))?;
        Ok(Parquet { out, schema, writer, finished })
    }
}

impl RowWriter for Parquet<'_> {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        self.writer.write(&plain(rows, &self.schema).map_err(io::Error::other)?)?;
        self.finished.write_to(self.out)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.writer.close()?;
        self.finished.write_to(self.out)
    }
}

/// The format that Arrow calls "IPC file" and pandas "Feather". It is read from its end.
pub struct ArrowFile<'w> {
    schema: SchemaRef,
    writer: FileWriter<&'w mut dyn Write>,
}

impl<'w> ArrowFile<'w> {
    /// # Errors
    /// When the beginning cannot be written.
    pub fn new(schema: &SchemaRef, out: &'w mut dyn Write) -> io::Result<Self> {
        let schema = plain_schema(schema);
        let writer = FileWriter::try_new(out, &schema).map_err(to_io)?;
        Ok(ArrowFile { schema, writer })
    }
}

impl RowWriter for ArrowFile<'_> {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        plain(rows, &self.schema).and_then(|rows| self.writer.write(&rows)).map_err(to_io)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.writer.finish().map_err(to_io)
    }
}

/// The format that Arrow calls "IPC stream", for pipes.
pub struct ArrowStream<'w> {
    schema: SchemaRef,
    writer: StreamWriter<&'w mut dyn Write>,
}

impl<'w> ArrowStream<'w> {
    /// # Errors
    /// When the beginning cannot be written.
    pub fn new(schema: &SchemaRef, out: &'w mut dyn Write) -> io::Result<Self> {
        let schema = plain_schema(schema);
        let writer = StreamWriter::try_new(out, &schema).map_err(to_io)?;
        Ok(ArrowStream { schema, writer })
    }
}

impl RowWriter for ArrowStream<'_> {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        plain(rows, &self.schema).and_then(|rows| self.writer.write(&rows)).map_err(to_io)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.writer.finish().map_err(to_io)
    }
}

/// A closed pipe must be recognizable.
fn to_io(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}
