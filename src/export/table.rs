//! The chosen rows of one table, some thousand at a time.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};

use super::Request;
use super::resample::Resampled;
use crate::query::Rows;
use crate::query::rows::candidates;
use crate::store::read::piece::{Piece, ReadError, Source};
use crate::table::arrow::arrow_schema;
use crate::table::{ELAPSED_S, TableDef, Unit};

/// A table of a recording, opened for export.
pub struct TableRows<'s> {
    /// As declared by all its files together.
    pub table: &'static TableDef,
    pieces: Vec<Box<dyn Piece + 's>>,
    rows: Rows<'s>,
    schema: SchemaRef,
    resampled: Option<Resampled>,
}

impl<'s> TableRows<'s> {
    /// Opens the files of a table. Those that cannot be read are left out and added to `problems`.
    ///
    /// # Errors
    /// A sentence, if the rows would have too many columns.
    pub fn open(
        source: &'s dyn Source,
        table: &'static TableDef,
        request: &Request<'s>,
        problems: &mut Vec<ReadError>,
    ) -> Result<TableRows<'s>, String> {
        let (table, pieces) = source.read(table, request.rows.window, problems);
        let names = request.columns.of(table);
        let mut rows =
            TableRows { table, pieces, rows: request.rows, schema: projected(table, &names), resampled: None };
        // A mark is an event: two of them cannot be made into one.
        if !request.shape.is_as_recorded() && table.name != crate::mark::table::TABLE.name {
            let resampled = Resampled::new(table, request, &rows.pieces)?;
            rows.schema = resampled.schema();
            rows.resampled = Some(resampled);
        }
        Ok(rows)
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Calls `take` with all rows. Pieces that cannot be read to the end are added to `problems`; rows before the damage
    /// are taken. Returns the number of rows.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn each(
        &self,
        problems: &mut Vec<ReadError>,
        take: &mut dyn FnMut(&RecordBatch) -> io::Result<()>,
    ) -> io::Result<usize> {
        let mut rows = 0;
        let mut counted = |batch: &RecordBatch| {
            rows += batch.num_rows();
            take(batch)
        };
        match &self.resampled {
            Some(resampled) => resampled.each(&self.pieces, self.rows, problems, &mut counted)?,
            None => self.as_recorded(problems, &mut counted)?,
        }
        Ok(rows)
    }

    fn as_recorded(
        &self,
        problems: &mut Vec<ReadError>,
        take: &mut dyn FnMut(&RecordBatch) -> io::Result<()>,
    ) -> io::Result<()> {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        for piece in &self.pieces {
            let mut done = Ok(());
            let read = candidates(piece.as_ref(), &names, self.rows, &mut |found| {
                done = found.chosen().map_err(io::Error::other).and_then(|batch| take(&batch));
                if done.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            problems.extend(read.err());
            done?;
        }
        Ok(())
    }
}

/// The columns of a table, with their units and texts as metadata.
pub fn described(table: &TableDef) -> Schema {
    let facts = |name: &str| {
        let column = table.stored.iter().find(|column| column.name == name);
        let common = if name == ELAPSED_S { Unit::Seconds } else { Unit::None };
        let unit = column.map_or(common, |column| column.unit).word().to_string();
        let text = column.map(|column| column.doc.clone()).unwrap_or_default();
        [("unit", unit), ("description", text)].into_iter().filter(|(_, value)| !value.is_empty())
    };
    let field = |field: &Arc<Field>| {
        let facts = facts(field.name()).map(|(key, value)| (key.to_string(), value));
        field.as_ref().clone().with_metadata(facts.collect::<HashMap<String, String>>())
    };
    Schema::new(arrow_schema(table).fields().iter().map(field).collect::<Vec<_>>())
}

/// These columns of a table, in the types of its files.
pub fn projected(table: &TableDef, names: &[&str]) -> SchemaRef {
    let schema = described(table);
    let fields = names.iter().filter_map(|name| schema.fields().find(name).map(|(_, field)| field.clone()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
