//! Raw values of one entity at two ticks → rates, percentages, latencies. The rules for "no value" live here and in
//! [`super::step`] alone.
//!
//! A derived value is null on the entity's first sample, where a counter it needs is null at either end, and where it is not
//! known by how much one grew: it went back, returned to what it was before that, or grew by more than any device can.
//!
//! **An entity is trusted as a whole.** Where one of its counters did that, a device was removed and made anew under the old
//! name, say, and what the others seem to have grown by is nothing: none of its derived values has a value for that interval, and
//! no time has passed for it (`elapsed_s` is null), as on its first sample. A counter that does so at nearly every reading while
//! the others go on is broken: after a few times it speaks only for itself. In a table without entities each counter speaks for
//! itself.

use std::collections::HashMap;

use super::sample::Cell;
use super::step::{LATE_S, Memory, Step};
use super::{ResolvedFormula, Steadiness, StoredOrigin, TableDef, significant};

/// Entities not seen for a while are forgotten once there are this many more than rows in a block.
const SPARE_ENTITIES: usize = 1024;

/// A counter that was odd alone more often than this in a row (about: what it does well in between counts against it) is broken.
const MOST_ALONE: u8 = 3;

/// Counters that wobble may step back together by this much at most, or by as much as leaves half of what the interval holds.
const WOBBLE_S: f64 = 0.1;

/// Follows the entities of one table from block to block.
pub struct Rates<'t> {
    table: &'t TableDef,
    entity_columns: Vec<usize>,
    by_entity: HashMap<Vec<u64>, usize>,
    known: Vec<Known>,
    key: Vec<u64>,
    block: u64,
    /// What each raw column of the row at hand did.
    steps: Vec<Step>,
}

/// An entity's previous sample.
struct Known {
    mono_ns: u64,
    block: u64,
    cells: Vec<Cell>,
    /// For each cell, if it is a counter's.
    counters: Vec<Counter>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    memory: Memory,
    /// How often it was odd of late while the others of its entity were not.
    alone: u8,
}

impl Counter {
    fn is_broken(&self) -> bool {
        self.alone > MOST_ALONE
    }
    fn misbehave(&mut self) {
        self.alone = self.alone.saturating_add(1);
    }
    /// What is broken stays so.
    fn behave(&mut self) {
        if !self.is_broken() {
            self.alone = self.alone.saturating_sub(1);
        }
    }
}

impl<'t> Rates<'t> {
    pub fn new(table: &'t TableDef) -> Self {
        let entity_columns = table.raw.iter().enumerate().filter(|(_, c)| c.entity).map(|(i, _)| i).collect();
        Rates {
            table,
            entity_columns,
            by_entity: HashMap::new(),
            known: Vec::new(),
            key: Vec::new(),
            block: 0,
            steps: Vec::new(),
        }
    }

    /// Derives the values of one block, row by row: `each` gets the row's elapsed seconds, its raw cells and its
    /// stored cells. `own_elapsed_s` is the interval of a source that keeps its own time.
    pub fn block(
        &mut self,
        mono_ns: u64,
        own_elapsed_s: Option<f64>,
        cells: &[Cell],
        mut each: impl FnMut(Option<f64>, &[Cell]),
    ) {
        let width = self.table.raw.len();
        self.block += 1;
        let mut stored = Vec::with_capacity(self.table.stored.len());
        for row in cells.chunks_exact(width) {
            let before = self.find(row);
            // A journal that was damaged and cut, or a clock that stood still, gives no time to divide by.
            let passed = before.and_then(|i| mono_ns.checked_sub(self.known[i].mono_ns)).filter(|ns| *ns > 0);
            let elapsed = own_elapsed_s.map(quantised).or(passed.map(seconds));
            let goes_on = before.is_none_or(|i| self.follow(i, elapsed.unwrap_or(0.0), row));
            let elapsed = elapsed.filter(|_| goes_on);
            stored.clear();
            stored.extend(self.table.stored.iter().map(|column| {
                match &column.origin {
                    StoredOrigin::Raw(i) => row[*i],
                    StoredOrigin::Derived(formula) => before
                        .and(elapsed)
                        .and_then(|elapsed| derive(self.table, formula, &self.steps, elapsed))
                        .map_or(Cell::Null, Cell::Float),
                }
            }));
            each(elapsed, &stored);
            match before {
                Some(i) => {
                    let known = &mut self.known[i];
                    known.mono_ns = mono_ns;
                    known.block = self.block;
                    known.cells.copy_from_slice(row);
                }
                None => {
                    self.by_entity.insert(self.key.clone(), self.known.len());
                    let counters = vec![Counter::default(); width];
                    self.known.push(Known { mono_ns, block: self.block, cells: row.to_vec(), counters });
                }
            }
        }
        if self.known.len() > 2 * (cells.len() / width.max(1)) + SPARE_ENTITIES {
            self.forget();
        }
    }

    fn find(&mut self, row: &[Cell]) -> Option<usize> {
        self.key.clear();
        self.key.extend(self.entity_columns.iter().map(|i| match row[*i] {
            Cell::Null => u64::MAX,
            Cell::Int(v) => v as u64,
            Cell::Bool(v) => v.into(),
            Cell::Text(id) => id.into(),
            Cell::Float(v) => v.to_bits(),
        }));
        self.by_entity.get(self.key.as_slice()).copied()
    }

