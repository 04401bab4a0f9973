//! Merges files of one table into one: the same rows, in the same order as if they had been sealed together.

use std::io;
use std::path::PathBuf;

use arrow_schema::ArrowError;

use super::Job;
use crate::store::layout::Layout;
use crate::store::layout::merged::Tidying;
use crate::store::read::parquet::ParquetPiece;
use crate::store::read::piece::{Fault, Piece, ReadError};
use crate::store::write::order::Order;
use crate::store::write::output::{Output, OutputError};
use crate::table::TableDef;
use crate::table::arrow::arrow_schema;

/// Why files could not be merged. Either the sources are still there, or the merged file is.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] OutputError),
    #[error("cannot put {} in its place: {error}", path.display())]
    Replace { path: PathBuf, error: io::Error },
}

/// Merges the files of a job and replaces them with the merged file. Returns its size in bytes.
///
/// # Errors
/// When a source cannot be read, or is foreign or damaged; then nothing changes.
pub fn merge(layout: &Layout, tidying: &Tidying, job: &Job) -> Result<u64, CompactError> {
    let temporary = tidying.temporary(job.table.name, &job.name);
    let write = || -> Result<u64, CompactError> {
        let (table, sources) = open(layout, job)?;
        // The latest file has the newest facts about the recording.
        let facts = sources.last().map(ParquetPiece::facts).unwrap_or_default();
        let window = job.name.window();
        let mut output = Output::new(layout, &temporary, &table, &window, &facts);
        let mut order = table.order.map(Order::by);
        let failed = |error: ArrowError| OutputError::parquet(&temporary, error);
        let mut expected = 0;
        for source in &sources {
            expected += source.rows();
            for batch in source.batches() {
                let batch = batch?;
                match &mut order {
                    None => output.write(&batch)?,
                    Some(order) => {
                        let group = order.add(&batch).map_err(failed)?;
                        group.iter().try_for_each(|group| output.write_group(group))?;
                    }
                }
            }
        }
        if let Some(order) = &mut order {
            let rest = order.rest().map_err(failed)?;
            rest.iter().try_for_each(|group| output.write_group(group))?;
        }
        let rows = output.close()?;
        if rows != expected {
            return Err(OutputError::Check { path: temporary.clone(), wrote: expected, read: rows }.into());
        }
        let sync = layout.sync(&[&temporary], &[]);
        sync.map_err(|error| CompactError::Replace { path: temporary.clone(), error })?;
        Ok(layout.bytes_of(&temporary).unwrap_or(0))
    };
    // A partial file is useless, and on a full disk its space is needed.
    let bytes = write().inspect_err(|_| drop(layout.remove(&temporary)))?;
    tidying
        .replace(job.table.name, &job.name)
        .map_err(|error| CompactError::Replace { path: temporary.with_extension("ready"), error })?;
    Ok(bytes)
}

/// Opens the sources with a table definition that has the columns of all of them.
fn open(layout: &Layout, job: &Job) -> Result<(TableDef, Vec<ParquetPiece>), ReadError> {
    let mut table = job.table.clone();
    let mut sources = Vec::new();
    for path in &job.sources {
        let piece = ParquetPiece::open(layout, path, &table)?;
        table = piece.wider(&table).unwrap_or(table);
        sources.push(piece);
    }
    let schema = arrow_schema(&table);
    for source in &mut sources {
        source.widen(&schema);
        if let Some(column) = source.unknown_column() {
            let what = format!("column `{column}` has a type that a table cannot have, and would be lost");
            return Err(ReadError::new(source.path(), Fault::Schema(what)));
        }
    }
    Ok((table, sources))
}
