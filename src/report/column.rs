//! The statistics of one column, for all entities of a table at once: the values of an entity are brought together in
//! one buffer, where quantiles are selected exactly.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use super::index::{BadPiece, RowIndex, wrong};
use super::model::{Number, Stats};
use super::walk::Walk;
use super::weights::Weights;
use crate::stats::{Spread, float_key, key_float, spread, weighted_spread};
use crate::store::read::piece::Piece;

/// What of a column is summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Values,
    /// What happened in each interval: also the sum, and the sum per second.
    Amounts,
    /// The same by the length of the interval.
    Rates,
}

/// Buffers that one column leaves to the next.
#[derive(Default)]
pub struct Summariser {
    /// A place for each row of each entity, in the order of its rows.
    keys: Vec<i64>,
    cursors: Vec<Cursor>,
    /// The values of one entity with their weights.
    weighted: Vec<(i64, f64)>,
}

/// The key of a row without a value: that of no float, and of no integer that is measured.
const NULL: i64 = i64::MIN;

/// Values of an entity that are brought together before they are written to its part of the buffer. Rows of 64 cores
/// written one by one would touch 64 far places a tick, which takes twice as long (6.7 ns a value instead of 3.1).
const GATHERED: usize = 56;

/// What is known of an entity while the rows go by.
#[derive(Clone, Debug)]
struct Cursor {
    /// Where its next value goes, and where its part of the buffer began.
    next: usize,
    start: usize,
    /// Σ value × weight, Σ weight.
    weighted: f64,
    weight: f64,
    nulls: usize,
    gathered: usize,
    gather: [i64; GATHERED],
}

