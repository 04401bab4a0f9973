//! Goes through the rows of a table in order, in stretches with the same interval.

use super::patterns::{Block, Patterns, Selection};

/// Consecutive rows whose intervals have the same length: usually the rows of one tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub end: usize,
    /// NaN without a length, as for a first sample.
    pub elapsed_s: f64,
}

pub struct Walk<'a> {
    patterns: &'a Patterns,
    spans: &'a [Span],
    row: usize,
    span: usize,
    block: usize,
    /// The number of rows of the block that are done.
    in_block: usize,
}

/// Consecutive rows with the same interval and selection.
pub struct Stretch<'a> {
    pub groups: &'a [u32],
    pub selection: Selection,
    /// The index of the first of them in the requested rows, and in all rows.
    pub at: usize,
    pub row: usize,
    /// NaN without a length.
    pub elapsed_s: f64,
}

impl<'a> Walk<'a> {
    pub fn new(patterns: &'a Patterns, spans: &'a [Span]) -> Self {
        Walk { patterns, spans, row: 0, span: 0, block: 0, in_block: 0 }
    }

    /// Calls `f` with the next `rows` rows.
    pub fn rows(&mut self, rows: usize, mut f: impl FnMut(Stretch<'_>)) {
        let start = self.row;
        let end = start + rows;
        while self.row < end {
            let Some((span, block)) = self.spans.get(self.span).zip(self.patterns.blocks.get(self.block)) else {
                return;
            };
            let pattern = self.patterns.pattern(block);
            let Some(in_pattern) = self.in_block.checked_rem(pattern.len()) else { return };
            let length = (span.end.min(end) - self.row).min(pattern.len() - in_pattern);
            let Some(groups) = pattern.get(in_pattern..in_pattern + length) else { return };
            let Block { selection, .. } = *block;
            f(Stretch { groups, selection, at: self.row - start, row: self.row, elapsed_s: span.elapsed_s });
            self.row += length;
            self.in_block += length;
            if self.in_block == block.rows() {
                (self.block, self.in_block) = (self.block + 1, 0);
            }
            if self.row == span.end {
                self.span += 1;
            }
        }
    }

    /// Calls `f` with the remaining rows.
    pub fn rest(&mut self, f: impl FnMut(Stretch<'_>)) {
        let rows = self.spans.last().map_or(0, |span| span.end).saturating_sub(self.row);
        self.rows(rows, f);
    }
}
