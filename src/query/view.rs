//! The chosen rows of a table, and what can be computed from them.

use super::column::{Column, ColumnBuffers};
use super::growth::grow;
use super::index::RowIndex;
use super::lives::Lives;
use super::read::BadPiece;
use super::threads;
use super::values::{Fold, Whole};
use super::weights::Weights;
use super::words::{self, Words};
use crate::store::read::piece::Piece;
use crate::table::{Kind, StoredColumn, TableDef};

/// About the largest number of values in memory at once: one column of a day with 64 cores. As long as that is enough,
/// each thread works on a column of its own; otherwise threads share the work on one.
const MOST_VALUES: usize = 6 << 20;

/// Fewer values than this are folded by one thread, because starting another takes as long.
const FEW_VALUES: usize = 64 << 10;

/// The chosen rows of a table.
pub struct View<'v> {
    pub table: &'static TableDef,
    pub index: RowIndex,
    pub pieces: &'v [Box<dyn Piece + 'v>],
    pub(super) lives: Lives,
    /// If samples were taken more often at times: the usual interval in seconds.
    pub(super) held_s: Option<f64>,
    pub(super) threads: usize,
    pub(super) buffers: &'v ColumnBuffers,
}

impl View<'_> {
    /// Folds these columns: one result per column and group. `step` is called once per column.
    ///
    /// # Errors
    /// When a piece cannot be read: the first one of the first column that fails.
    pub fn fold<F: Fold>(
        &self,
        columns: &[&'static StoredColumn],
        fold: &F,
        step: &mut dyn FnMut(),
    ) -> Result<Vec<Vec<F::Out>>, BadPiece> {
        let values = self.index.chosen().max(1);
        let threads = if values * columns.len() < FEW_VALUES { 1 } else { self.threads };
        let at_once = (MOST_VALUES / values).clamp(1, threads.max(1));
        let column = |(): &mut (), n: usize| match columns.get(n) {
            Some(column) => self.column(column, fold, threads.div_ceil(at_once)),
            None => Ok(Vec::new()),
        };
        let mut reported = 0;
        let mut done = |done: usize| {
            (reported..done).for_each(|_| step());
            reported = done;
        };
        threads::map(at_once, columns.len(), || (), column, &mut done)
    }

    fn column<F: Fold>(
        &self,
        column: &'static StoredColumn,
        fold: &F,
        threads: usize,
    ) -> Result<Vec<F::Out>, BadPiece> {
        let View { table, index, pieces, lives, .. } = self;
        if column.kind == Kind::Counter {
            let growths = grow(table, index, lives, pieces, column.name, |_, _| ())?;
            return Ok(growths.iter().map(|growth| fold.growth(growth)).collect());
        }
        let weights = Weights::read(self.held_s, table, column, index, lives, pieces)?;
        let turned = Column::read(column.name, index, pieces, self.buffers, threads)?;
        let whole = Whole { column, index, turned: &turned, weights: &weights };
        let starts: Vec<usize> = index.starts().collect();
        // Several at a time, because there may be very many.
        let size = starts.len().div_ceil(threads * 16).max(1);
        let some = |buffers: &mut F::Buffers, n: usize| {
            let first = n * size;
            let groups = starts.iter().enumerate().skip(first).take(size);
            Ok(groups.map(|(group, start)| whole.fold(group, *start, fold, buffers)).collect::<Vec<_>>())
        };
        let all = threads::map(threads, starts.len().div_ceil(size), F::Buffers::default, some, &mut |_| {})?;
        Ok(all.into_iter().flatten().collect())
    }

    /// The different texts of a column in the chosen rows.
    ///
    /// # Errors
    /// When a piece cannot be read.
    pub fn words(&self, column: &'static str) -> Result<Words, BadPiece> {
        words::words(column, &self.index, self.pieces)
    }

    /// The first text of a column in every group that is not empty.
    ///
    /// # Errors
    /// When a piece cannot be read.
    pub fn first_texts(&self, column: &str) -> Result<Vec<Option<String>>, BadPiece> {
        words::first(column, &self.index, self.pieces)
    }
}
