//! The growth of a counter per group.

use std::collections::VecDeque;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use super::index::RowIndex;
use super::lives::{Lives, Start};
use super::patterns::Selection;
use super::read::{BadPiece, wrong};
use super::walk::{Stretch, Walk};
use crate::store::read::piece::{Piece, ReadError};
use crate::table::step::{self, Step};
use crate::table::{StoredColumn, StoredOrigin, TableDef, Weight};

/// The growth of one counter in the rows of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Growth {
    /// Rows with a value, and without.
    pub count: usize,
    pub nulls: usize,
    /// Rows with a known growth.
    pub steps: usize,
    pub total: i64,
    /// The time in which it grew by `total`.
    pub seconds: f64,
    /// The last value.
    pub last: Option<i64>,
}

impl Growth {
    /// The total growth, if it is known for any row.
    pub fn known(&self) -> Option<i64> {
        (self.steps > 0).then_some(self.total)
    }

    pub fn per_sec(&self) -> Option<f64> {
        self.known().filter(|_| self.seconds > 0.0).map(|total| total as f64 / self.seconds)
    }
}

/// The position of an entity's counter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    /// None after a gap.
    last: Option<i64>,
    memory: step::Memory,
    /// Seconds since `last`; rows without a value may be in between.
    pending: f64,
}

/// The interval before a row.
#[derive(Clone, Copy)]
pub struct Before {
    /// NaN if the row has no interval.
    pub elapsed_s: f64,
    /// The recorder knew the growth of the counter.
    pub is_known: bool,
}

impl Position {
    /// The growth of the counter, if it is known, which requires that the row has an interval. After a gap (a new
    /// session, a device that came back) the counter may have started again and be higher than before. A row of another
    /// phase does not count, but the next row grew from it.
    #[inline]
    pub fn step(
        &mut self,
        value: Option<i64>,
        before: Before,
        most_per_sec: f64,
        growth: Option<&mut Growth>,
    ) -> Option<i64> {
        let Before { elapsed_s, is_known } = before;
        if elapsed_s.is_nan() {
            self.starts_from(None, 0.0);
        } else {
            self.pending += elapsed_s;
        }
        let Some(v) = value else {
            match growth {
                Some(growth) => growth.nulls += 1,
                // The value at the beginning of the phase is not known.
                None => self.last = None,
            }
            return None;
        };
        // If the counter went back, its last value before that is not known.
        let grown = self.last.and_then(|last| match self.memory.step(last, v, self.pending, most_per_sec) {
            // (If the row before had no value, `is_known` says nothing.)
            Step::Grew(1..) | Step::Returned(1..) if !is_known && self.pending <= elapsed_s => None,
            Step::Grew(by) | Step::Returned(by) => Some(by),
            _ => Some(0),
        });
        if let Some(growth) = growth {
            growth.count += 1;
            growth.last = Some(v);
            if let Some(grown) = grown {
                growth.steps += 1;
                growth.seconds += self.pending;
                growth.total = growth.total.saturating_add(grown);
            }
        }
        self.last = Some(v);
        self.pending = 0.0;
        grown
    }

    /// The next row does not continue from the last one.
    fn starts_from(&mut self, last: Option<i64>, pending: f64) {
        (self.last, self.pending, self.memory) = (last, pending, step::Memory::default());
    }
}

/// Goes through a counter. `each` is called for every chosen row with its group and its growth.
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
    let raw = table.raw.iter().position(|column| column.name == name);
    let most_per_sec = raw.and_then(|raw| table.raw.get(raw)).map_or(f64::INFINITY, |column| column.most_per_sec);
    let witness = raw.and_then(|raw| witness(table, raw));
    let mut counter = Counter {
        index,
        lives,
        positions: vec![Position::default(); index.entities.len()],
        growths: vec![Growth::default(); index.groups.len()],
        life: 0,
        most_per_sec,
        known: VecDeque::new(),
    };
    let mut walk = index.walk();
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
    Ok(counter.growths)
}

/// The column that has a value if the growth of a raw column is known. Only for columns whose growth depends on
/// something that is not in the file: the speed of a line, the number of CPUs.
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

struct Counter<'i> {
    index: &'i RowIndex,
    lives: &'i Lives,
    /// One per entity.
    positions: Vec<Position>,
    /// One per group.
    growths: Vec<Growth>,
    most_per_sec: f64,
    /// Whether the growth of each remaining row of the piece is known; empty: all are known.
    known: VecDeque<bool>,
    /// The index of the next life.
    life: usize,
}

