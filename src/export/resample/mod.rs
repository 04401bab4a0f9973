//! Rows for intervals of equal length, and rows with all entities side by side.
//!
//! The rows of a table are read once, in the order of its files. An interval is finished when the rest of the
//! files has only later rows, so that few are open at a time. Finished ones become rows: one per entity (`long`), or
//! one for all (`wide`).

mod buckets;
mod cell;
mod long;
mod plan;
pub mod value;
mod wide;

use std::io;
use std::ops::ControlFlow;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Request, Shape};
use crate::query::Rows;
use crate::query::rows::candidates;
use crate::store::read::piece::{Fault, Piece, ReadError};
use crate::table::TableDef;
use buckets::{Bucket, Buckets};
use long::Long;
use plan::Plan;
use wide::Wide;

/// A table and how it is resampled.
pub struct Resampled {
    plan: Plan,
    every_us: Option<i64>,
    form: Form,
}

enum Form {
    Long(Long),
    Wide(Box<Wide>),
}

/// Makes rows of finished intervals.
trait Rowed {
    fn push(&mut self, start_us: i64, bucket: Bucket);
    /// The number of rows that [`Rowed::take`] returns.
    fn rows(&self) -> usize;
    /// # Errors
    /// Does not happen: all columns have the same length.
    fn take(&mut self) -> io::Result<RecordBatch>;
}

/// Values that are written at once.
const BATCH_VALUES: usize = 256 * 1024;

impl Resampled {
    /// # Errors
    /// A sentence, if the rows would have too many columns.
    pub fn new(table: &TableDef, request: &Request<'_>, pieces: &[Box<dyn Piece + '_>]) -> Result<Resampled, String> {
        let Shape { every_us, extremes, wide } = request.shape;
        let names = request.columns.of(table);
        let is_one_row = every_us.is_none();
        if !wide {
            let plan = Plan::new(table, &names, is_one_row, extremes);
            let form = Form::Long(Long::new(table, &names, &plan));
            return Ok(Resampled { plan, every_us, form });
        }
        let names = wide::names(table, names, request.columns.are_named());
        let mut plan = Plan::new(table, &names, is_one_row, extremes);
        let form = Form::Wide(Box::new(Wide::new(table, &names, &mut plan, pieces, request.rows)?));
        Ok(Resampled { plan, every_us, form })
    }

    pub fn schema(&self) -> SchemaRef {
        match &self.form {
            Form::Long(long) => long.schema.clone(),
            Form::Wide(wide) => wide.schema.clone(),
        }
    }

    /// Calls `take` with all rows, in order of time. What cannot be read is added to `problems`.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn each(
        &self,
        pieces: &[Box<dyn Piece + '_>],
        rows: Rows<'_>,
        problems: &mut Vec<ReadError>,
        take: &mut dyn FnMut(&RecordBatch) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut rowed, ratios): (Box<dyn Rowed + '_>, _) = match &self.form {
            Form::Long(long) => (Box::new(long::Rows::new(long)), None),
            Form::Wide(wide) => (Box::new(wide::Rows::new(wide, &self.plan)), wide.ratios.as_ref()),
        };
        let mut buckets = Buckets::new(&self.plan, self.every_us, ratios);
        let at_once = (BATCH_VALUES / self.schema().fields().len().max(1)).max(1);
        for (n, piece) in pieces.iter().enumerate() {
            let mut later = pieces.iter().skip(n + 1);
            let later_us = later.try_fold(i64::MAX, |least, piece| piece.span().map(|(from, _)| least.min(from)));
            let mut done = Ok(());
            let mut is_wrong = false;
            let read = candidates(piece.as_ref(), &self.plan.needed, rows, &mut |found| {
                if let Some(until_us) = found.from_us.zip(later_us).map(|(own, later)| own.min(later)) {
                    done = write(buckets.finished(Some(until_us)), rowed.as_mut(), at_once, take);
                }
                is_wrong = buckets.add(&found).is_err();
                if done.is_ok() && !is_wrong { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            problems.extend(read.err());
            if is_wrong {
                problems.push(ReadError::new(piece.path(), Fault::Schema("a column has another type".into())));
            }
            done?;
        }
        write(buckets.finished(None), rowed.as_mut(), at_once, take)?;
        if rowed.rows() > 0 { take(&rowed.take()?) } else { Ok(()) }
    }
}

fn write(
    finished: std::collections::BTreeMap<i64, Bucket>,
    rowed: &mut dyn Rowed,
    at_once: usize,
    take: &mut dyn FnMut(&RecordBatch) -> io::Result<()>,
) -> io::Result<()> {
    for (start_us, bucket) in finished {
        rowed.push(start_us, bucket);
        if rowed.rows() >= at_once {
            take(&rowed.take()?)?;
        }
    }
    Ok(())
}
