//! The statistics of one column, for all entities of a table at once: the values of an entity are brought together in
//! one buffer, where quantiles are selected exactly.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};

use super::index::{BadPiece, OUT_OF_PHASE, RowIndex, wrong};
use super::model::{Number, Stats};
use crate::reader::piece::Piece;
use crate::stats::{Spread, float_key, key_float, spread};
use crate::step::{self, Step};

/// How a column is summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A level: every value weighs the same.
    Level,
    /// A value over the interval: weighs as long as its interval was.
    Interval,
    /// What happened in each interval: also the sum, and the sum per second.
    Amount,
    /// Grows: only its growth is summarised.
    Counter,
}

/// Buffers that one column leaves to the next.
#[derive(Default)]
pub struct Summariser {
    keys: Vec<i64>,
    cursors: Vec<Cursor>,
}

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
    growth: Growth,
    gathered: usize,
    gather: [i64; GATHERED],
}

/// How far a counter has come.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    count: usize,
    /// None after a gap.
    last: Option<i64>,
    memory: step::Memory,
    steps: usize,
    total: i64,
    seconds: f64,
    /// Seconds since `last`, of which a null may have been part.
    pending: f64,
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
    ) -> Result<Vec<Stats>, BadPiece> {
        self.start(index);
        let mut walk = Walk { index, row: 0, run: 0 };
        let mut float = false;
        for (n, piece) in pieces.iter().enumerate() {
            let bad = |error| BadPiece { piece: n, error };
            for chunk in piece.column(name).map_err(bad)? {
                float = match self.chunk(&chunk, &mut walk, way) {
                    Some(float) => float,
                    None => return Err(bad(wrong(piece.as_ref(), name))),
                };
            }
        }
        Ok(self.finish(way, float))
    }

    fn start(&mut self, index: &RowIndex) {
        self.cursors.clear();
        let mut start = 0;
        for count in &index.counts {
            self.cursors.push(Cursor {
                next: start,
                start,
                weighted: 0.0,
                weight: 0.0,
                nulls: 0,
                growth: Growth::default(),
                gathered: 0,
                gather: [0; GATHERED],
            });
            start += count;
        }
        self.keys.resize(start, 0);
    }

    /// Takes a chunk in; says whether it holds floats, or nothing for a type that is not summarised.
    fn chunk(&mut self, chunk: &ArrayRef, walk: &mut Walk<'_>, way: Way) -> Option<bool> {
        if let Some(ints) = chunk.as_primitive_opt::<Int64Type>() {
            let take = |v: i64| Some((v, v as f64));
            self.values(ints.values(), ints.nulls(), walk, way, take, Some);
            Some(false)
        } else if let Some(floats) = chunk.as_primitive_opt::<Float64Type>() {
            // `+ 0.0` makes one zero of the two; NaN and infinity, which we never write, are no values.
            let take = |v: f64| if v.is_finite() { Some((float_key(v + 0.0), v)) } else { None };
            self.values(floats.values(), floats.nulls(), walk, way, take, |_| None);
            Some(true)
        } else {
            let ints = chunk.as_primitive_opt::<Int32Type>()?;
            let take = |v: i32| Some((i64::from(v), f64::from(v)));
            self.values(ints.values(), ints.nulls(), walk, way, take, |v| Some(i64::from(v)));
            Some(false)
        }
    }

    fn values<T: Copy>(
        &mut self,
        values: &[T],
        nulls: Option<&NullBuffer>,
        walk: &mut Walk<'_>,
        way: Way,
        take: impl Fn(T) -> Option<(i64, f64)>,
        step: impl Fn(T) -> Option<i64>,
    ) {
        walk.runs(values.len(), |entities, at, elapsed| {
            let Some(values) = values.get(at..at + entities.len()) else { return };
            // A first sample has no interval (NaN), so its value has no weight.
            let weight = if way == Way::Level { 1.0 } else { elapsed.max(0.0) };
            let cursors = &mut self.cursors;
            let keys = &mut self.keys;
            match (way, nulls) {
                (Way::Counter, _) => {
                    for (i, (entity, v)) in entities.iter().zip(values).enumerate() {
                        let Some(cursor) = cursors.get_mut((*entity & !OUT_OF_PHASE) as usize) else { continue };
                        let valid = nulls.is_none_or(|n| n.is_valid(at + i));
                        cursor.count_step(step(*v).filter(|_| valid), elapsed, *entity & OUT_OF_PHASE == 0);
                    }
                }
                (_, None) => {
                    for (entity, v) in entities.iter().zip(values) {
                        let Some(cursor) = cursors.get_mut(*entity as usize) else { continue };
                        cursor.put(keys, take(*v), weight);
                    }
                }
                (_, Some(nulls)) => {
                    for (i, (entity, v)) in entities.iter().zip(values).enumerate() {
                        let Some(cursor) = cursors.get_mut(*entity as usize) else { continue };
                        cursor.put(keys, if nulls.is_valid(at + i) { take(*v) } else { None }, weight);
                    }
                }
            }
        });
    }

    fn finish(&mut self, way: Way, float: bool) -> Vec<Stats> {
        let number = |key| if float { Number::Float(key_float(key)) } else { Number::Int(key) };
        let Summariser { keys, cursors } = self;
        let stats = cursors.iter_mut().map(|c| {
            if way == Way::Counter {
                return c.grown();
            }
            c.flush(keys);
            let keys = keys.get_mut(c.start..c.next).unwrap_or_default();
            let mut stats = Stats { count: keys.len(), nulls: c.nulls, ..Stats::default() };
            let Some(Spread { min, percentiles: [p50, p95, p99], max }) = spread(keys, [50, 95, 99]) else {
                return stats;
            };
            let sum = || keys.iter().map(|k| number(*k).as_f64()).sum::<f64>();
            if way == Way::Amount {
                let sum = sum();
                stats.total = Some(if float { Number::Float(sum) } else { Number::Int(sum as i64) });
                stats.per_sec = (c.weight > 0.0).then(|| sum / c.weight);
            }
            // Where no interval has a length, every value weighs the same.
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

impl Cursor {
    #[inline]
    fn put(&mut self, keys: &mut [i64], value: Option<(i64, f64)>, weight: f64) {
        let Some((key, v)) = value else {
            self.nulls += 1;
            return;
        };
        if let Some(slot) = self.gather.get_mut(self.gathered) {
            *slot = key;
        }
        self.gathered += 1;
        if self.gathered >= GATHERED {
            self.flush(keys);
        }
        self.weighted += v * weight;
        self.weight += weight;
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

    /// Growth counts only where the row knows of the one before: after a gap (a new session, a device that came back)
    /// the counter may have started again, higher than it was. A row of another phase counts for nothing, but the next
    /// one grew from it.
    fn count_step(&mut self, value: Option<i64>, elapsed_s: f64, in_phase: bool) {
        let g = &mut self.growth;
        if elapsed_s.is_nan() {
            g.last = None;
            g.pending = 0.0;
        } else {
            g.pending += elapsed_s;
        }
        let Some(v) = value else {
            self.nulls += usize::from(in_phase);
            if !in_phase {
                // How far it had come when the phase began is not known.
                g.last = None;
            }
            return;
        };
        let step = g.last.map(|last| g.memory.step(last, v, g.pending, f64::INFINITY));
        if in_phase {
            g.count += 1;
            if let Some(step) = step {
                g.steps += 1;
                g.seconds += g.pending;
                // Of a counter that went back it is not known how far it came before.
                g.total = g.total.saturating_add(if let Step::Grew(by) | Step::Returned(by) = step { by } else { 0 });
            }
        }
        g.last = Some(v);
        g.pending = 0.0;
    }

    fn grown(&self) -> Stats {
        let g = &self.growth;
        let mut stats = Stats { count: g.count, nulls: self.nulls, ..Stats::default() };
        if g.steps > 0 {
            stats.total = Some(Number::Int(g.total));
            stats.per_sec = (g.seconds > 0.0).then(|| g.total as f64 / g.seconds);
        }
        stats
    }
}

/// Goes through the rows of a table, cut where the length of the interval changes.
struct Walk<'a> {
    index: &'a RowIndex,
    row: usize,
    run: usize,
}

impl Walk<'_> {
    /// Calls `f` with entities, the place of the first of them among the next `rows` rows, and their interval.
    fn runs(&mut self, rows: usize, mut f: impl FnMut(&[u32], usize, f64)) {
        let start = self.row;
        let end = start + rows;
        while self.row < end {
            let Some(run) = self.index.runs.get(self.run) else { return };
            let until = run.end.min(end);
            let Some(entities) = self.index.rows.get(self.row..until) else { return };
            f(entities, self.row - start, run.elapsed_s);
            self.row = until;
            if until == run.end {
                self.run += 1;
            }
        }
    }
}
