//! The values of one column in one group, and what can be made of them.

use super::column::Column;
use super::distinct::Distinct;
use super::growth::Growth;
use super::index::RowIndex;
use super::intervals::Interval;
use super::number::{NULL, Number};
use super::part::Part;
use super::weights::Weights;
use crate::stats::key_float;
use crate::table::StoredColumn;

/// Makes one result of the values of a group.
pub trait Fold: Sync {
    type Out: Send;
    /// Buffers that one group leaves to the next.
    type Buffers: Default;

    /// Of values that were measured: levels, rates, amounts.
    fn values(&self, values: &Values<'_>, buffers: &mut Self::Buffers) -> Self::Out;

    /// Of a counter, whose values say little by themselves.
    fn growth(&self, growth: &Growth) -> Self::Out;
}

/// The rows of a group, in the order of time, with the values of one column.
///
/// Values are held as integers that are in the order of the values, for these are compared and selected faster.
pub struct Values<'a> {
    pub column: &'static StoredColumn,
    pub rows: usize,
    pub(super) is_float: bool,
    /// Its rows, piece by piece.
    pub(super) parts: &'a [Part<'a>],
    /// The different values of the column, where parts are by codes.
    pub(super) distinct: Option<&'a Distinct>,
    pub(super) index: &'a RowIndex,
    pub(super) group: usize,
    pub(super) weights: &'a Weights,
    /// Where its rows begin among those of all groups.
    pub(super) start: usize,
}

/// One row of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// None: the row has no value.
    pub number: Option<Number>,
    /// NaN: its interval has no length.
    pub elapsed_s: f64,
}

impl Values<'_> {
    /// The values, row by row.
    pub fn iter(&self) -> impl Iterator<Item = Value> {
        let number = |key: i64| (key != NULL).then(|| Number::of_key(key, self.is_float));
        let intervals = self.intervals().iter().map(|interval| interval.elapsed_s);
        self.keys().zip(intervals).map(move |(key, elapsed_s)| Value { number: number(key), elapsed_s })
    }

    /// The intervals of its rows.
    pub(super) fn intervals(&self) -> &[Interval] {
        self.index.intervals().of(self.group)
    }

    /// The key that all rows with a value have, and how many rows have none; nothing where values differ, or there is none.
    pub(super) fn constant(&self) -> Option<(i64, usize)> {
        let only = self.keys().find(|key| *key != NULL)?;
        let mut nulls = 0;
        for part in self.parts {
            nulls += part.nulls_beside(only)?;
        }
        Some((only, nulls))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = i64> {
        self.parts.iter().flat_map(|part| (0..part.len()).map(|row| part.key(row)))
    }

    /// The value of a key that is that of a value.
    #[inline]
    pub(super) fn number(&self, key: i64) -> f64 {
        if self.is_float { key_float(key) } else { key as f64 }
    }
}

/// What is read of a column once, for all its groups.
pub(super) struct Whole<'a> {
    pub column: &'static StoredColumn,
    pub index: &'a RowIndex,
    pub turned: &'a Column<'a>,
    pub weights: &'a Weights,
}

impl Whole<'_> {
    /// Folds the values of a group, whose rows begin at `start` among those of all.
    pub fn fold<F: Fold>(&self, group: usize, start: usize, fold: &F, buffers: &mut F::Buffers) -> F::Out {
        let shares = self.index.shares(group).iter();
        let parts: Vec<Part<'_>> = shares.filter_map(|share| self.turned.part(share)).collect();
        let values = Values {
            column: self.column,
            rows: parts.iter().map(|part| part.len()).sum(),
            is_float: self.turned.is_float,
            parts: &parts,
            distinct: self.turned.distinct.as_ref(),
            index: self.index,
            group,
            weights: self.weights,
            start,
        };
        fold.values(&values, buffers)
    }
}