impl Counter<'_> {
    /// `None` for a type that no counter has.
    fn chunk(
        &mut self,
        chunk: &ArrayRef,
        walk: &mut Walk<'_>,
        each: &mut impl FnMut(usize, Option<i64>),
    ) -> Option<()> {
        if let Some(ints) = chunk.as_primitive_opt::<Int64Type>() {
            self.rows::<Int64Type>(ints.values(), ints.nulls(), walk, each);
        } else {
            let ints = chunk.as_primitive_opt::<Int32Type>()?;
            self.rows::<Int32Type>(ints.values(), ints.nulls(), walk, each);
        }
        Some(())
    }

    fn rows<T: ArrowPrimitiveType<Native: Into<i64>>>(
        &mut self,
        values: &[T::Native],
        nulls: Option<&NullBuffer>,
        walk: &mut Walk<'_>,
        each: &mut impl FnMut(usize, Option<i64>),
    ) {
        let value = |i: usize| values.get(i).map(|v| (*v).into());
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            None => walk.rows(values.len(), |stretch| self.stretch(&stretch, value, each)),
            Some(nulls) => {
                let value = |i: usize| value(i).filter(|_| nulls.is_valid(i));
                walk.rows(values.len(), |stretch| self.stretch(&stretch, value, each));
            }
        }
    }

    #[inline]
    fn stretch(
        &mut self,
        stretch: &Stretch<'_>,
        value: impl Fn(usize) -> Option<i64>,
        each: &mut impl FnMut(usize, Option<i64>),
    ) {
        if stretch.selection == Selection::Skipped {
            self.known.drain(..stretch.groups.len().min(self.known.len()));
            return;
        }
        let end = stretch.row + stretch.groups.len();
        let has_starts = self.lives.row(self.life).is_some_and(|row| row < end);
        let is_all_known = self.known.is_empty();
        for (i, group) in stretch.groups.iter().enumerate() {
            let is_known = is_all_known || self.known.pop_front().unwrap_or(true);
            let group = *group as usize;
            let Some(entity) = self.index.groups.get(group).map(|group| group.entity) else { continue };
            let mut elapsed_s = stretch.elapsed_s;
            if has_starts && self.lives.row(self.life) == Some(stretch.row + i) {
                elapsed_s = self.begin(entity, elapsed_s);
            }
            let Some(position) = self.positions.get_mut(entity) else { continue };
            let is_chosen = stretch.selection == Selection::Chosen;
            let growth = self.growths.get_mut(group).filter(|_| is_chosen);
            let before = Before { elapsed_s, is_known };
            let grown = position.step(value(stretch.at + i), before, self.most_per_sec, growth);
            if is_chosen {
                each(group, grown);
            }
        }
    }

    /// A life begins with this row; returns the length of the row's interval.
    #[cold]
    fn begin(&mut self, entity: usize, elapsed_s: f64) -> f64 {
        let start = self.lives.start(self.life);
        self.life += 1;
        let (last, pending, elapsed_s) = match start {
            Some(Start::Zero { seconds }) => (Some(0), 0.0, seconds),
            Some(Start::Continues { from }) => {
                let from = self.positions.get(from);
                from.map_or((None, 0.0, elapsed_s), |from| (from.last, from.pending, elapsed_s))
            }
            Some(Start::Unknown) | None => (None, 0.0, elapsed_s),
        };
        if let Some(position) = self.positions.get_mut(entity) {
            position.starts_from(last, pending);
        }
        elapsed_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(rows: impl IntoIterator<Item = (i64, f64, bool)>) -> Growth {
        let (mut position, mut growth) = (Position::default(), Growth::default());
        for (value, elapsed_s, in_phase) in rows {
            let growth = Some(&mut growth).filter(|_| in_phase);
            position.step(Some(value), Before { elapsed_s, is_known: true }, 1e10, growth);
        }
        growth
    }

    #[test]
    fn a_fall_before_the_phase_is_remembered_in_it() {
        let giga = 1_000_000_000;
        let rows = [(giga, false), (0, false), (giga + 10, true), (giga + 17, true), (giga + 99, false)];
        let growth = grown(rows.map(|(value, in_phase)| (value, 1.0, in_phase)));
        assert_eq!((growth.total, growth.steps, growth.seconds, growth.count), (17, 2, 2.0, 2));
        assert_eq!(growth.last, Some(giga + 17));
    }

    #[test]
    fn a_fall_in_the_session_before_does_not_matter() {
        let rows = [(100_000, f64::NAN), (0, 1.0), (10, 1.0), (5_000_000, f64::NAN), (5_100_000, 1.0)];
        let growth = grown(rows.map(|(value, elapsed_s)| (value, elapsed_s, true)));
        assert_eq!(growth.total, 10 + 100_000);
    }
}
