//! The rows of a table in their order, cut where the length of the interval changes.

use super::index::RowIndex;

pub struct Walk<'a> {
    index: &'a RowIndex,
    row: usize,
    run: usize,
}

/// Rows in sequence with the same interval.
pub struct Stretch<'a> {
    pub entities: &'a [u32],
    /// The place of the first of them among the rows that were asked for, and among all.
    pub at: usize,
    pub row: usize,
    /// NaN: no length.
    pub elapsed_s: f64,
}

impl<'a> Walk<'a> {
    pub fn new(index: &'a RowIndex) -> Self {
        Walk { index, row: 0, run: 0 }
    }

    /// Calls `f` with the next `rows` rows.
    pub fn rows(&mut self, rows: usize, mut f: impl FnMut(Stretch<'_>)) {
        let start = self.row;
        let end = start + rows;
        while self.row < end {
            let Some(run) = self.index.runs.get(self.run) else { return };
            let until = run.end.min(end);
            let Some(entities) = self.index.rows.get(self.row..until) else { return };
            f(Stretch { entities, at: self.row - start, row: self.row, elapsed_s: run.elapsed_s });
            self.row = until;
            if until == run.end {
                self.run += 1;
            }
        }
    }
}