    /// Finds out what each counter of the entity did; false where it is another, or began anew.
    fn follow(&mut self, entity: usize, elapsed_s: f64, row: &[Cell]) -> bool {
        let Known { cells, counters, .. } = &mut self.known[entity];
        let columns = &self.table.raw;
        let is_other = columns.iter().zip(cells.iter().zip(row)).any(|(c, ends)| c.tells_apart && differ(ends));
        if is_other {
            counters.fill(Counter::default());
            return false;
        }
        let most =
            |i: usize| columns[i].most_per_sec.min(columns[i].limit.map_or(f64::INFINITY, |limit| per_sec(row[limit])));
        self.steps.clear();
        let (mut odd, mut last_odd) = (0, 0);
        for (i, column) in columns.iter().enumerate() {
            let is_known = column.counter && column.while_same.is_none_or(|same| cells[same] == row[same]);
            let step = match (cells[i], row[i]) {
                (Cell::Int(before), Cell::Int(now)) if is_known && column.steadiness == Steadiness::Wobbles => {
                    wobble(before, now, most(i) * (elapsed_s + LATE_S))
                }
                (Cell::Int(before), Cell::Int(now)) if is_known => {
                    counters[i].memory.step(before, now, elapsed_s, most(i))
                }
                (Cell::Null, Cell::Int(now)) => {
                    counters[i].memory.resume(now);
                    Step::Unknown
                }
                _ => Step::Unknown,
            };
            self.steps.push(step);
            if column.steadiness == Steadiness::Steady && is_odd(step) {
                odd += 1;
                last_odd = i;
            } else {
                counters[i].behave();
            }
        }
        if odd == 1 && !matches!(self.steps[last_odd], Step::Returned(_)) {
            counters[last_odd].misbehave();
        }
        let speaks = |(i, step): (usize, &Step)| {
            columns[i].steadiness == Steadiness::Steady && is_odd(*step) && !counters[i].is_broken()
        };
        self.entity_columns.is_empty() || odd == 0 || !self.steps.iter().enumerate().any(speaks)
    }

    /// Keeps only the entities of the last block (processes come and go; devices hardly do).
    fn forget(&mut self) {
        let mut kept = Vec::new();
        let known = &mut self.known;
        self.by_entity.retain(|_, i| {
            let keep = known[*i].block == self.block;
            if keep {
                let old = &mut known[*i];
                let (cells, counters) = (std::mem::take(&mut old.cells), std::mem::take(&mut old.counters));
                kept.push(Known { mono_ns: old.mono_ns, block: old.block, cells, counters });
                *i = kept.len() - 1;
            }
            keep
        });
        self.known = kept;
    }
}

/// To 2^-20 s, about a microsecond: what is finer is the clock's noise. A binary fraction, because the noise in the last
/// digits of a decimal one would take most of the room that a table with few columns takes on disk.
fn seconds(ns: u64) -> f64 {
    quantised(ns as f64 / 1e9)
}

fn quantised(seconds: f64) -> f64 {
    const STEPS_PER_S: f64 = (1 << 20) as f64;
    (seconds * STEPS_PER_S).round() / STEPS_PER_S
}

/// Both are known, and not the same.
fn differ((before, now): (&Cell, &Cell)) -> bool {
    *before != Cell::Null && *now != Cell::Null && before != now
}

fn is_odd(step: Step) -> bool {
    matches!(step, Step::Fell(_) | Step::Returned(_) | Step::Impossible)
}

fn wobble(before: i64, now: i64, most: f64) -> Step {
    match now.checked_sub(before) {
        Some(step) if step as f64 > most => Step::Impossible,
        Some(step @ 0..) => Step::Grew(step),
        Some(step) => Step::Fell(step.saturating_neg()),
        None => Step::Impossible,
    }
}

/// No limit where none is known.
fn per_sec(cell: Cell) -> f64 {
    match cell {
        Cell::Int(most) => most as f64,
        Cell::Float(most) => most,
        _ => f64::INFINITY,
    }
}

fn derive(table: &TableDef, formula: &ResolvedFormula, steps: &[Step], elapsed: f64) -> Option<f64> {
    let mut of = growth(table, &formula.of, steps, elapsed)?;
    let over = match &formula.over {
        None => elapsed,
        Some(columns) => growth(table, columns, steps, elapsed)?,
    };
    if over <= 0.0 {
        return None;
    }
    let wobbles = |i: &&usize| table.raw.get(**i).is_some_and(|column| column.steadiness == Steadiness::Wobbles);
    if let Some(columns) = formula.over.as_ref().filter(|_| formula.of.iter().all(|i| wobbles(&i))) {
        // What one of them stepped back by, the kernel moved to the other: they have what the rest leaves.
        let grew = |i: &usize| if let Some(Step::Grew(by)) = steps.get(*i) { *by as f64 } else { 0.0 };
        let steady: f64 = columns.iter().filter(|i| !wobbles(i)).map(grew).sum();
        of = of.min((over - steady).max(0.0));
    }
    let value = (formula.factor * of / over).min(formula.cap);
    Some(significant(value)).filter(|v| v.is_finite())
}

/// By how much counters grew together. Those that wobble count with their steps back, as long as the interval can hold what is
/// left: a CPU that begins its idle time again leaves less than nothing.
fn growth(table: &TableDef, columns: &[usize], steps: &[Step], elapsed: f64) -> Option<f64> {
    let (mut sum, mut back, mut second) = (0.0, 0.0, 0.0);
    for i in columns {
        let column = table.raw.get(*i)?;
        match (column.steadiness, *steps.get(*i)?) {
            (_, Step::Grew(step)) => sum += step as f64,
            (Steadiness::Wobbles, Step::Fell(step)) => {
                sum -= step as f64;
                back += step as f64;
                second = column.unit.in_a_second().unwrap_or(0.0);
            }
            (Steadiness::Unsteady, _) if columns.len() > 1 => {}
            _ => return None,
        }
    }
    let is_wobble = back <= WOBBLE_S.min(elapsed) * second || sum >= elapsed * second / 2.0;
    (back == 0.0 || is_wobble).then_some(sum.max(0.0))
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