impl Summariser {
    /// One [`Stats`] for each entity of the index.
    ///
    /// # Errors
    /// When a piece cannot be read.
    pub fn column(
        &mut self,
        index: &RowIndex,
        pieces: &[Box<dyn Piece + '_>],
        name: &str,
        way: Way,
        weights: &Weights<'_>,
    ) -> Result<Vec<Stats>, BadPiece> {
        self.start(index);
        let mut walk = Walk::new(index);
        let mut float = false;
        for (n, piece) in pieces.iter().enumerate() {
            let bad = |error| BadPiece { piece: n, error };
            for chunk in piece.column(name).map_err(bad)? {
                float = match self.chunk(&chunk, &mut walk, way, weights) {
                    Some(float) => float,
                    None => return Err(bad(wrong(piece.as_ref(), name))),
                };
            }
        }
        Ok(self.finish(way, float, weights))
    }

    fn start(&mut self, index: &RowIndex) {
        self.cursors.clear();
        self.cursors.extend(index.starts().map(|start| Cursor {
            next: start,
            start,
            weighted: 0.0,
            weight: 0.0,
            nulls: 0,
            gathered: 0,
            gather: [0; GATHERED],
        }));
        self.keys.resize(index.selected(), NULL);
    }

    /// Takes a chunk in; says whether it holds floats, or nothing for a type that is not summarised.
    fn chunk(&mut self, chunk: &ArrayRef, walk: &mut Walk<'_>, way: Way, weights: &Weights<'_>) -> Option<bool> {
        // `+ 0.0` makes one zero of the two; NaN and infinity, which we never write, are no values.
        let float = |v: f64| if v.is_finite() { (float_key(v + 0.0), v) } else { (NULL, 0.0) };
        if let (Some(floats), Way::Rates) = (chunk.as_primitive_opt::<Float64Type>(), way) {
            // What has no length has no rate: a division by zero or by NaN.
            self.values(floats.values(), floats.nulls(), walk, weights, |v, elapsed_s| float(v / elapsed_s));
            Some(true)
        } else if let Some(floats) = chunk.as_primitive_opt::<Float64Type>() {
            self.values(floats.values(), floats.nulls(), walk, weights, |v, _| float(v));
            Some(true)
        } else if let Some(ints) = chunk.as_primitive_opt::<Int64Type>() {
            self.values(ints.values(), ints.nulls(), walk, weights, |v, _| (v, v as f64));
            Some(false)
        } else {
            let ints = chunk.as_primitive_opt::<Int32Type>()?;
            self.values(ints.values(), ints.nulls(), walk, weights, |v, _| (i64::from(v), f64::from(v)));
            Some(false)
        }
    }

    fn values<T: Copy>(
        &mut self,
        values: &[T],
        nulls: Option<&NullBuffer>,
        walk: &mut Walk<'_>,
        weights: &Weights<'_>,
        take: impl Fn(T, f64) -> (i64, f64),
    ) {
        let Summariser { keys, cursors, .. } = self;
        walk.rows(values.len(), |stretch| {
            let Some(values) = values.get(stretch.at..stretch.at + stretch.entities.len()) else { return };
            // A first sample has no interval (NaN), so its value has no weight.
            let same = if matches!(weights, Weights::Rows) { 1.0 } else { stretch.elapsed_s.max(0.0) };
            for (i, (entity, v)) in stretch.entities.iter().zip(values).enumerate() {
                let Some(cursor) = cursors.get_mut(*entity as usize) else { continue };
                if nulls.is_none_or(|n| n.is_valid(stretch.at + i)) {
                    let (key, v) = take(*v, stretch.elapsed_s);
                    let (product, weight) = match weights {
                        Weights::Own(own) => own.at(cursor.next + cursor.gathered, v),
                        _ => (v * same, same),
                    };
                    cursor.put(keys, key, product, weight);
                } else {
                    cursor.put(keys, NULL, 0.0, 0.0);
                }
            }
        });
    }

    fn finish(&mut self, way: Way, float: bool, weights: &Weights<'_>) -> Vec<Stats> {
        let Summariser { keys, cursors, weighted } = self;
        let number = |key| if float { Number::Float(key_float(key)) } else { Number::Int(key) };
        let stats = cursors.iter_mut().enumerate().map(|(entity, c)| {
            c.flush(keys);
            let keys = keys.get_mut(c.start..c.next).unwrap_or_default();
            let mut stats = Stats { count: keys.len() - c.nulls, nulls: c.nulls, ..Stats::default() };
            let of = spread_of(keys, weights.of(entity, c.start), weighted);
            let Some((keys, Spread { min, percentiles: [p50, p95, p99], max })) = of else { return stats };
            let sum = || keys.iter().map(|k| number(*k).as_f64()).sum::<f64>();
            if way == Way::Amounts {
                let sum = sum();
                stats.total = Some(if float { Number::Float(sum) } else { Number::Int(sum as i64) });
                stats.per_sec = (c.weight > 0.0).then(|| sum / c.weight);
            }
            // Where nothing has a weight, every value weighs the same.
            let mean = if c.weight > 0.0 { c.weighted / c.weight } else { sum() / keys.len() as f64 };
            // Rounding must not carry a mean out of what was measured.
            stats.mean = Some(mean.clamp(number(min).as_f64(), number(max).as_f64()));
            (stats.min, stats.max) = (Some(number(min)), Some(number(max)));
            (stats.p50, stats.p95, stats.p99) = (Some(number(p50)), Some(number(p95)), Some(number(p99)));
            stats
        });
        stats.collect()
    }
}

/// The spread of an entity's values, and these without the rows that have none.
fn spread_of<'k>(
    keys: &'k mut [i64],
    weights: Option<&[f64]>,
    weighted: &mut Vec<(i64, f64)>,
) -> Option<(&'k [i64], Spread<i64, 3>)> {
    const PERCENTS: [u8; 3] = [50, 95, 99];
    weighted.clear();
    if let Some(weights) = weights {
        weighted.extend(keys.iter().copied().zip(weights.iter().copied()).filter(|(key, _)| *key != NULL));
    }
    let mut values = 0;
    for i in 0..keys.len() {
        if keys[i] != NULL {
            keys[values] = keys[i];
            values += 1;
        }
    }
    let keys = keys.get_mut(..values)?;
    // Where all weigh the same there is a faster way to the same.
    let alike = weighted.first().is_none_or(|(_, first)| weighted.iter().all(|(_, weight)| weight == first));
    let spread = if alike { None } else { weighted_spread(weighted, PERCENTS) }.or_else(|| spread(keys, PERCENTS))?;
    Some((keys, spread))
}

impl Cursor {
    #[inline]
    fn put(&mut self, keys: &mut [i64], key: i64, product: f64, weight: f64) {
        if let Some(slot) = self.gather.get_mut(self.gathered) {
            *slot = key;
        }
        self.gathered += 1;
        if self.gathered >= GATHERED {
            self.flush(keys);
        }
        if key == NULL {
            self.nulls += 1;
        } else {
            self.weighted += product;
            self.weight += weight;
        }
    }

    #[inline(never)]
    fn flush(&mut self, keys: &mut [i64]) {
        let end = self.next + self.gathered;
        if let (Some(to), Some(from)) = (keys.get_mut(self.next..end), self.gather.get(..self.gathered)) {
            to.copy_from_slice(from);
        }
        self.next = end;
        self.gathered = 0;
    }
}
