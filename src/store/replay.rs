//! Converts a journal into rows for readers. Sealing and reports of an unsealed journal use the same code.

use arrow_array::RecordBatch;

use super::journal::codec::Decoded;
use super::journal::frame::FrameKind;
use super::journal::{Journal, JournalError, StoredType};
use crate::table::TableDef;
use crate::table::arrow::Columns;
use crate::table::rates::Rates;
use crate::table::sample::Cell;

/// Why a table could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
    /// What the taker of the batches said.
    #[error(transparent)]
    Taker(E),
}

/// Reads one table of a journal in batches of about `batch_rows` rows.
///
/// # Errors
/// When the file cannot be read, or `take` fails. After damage, the rows just end.
pub fn table<E>(
    journal: &Journal,
    table: &TableDef,
    batch_rows: usize,
    mut take: impl FnMut(RecordBatch) -> Result<(), E>,
) -> Result<(), ReplayError<E>> {
    let Some(header) = journal.header() else { return Ok(()) };
    let Some(index) = header.tables.iter().position(|t| t.name == table.name) else { return Ok(()) };
    let places = places(table, &header.tables[index].columns);
    let width = header.tables[index].columns.len();
    let mut rates = Rates::new(table);
    let mut columns = Columns::new(table);
    let mut failed = None;
    let mut raw = Vec::new();
    journal.replay(
        |t| t == index,
        |kind, decoded, texts| {
            if failed.is_some() {
                return;
            }
            let Decoded { stamp, phase, blocks, cells, .. } = decoded;
            let phase = phase.and_then(|id| texts.get(id));
            for block in blocks {
                let cells = &cells[block.start..block.start + block.rows * width];
                raw.clear();
                for row in cells.chunks_exact(width) {
                    raw.extend(places.iter().map(|place| place.map_or(Cell::Null, |i| row[i])));
                }
                let ts_us = block.stamp.map_or(stamp.ts_us, |s| s.ts_us);
                let own_elapsed_s = block.stamp.and_then(|s| s.elapsed_s);
                rates.block(stamp.mono_ns, own_elapsed_s, &raw, |elapsed_s, stored| {
                    if kind == FrameKind::Tick && failed.is_none() {
                        failed = columns.push(ts_us, elapsed_s, phase, stored, texts).err().map(ReplayError::Arrow);
                    }
                });
            }
            if failed.is_none() && columns.rows() >= batch_rows {
                failed = hand_over(&mut columns, &mut take).err();
            }
        },
    )?;
    match failed {
        Some(error) => Err(error),
        None if columns.rows() > 0 => hand_over(&mut columns, &mut take),
        None => Ok(()),
    }
}

fn hand_over<E>(
    columns: &mut Columns,
    take: &mut impl FnMut(RecordBatch) -> Result<(), E>,
) -> Result<(), ReplayError<E>> {
    take(columns.take()?).map_err(ReplayError::Taker)
}

/// The position of each raw column in the rows of the journal, by name and type: an older perfwatch may have had other
/// columns.
fn places(table: &TableDef, journalled: &[(String, StoredType)]) -> Vec<Option<usize>> {
    let place = |name: &str, ty: StoredType| journalled.iter().position(|(n, t)| n == name && *t == ty);
    table.raw.iter().map(|c| place(c.name, c.ty.into())).collect()
}
