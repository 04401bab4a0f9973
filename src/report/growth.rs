//! How far a counter has come, entity by entity.

use std::collections::VecDeque;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};

use super::index::{BadPiece, OUT_OF_PHASE, RowIndex, wrong};
use super::lives::{Lives, Start};
use super::model::{Number, Stats};
use super::walk::Walk;
use crate::store::read::piece::{Piece, ReadError};
use crate::table::step::{self, Step};
use crate::table::{StoredColumn, StoredOrigin, TableDef, Weight};

/// The growth of one counter of one entity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Growth {
    count: usize,
    nulls: usize,
    /// None after a gap.
    last: Option<i64>,
    memory: step::Memory,
    steps: usize,
    total: i64,
    seconds: f64,
    /// Seconds since `last`, of which a null may have been part.
    pending: f64,
}

/// What a row says of the interval before it.
#[derive(Clone, Copy)]
struct Interval {
    /// NaN: it has none.
    elapsed_s: f64,
    /// The recorder knew by how much the counter grew.
    is_known: bool,
}

impl Growth {
    /// By how much it grew, where that is known: only where the row knows of the one before. After a gap (a new session, a
    /// device that came back) the counter may have started again, higher than it was. A row of another phase counts for
    /// nothing, but the next one grew from it.
    fn step(&mut self, value: Option<i64>, interval: Interval, most_per_sec: f64, in_phase: bool) -> Option<i64> {
        let Interval { elapsed_s, is_known } = interval;
        if elapsed_s.is_nan() {
            self.starts_from(None, 0.0);
        } else {
            self.pending += elapsed_s;
        }
        let Some(v) = value else {
            self.nulls += usize::from(in_phase);
            if !in_phase {
                // How far it had come when the phase began is not known.
                self.last = None;
            }
            return None;
        };
        // Of a counter that went back it is not known how far it came before.
        let grown = self.last.and_then(|last| match self.memory.step(last, v, self.pending, most_per_sec) {
            // (Where the row before had no value, no row can know.)
            Step::Grew(1..) | Step::Returned(1..) if !is_known && self.pending <= elapsed_s => None,
            Step::Grew(by) | Step::Returned(by) => Some(by),
            _ => Some(0),
        });
        if in_phase {
            self.count += 1;
            if let Some(growth) = grown {
                self.steps += 1;
                self.seconds += self.pending;
                self.total = self.total.saturating_add(growth);
            }
        }
        self.last = Some(v);
        self.pending = 0.0;
        grown
    }

    /// Its next row is no step from its last one.
    fn starts_from(&mut self, last: Option<i64>, pending: f64) {
        (self.last, self.pending, self.memory) = (last, pending, step::Memory::default());
    }

    pub fn stats(&self) -> Stats {
        let mut stats = Stats { count: self.count, nulls: self.nulls, ..Stats::default() };
        if self.steps > 0 {
            stats.total = Some(Number::Int(self.total));
            stats.per_sec = (self.seconds > 0.0).then(|| self.total as f64 / self.seconds);
        }
        stats
    }
}

/// Goes through a counter. `each` hears of every row that was asked for: its entity, and by how much that grew.
///
/// # Errors
/// When a piece cannot be read.
pub fn grow(
    table: &TableDef,
    index: &RowIndex,
    lives: &Lives,
    pieces: &[Box<dyn Piece + '_>],
    name: &str,
    mut each: impl FnMut(usize, Option<i64>),
) -> Result<Vec<Growth>, BadPiece> {
    let of = vec![Growth::default(); index.entities.len()];
    let raw = table.raw.iter().position(|column| column.name == name);
    let most_per_sec = raw.and_then(|raw| table.raw.get(raw)).map_or(f64::INFINITY, |column| column.most_per_sec);
    let witness = raw.and_then(|raw| witness(table, raw));
    let mut counter = Counter { of, lives, life: 0, most_per_sec, known: VecDeque::new() };
    let mut walk = Walk::new(index);
    for (n, piece) in pieces.iter().enumerate() {
        let bad = |error| BadPiece { piece: n, error };
        counter.known = match witness {
            Some(name) => valid_rows(piece.as_ref(), name).map_err(bad)?.into(),
            None => VecDeque::new(),
        };
        for chunk in piece.column(name).map_err(bad)? {
            if counter.chunk(&chunk, &mut walk, &mut each).is_none() {
                return Err(bad(wrong(piece.as_ref(), name)));
            }
        }
    }
    Ok(counter.of)
}

/// The column that has a value where the growth of a raw column is known, if what it depends on is in no file: a line's speed, the
/// number of CPUs.
fn witness(table: &TableDef, raw: usize) -> Option<&'static str> {
    let column = table.raw.get(raw)?;
    let is_of_it = |c: &&StoredColumn| {
        c.weight == Weight::Elapsed && matches!(&c.origin, StoredOrigin::Derived(formula) if formula.of == [raw])
    };
    let depends = column.limit.is_some() || column.while_same.is_some();
    table.stored.iter().find(is_of_it).filter(|_| depends).map(|c| c.name)
}

