//! Rows as lines of CSV.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::RowWriter;
use super::cells::{Notation, columns, text};

pub struct Csv<'w> {
    out: &'w mut dyn Write,
}

impl<'w> Csv<'w> {
    /// # Errors
    /// When the heading cannot be written.
    pub fn new(schema: &SchemaRef, out: &'w mut dyn Write) -> io::Result<Self> {
        let mut line = Vec::new();
        for field in schema.fields() {
            if !line.is_empty() {
                line.push(b',');
            }
            text(field.name(), &mut line);
        }
        line.push(b'\n');
        out.write_all(&line)?;
        Ok(Csv { out })
    }
}

impl RowWriter for Csv<'_> {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        write_rows(rows, self.out)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// Writes every row as a line.
///
/// # Errors
/// When the rows cannot be written, or have a column of a type that no table has.
pub fn write_rows(batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
    let mut cells = columns(batch, Notation::Csv)?;
    let mut line = Vec::new();
    for row in 0..batch.num_rows() {
        line.clear();
        for cell in &mut cells {
            cell.write(row, &mut line)?;
            line.push(b',');
        }
        line.pop();
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}
