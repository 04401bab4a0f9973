//! Rows as lines of JSON: one object per row, with all columns; null where there is no value.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::RowWriter;
use super::cells::{Notation, columns};

pub struct JsonLines<'w> {
    out: &'w mut dyn Write,
    /// What comes before the value of each column: `{"ts":`, `,"phase":`.
    keys: Vec<String>,
}

impl<'w> JsonLines<'w> {
    pub fn new(schema: &SchemaRef, out: &'w mut dyn Write) -> Self {
        let names = schema.fields().iter().enumerate();
        let key = |(n, field): (usize, &std::sync::Arc<arrow_schema::Field>)| {
            format!("{}{}:", if n == 0 { '{' } else { ',' }, serde_json::Value::from(field.name().as_str()))
        };
        JsonLines { out, keys: names.map(key).collect() }
    }
}

impl RowWriter for JsonLines<'_> {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        let mut cells = columns(rows, Notation::Json)?;
        let mut line = Vec::new();
        for row in 0..rows.num_rows() {
            line.clear();
            for (key, cell) in self.keys.iter().zip(&mut cells) {
                line.extend_from_slice(key.as_bytes());
                cell.write(row, &mut line)?;
            }
            line.extend_from_slice(b"}\n");
            self.out.write_all(&line)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}
