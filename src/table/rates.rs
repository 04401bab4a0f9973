//! Computes rates, percentages and latencies from the raw values of an entity at two ticks. The rules for missing
//! values are only here and in [`super::step`].
//!
//! A derived value is null in the first sample of the entity, if a counter in its formula is null in one of the
//! samples, and if the growth of such a counter is not known: it went back, returned to its earlier value, or grew by
//! more than any device can.
//!
//! **An entity is trusted as a whole.** If one of its counters did that, a device may have been removed and created
//! again with the same name, and the growth of its other counters is meaningless. So none of its derived values has a
//! value for that interval, and `elapsed_s` is null, as for its first sample. If a counter does so in nearly every
//! interval while the other counters continue normally, it is broken: after a few times it only affects its own values.
//! In a table without entities, each counter only affects its own values.

use std::collections::HashMap;

use super::sample::Cell;
use super::step::{LATE_S, Memory, Step};
use super::{ResolvedFormula, Steadiness, StoredOrigin, TableDef, significant};

/// Entities of earlier blocks are removed when there are this many more than rows in a block.
const SPARE_ENTITIES: usize = 1024;

/// A counter that was odd alone more often than this is broken; each normal interval reduces the count by one.
const MOST_ALONE: u8 = 3;

/// Maximum step back of counters that wobble, in seconds; a larger one is accepted if at least half of the interval
/// remains.
const WOBBLE_S: f64 = 0.1;

/// Tracks the entities of one table from block to block.
pub struct Rates<'t> {
    table: &'t TableDef,
    entity_columns: Vec<usize>,
    by_entity: HashMap<Vec<u64>, usize>,
    known: Vec<KnownEntity>,
    key: Vec<u64>,
    block: u64,
    /// The step of each raw column in the current row.
    steps: Vec<Step>,
}

/// The previous sample of an entity.
struct KnownEntity {
    mono_ns: u64,
    block: u64,
    cells: Vec<Cell>,
    /// One per cell; only used for counters.
    counters: Vec<CounterState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct CounterState {
    memory: Memory,
    /// How often it was odd recently while the other counters of its entity were not.
    alone: u8,
}

impl CounterState {
    fn is_broken(&self) -> bool {
        self.alone > MOST_ALONE
    }
    fn misbehave(&mut self) {
        self.alone = self.alone.saturating_add(1);
    }
    /// A broken counter stays broken.
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

    /// Derives the values of a block. `each` is called for every row with its elapsed seconds and stored cells.
    /// `own_elapsed_s`: the interval, if the source measures it itself.
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
            // There is no time to divide by after a damaged journal, or if the clock stood still.
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
                    let counters = vec![CounterState::default(); width];
                    self.known.push(KnownEntity { mono_ns, block: self.block, cells: row.to_vec(), counters });
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

    /// Computes the steps of the entity's counters. False if it is another entity, or was reset.
    fn follow(&mut self, entity: usize, elapsed_s: f64, row: &[Cell]) -> bool {
        let KnownEntity { cells, counters, .. } = &mut self.known[entity];
        let columns = &self.table.raw;
        let is_other = columns.iter().zip(cells.iter().zip(row)).any(|(c, ends)| c.tells_apart && differ(ends));
        if is_other {
            counters.fill(CounterState::default());
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

    /// Removes all entities except those of the last block (processes come and go; devices rarely do).
    fn forget(&mut self) {
        let mut kept = Vec::new();
        let known = &mut self.known;
        self.by_entity.retain(|_, i| {
            let keep = known[*i].block == self.block;
            if keep {
                let old = &mut known[*i];
                let (cells, counters) = (std::mem::take(&mut old.cells), std::mem::take(&mut old.counters));
                kept.push(KnownEntity { mono_ns: old.mono_ns, block: old.block, cells, counters });
                *i = kept.len() - 1;
            }
            keep
        });
        self.known = kept;
    }
}

/// The time between two ticks: rounded to 14 significant bits, a relative error of 6e-5 at most, because a source is read
/// some time after its tick began, which varies by more. The noise in further digits would take a sixth of a recording.
fn seconds(ns: u64) -> f64 {
    let exact = ns as f64 / 1e9;
    let step = 2f64.powi(exact.log2().floor().max(-7.0) as i32 - 13);
    (exact / step).round() * step
}

/// Rounded to 2^-20 s, about a microsecond: a binary fraction, because the noise in the last digits of a decimal fraction
/// would take most of the space of a table with few columns.
pub fn quantised(seconds: f64) -> f64 {
    const STEPS_PER_S: f64 = (1 << 20) as f64;
    (seconds * STEPS_PER_S).round() / STEPS_PER_S
}

/// Are both known and different?
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

/// No limit if it is not known.
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
        // What one of them stepped back by was moved to the other by the kernel: together they have what the others
        // leave.
        let grew = |i: &usize| if let Some(Step::Grew(by)) = steps.get(*i) { *by as f64 } else { 0.0 };
        let steady: f64 = columns.iter().filter(|i| !wobbles(i)).map(grew).sum();
        of = of.min((over - steady).max(0.0));
    }
    let value = (formula.factor * of / over).min(formula.cap);
    Some(significant(value)).filter(|v| v.is_finite())
}

/// The combined growth of counters. Steps back of counters that wobble are subtracted, if the interval can contain the
/// rest; after a reset of a CPU's idle time, it cannot.
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
