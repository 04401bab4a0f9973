//! The spread of few different values, found by adding up the weight of each.
//!
//! Weights are multiples of 2^-20 s or whole rows, so their sums are exact in any order, and the result is the same as that of
//! [`weighted_spread`](crate::stats::weighted_spread).

use super::distinct::Distinct;
use super::intervals::Interval;
use super::piece_values::PieceValues;
use super::values::Values;
use super::weights::Weights;
use crate::stats::Spread;

/// Counting is used if there are at least this many rows per different value.
const ROWS_PER_VALUE: usize = 8;

/// The result of counting.
#[derive(Debug)]
pub struct Counted {
    pub spread: Spread<i64, 3>,
    pub nulls: usize,
    /// Sums in the order of the rows: value times weight, and weight.
    pub weighted: f64,
    pub weight: f64,
}

/// Counts the values of a group. `None` if there are too many different ones, none, or none with a weight.
pub fn counted(values: &Values<'_>, percents: [u8; 3], counts: &mut Vec<f64>) -> Option<Counted> {
    let distinct = values.distinct.filter(|distinct| distinct.keys.len() * ROWS_PER_VALUE <= values.rows)?;
    let mut tally = Tally { distinct, counts, nulls: 0, weighted: 0.0, weight: 0.0, odd: None };
    tally.counts.clear();
    tally.counts.resize(2 * distinct.keys.len(), 0.0);
    match values.weights {
        Weights::Rows => values.pieces.iter().try_for_each(|piece| tally.piece(piece, |_| Some((1.0, 1.0))))?,
        Weights::Intervals => {
            let mut intervals = values.intervals();
            for piece in values.pieces {
                let (own, rest) = intervals.split_at_checked(piece.len())?;
                intervals = rest;
                // A first sample has no interval (NaN), so its value has no weight.
                let weight = |interval: &Interval| (interval.elapsed_s.max(0.0), interval.weight);
                tally.piece(piece, |row| own.get(row).map(weight))?;
            }
        }
        Weights::Own(_) => return None,
    }
    tally.spread(percents)
}

struct Tally<'t> {
    distinct: &'t Distinct,
    /// The weight of each value in two halves, because adding to the same one twice in a row would be slower.
    counts: &'t mut Vec<f64>,
    nulls: usize,
    weighted: f64,
    weight: f64,
    /// The smallest and largest rank of a value without weight.
    odd: Option<(usize, usize)>,
}

impl Tally<'_> {
    /// Adds a piece. `weight` returns the weight of a row, first as it is summed, then as it is counted.
    fn piece(&mut self, piece: &PieceValues<'_>, weight: impl Fn(usize) -> Option<(f64, f64)>) -> Option<()> {
        let PieceValues::Codes { codes, list, .. } = piece else { return None };
        let ranks = self.distinct.ranks.get(*list)?;
        let (mut weighted, mut sum) = (self.weighted, self.weight);
        for (row, code) in codes.iter().enumerate() {
            let rank = usize::from(*ranks.get(usize::from(*code))?);
            if rank == 0 {
                self.nulls += 1;
                continue;
            }
            let (length, weight) = weight(row)?;
            *self.counts.get_mut(2 * rank + row % 2)? += weight;
            weighted += self.distinct.numbers.get(rank)? * length;
            sum += length;
            if weight == 0.0 {
                let (least, most) = self.odd.unwrap_or((rank, rank));
                self.odd = Some((least.min(rank), most.max(rank)));
            }
        }
        (self.weighted, self.weight) = (weighted, sum);
        Some(())
    }

    fn spread(&self, percents: [u8; 3]) -> Option<Counted> {
        let weights = || self.counts.chunks_exact(2).map(|pair| pair.iter().sum::<f64>()).enumerate();
        let total: f64 = weights().map(|(_, weight)| weight).sum();
        let mut counted = weights().filter(|(_, weight)| *weight > 0.0).map(|(rank, _)| rank);
        let first = counted.next()?;
        let (least, most) = self.odd.unwrap_or((first, first));
        let (min, max) = (first.min(least), counted.next_back().unwrap_or(first).max(most));
        let mut found = [first; 3];
        let (mut next, mut below) = (weights(), 0.0);
        let mut at = 0;
        for (percent, found) in percents.into_iter().zip(&mut found) {
            // Multiplied, not divided, so that the comparison is exact.
            let target = f64::from(percent) * total;
            while below * 100.0 < target
                && let Some((rank, weight)) = next.next()
            {
                (at, below) = (rank, below + weight);
            }
            *found = at;
        }
        let key = |rank: usize| self.distinct.keys.get(rank).copied();
        let [p50, p95, p99] = found.map(key);
        let spread = Spread { min: key(min)?, percentiles: [p50?, p95?, p99?], max: key(max)? };
        Some(Counted { spread, nulls: self.nulls, weighted: self.weighted, weight: self.weight })
    }
}
