//! The rows of a table in their order, cut where the length of the interval changes.

use super::patterns::{Block, Mark, Patterns};

/// Rows in sequence whose intervals have the same length: the rows of one tick, usually.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub end: usize,
    /// NaN: no length, which a first sample has not.
    pub elapsed_s: f64,
}

pub struct Walk<'a> {
    patterns: &'a Patterns,
    runs: &'a [Run],
    row: usize,
    run: usize,
    block: usize,
    /// How many rows of the block are behind us.
    in_block: usize,
}

/// Rows in sequence with the same interval and mark.
pub struct Stretch<'a> {
    pub groups: &'a [u32],
    pub mark: Mark,
    /// The place of the first of them among the rows that were asked for, and among all.
    pub at: usize,
    pub row: usize,
    /// NaN: no length.
    pub elapsed_s: f64,
}

impl<'a> Walk<'a> {
    pub fn new(patterns: &'a Patterns, runs: &'a [Run]) -> Self {
        Walk { patterns, runs, row: 0, run: 0, block: 0, in_block: 0 }
    }

    /// Calls `f` with the next `rows` rows.
    pub fn rows(&mut self, rows: usize, mut f: impl FnMut(Stretch<'_>)) {
        let start = self.row;
        let end = start + rows;
        while self.row < end {
            let Some((run, block)) = self.runs.get(self.run).zip(self.patterns.blocks.get(self.block)) else { return };
            let pattern = self.patterns.pattern(block);
            let Some(in_pattern) = self.in_block.checked_rem(pattern.len()) else { return };
            let length = (run.end.min(end) - self.row).min(pattern.len() - in_pattern);
            let Some(groups) = pattern.get(in_pattern..in_pattern + length) else { return };
            let Block { mark, .. } = *block;
            f(Stretch { groups, mark, at: self.row - start, row: self.row, elapsed_s: run.elapsed_s });
            self.row += length;
            self.in_block += length;
            if self.in_block == block.rows() {
                (self.block, self.in_block) = (self.block + 1, 0);
            }
            if self.row == run.end {
                self.run += 1;
            }
        }
    }

    /// The rest of the rows.
    pub fn rest(&mut self, f: impl FnMut(Stretch<'_>)) {
        let rows = self.runs.last().map_or(0, |run| run.end).saturating_sub(self.row);
        self.rows(rows, f);
    }
}
