//! The values of one column in one group, and the trait for computing results from them.

use super::column::Column;
use super::distinct::Distinct;
use super::growth::Growth;
use super::index::RowIndex;
use super::intervals::Interval;
use super::number::{NULL, Number};
use super::piece_values::PieceValues;
use super::weights::Weights;
use crate::stats::key_float;
use crate::table::StoredColumn;

/// Computes one result from the values of a group.
pub trait Fold: Sync {
    type Out: Send;
    /// Buffers that are passed from one group to the next.
    type Buffers: Default;

    /// Folds measured values: levels, rates, amounts.
    fn values(&self, values: &Values<'_>, buffers: &mut Self::Buffers) -> Self::Out;

    /// Folds a counter, whose values say little by themselves.
    fn growth(&self, growth: &Growth) -> Self::Out;
}

/// The rows of a group in chronological order, with the values of one column.
///
/// Values are stored as integer keys in the same order as the values, because integers are faster to compare and
/// select.
pub struct Values<'a> {
    pub column: &'static StoredColumn,
    pub rows: usize,
    pub(super) is_float: bool,
    /// Its values, piece by piece.
    pub(super) pieces: &'a [PieceValues<'a>],
    /// The different values of the column, if its pieces have codes.
    pub(super) distinct: Option<&'a Distinct>,
    pub(super) index: &'a RowIndex,
    pub(super) group: usize,
    pub(super) weights: &'a Weights,
    /// The index of its first row when the rows of all groups are ordered by group.
    pub(super) start: usize,
}

/// One row of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// `None` if the row has no value.
    pub number: Option<Number>,
    /// NaN if its interval has no length.
    pub elapsed_s: f64,
}

impl Values<'_> {
    /// The values, row by row.
    pub fn iter(&self) -> impl Iterator<Item = Value> {
        let number = |key: i64| (key != NULL).then(|| Number::from_key(key, self.is_float));
        let intervals = self.intervals().iter().map(|interval| interval.elapsed_s);
        self.keys().zip(intervals).map(move |(key, elapsed_s)| Value { number: number(key), elapsed_s })
    }

    /// The rows with a value: the value, its product with its weight, and the weight, as the column declares.
    pub(super) fn weighted(&self) -> impl Iterator<Item = (Value, f64, f64)> {
        self.iter().enumerate().filter_map(|(i, value)| {
            let v = value.number?.as_f64();
            let (product, weight) = match self.weights {
                Weights::Rows => (v, 1.0),
                Weights::Intervals => (v * value.elapsed_s.max(0.0), value.elapsed_s.max(0.0)),
                Weights::Own(own) => own.at(self.start + i, v),
            };
            Some((value, product, weight))
        })
    }

    /// The intervals of its rows.
    pub(super) fn intervals(&self) -> &[Interval] {
        self.index.intervals().group(self.group)
    }

    /// The key of all rows with a value, and the number of rows without one. `None` if values differ or there are none.
    pub(super) fn constant(&self) -> Option<(i64, usize)> {
        let only = self.keys().find(|key| *key != NULL)?;
        let mut nulls = 0;
        for piece in self.pieces {
            nulls += piece.nulls_besides(only)?;
        }
        Some((only, nulls))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = i64> {
        self.pieces.iter().flat_map(|piece| (0..piece.len()).map(|row| piece.key(row)))
    }

    /// The number of a key that is not [`NULL`].
    #[inline]
    pub(super) fn number(&self, key: i64) -> f64 {
        if self.is_float { key_float(key) } else { key as f64 }
    }
}

/// A column that was read, for all groups.
pub(super) struct Whole<'a> {
    pub column: &'static StoredColumn,
    pub index: &'a RowIndex,
    pub turned: &'a Column<'a>,
    pub weights: &'a Weights,
}

impl Whole<'_> {
    /// Folds the values of a group. `start`: the index of its first row when all rows are ordered by group.
    pub fn fold<F: Fold>(&self, group: usize, start: usize, fold: &F, buffers: &mut F::Buffers) -> F::Out {
        let shares = self.index.shares(group).iter();
        let pieces: Vec<PieceValues<'_>> = shares.filter_map(|share| self.turned.piece(share)).collect();
        let values = Values {
            column: self.column,
            rows: pieces.iter().map(|piece| piece.len()).sum(),
            is_float: self.turned.is_float,
            pieces: &pieces,
            distinct: self.turned.distinct.as_ref(),
            index: self.index,
            group,
            weights: self.weights,
            start,
        };
        fold.values(&values, buffers)
    }
}