fn valid_rows(piece: &dyn Piece, name: &str) -> Result<Vec<bool>, ReadError> {
    let chunks = piece.column(name)?;
    Ok(chunks.iter().flat_map(|chunk| (0..chunk.len()).map(|i| chunk.is_valid(i))).collect())
}

struct Counter<'l> {
    of: Vec<Growth>,
    most_per_sec: f64,
    /// Of the rows of a piece that are to come, whether their growth is known; empty: of all.
    known: VecDeque<bool>,
    lives: &'l Lives,
    /// The next of the lives that begin.
    life: usize,
}

impl Counter<'_> {
    /// Nothing for a type that no counter has.
    fn chunk(
        &mut self,
        chunk: &ArrayRef,
        walk: &mut Walk<'_>,
        each: &mut impl FnMut(usize, Option<i64>),
    ) -> Option<()> {
        let valid = |i: usize| chunk.nulls().is_none_or(|nulls| nulls.is_valid(i));
        if let Some(ints) = chunk.as_primitive_opt::<Int64Type>() {
            let values = ints.values();
            self.rows(values.len(), |i| values.get(i).copied().filter(|_| valid(i)), walk, each);
        } else {
            let values = chunk.as_primitive_opt::<Int32Type>()?.values();
            self.rows(values.len(), |i| values.get(i).copied().filter(|_| valid(i)).map(i64::from), walk, each);
        }
        Some(())
    }

    fn rows(
        &mut self,
        rows: usize,
        value: impl Fn(usize) -> Option<i64>,
        walk: &mut Walk<'_>,
        each: &mut impl FnMut(usize, Option<i64>),
    ) {
        let most_per_sec = self.most_per_sec;
        walk.rows(rows, |stretch| {
            for (i, marked) in stretch.entities.iter().enumerate() {
                let is_known = self.known.pop_front().unwrap_or(true);
                let entity = (*marked & !OUT_OF_PHASE) as usize;
                let mut elapsed_s = stretch.elapsed_s;
                if self.lives.row(self.life) == Some(stretch.row + i) {
                    elapsed_s = self.begin(entity, elapsed_s);
                }
                let Some(growth) = self.of.get_mut(entity) else { continue };
                let in_phase = *marked & OUT_OF_PHASE == 0;
                let interval = Interval { elapsed_s, is_known };
                let grown = growth.step(value(stretch.at + i), interval, most_per_sec, in_phase);
                if in_phase {
                    each(entity, grown);
                }
            }
        });
    }

    /// A life begins with this row; returns the length of the row's interval.
    #[cold]
    fn begin(&mut self, entity: usize, elapsed_s: f64) -> f64 {
        let start = self.lives.start(self.life);
        self.life += 1;
        let (last, pending, elapsed_s) = match start {
            Some(Start::Zero { seconds }) => (Some(0), 0.0, seconds),
            Some(Start::Continues { from }) => {
                self.of.get(from as usize).map_or((None, 0.0, elapsed_s), |from| (from.last, from.pending, elapsed_s))
            }
            Some(Start::Unknown) | None => (None, 0.0, elapsed_s),
        };
        if let Some(growth) = self.of.get_mut(entity) {
            growth.starts_from(last, pending);
        }
        elapsed_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_before_the_phase_is_remembered_in_it() {
        let mut growth = Growth::default();
        let row = Interval { elapsed_s: 1.0, is_known: true };
        let giga = 1_000_000_000;
        for (value, in_phase) in [(giga, false), (0, false), (giga + 10, true), (giga + 17, true), (giga + 99, false)] {
            growth.step(Some(value), row, 1e10, in_phase);
        }
        assert_eq!((growth.total, growth.steps, growth.seconds, growth.count), (17, 2, 2.0, 2));
    }

    #[test]
    fn a_fall_of_the_session_before_says_nothing() {
        let mut growth = Growth::default();
        for (value, elapsed_s) in [(100_000, f64::NAN), (0, 1.0), (10, 1.0), (5_000_000, f64::NAN), (5_100_000, 1.0)] {
            growth.step(Some(value), Interval { elapsed_s, is_known: true }, 1e10, true);
        }
        assert_eq!(growth.total, 10 + 100_000);
    }
}
