//! The intervals that are not finished yet, and what was counted in them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};

use super::cell::{Cell, Mean, Sum};
use super::plan::{How, Plan, Weigh};
use super::value::{Label, Value, Values, stamps};
use crate::query::growth::{Before, Growth, Position};
use crate::query::rows::Candidates;
use crate::report::ratios::{Counting, RatioSums, Roles};

/// The labels of an entity.
pub type Key = Arc<[Label]>;

/// An entity whose counters were not seen for so long is forgotten. Its next growth is then not known.
const FORGOTTEN_US: i64 = 3600 * 1_000_000;

/// An entity in an interval.
#[derive(Clone, Debug)]
pub struct Row {
    pub elapsed_s: Option<f64>,
    pub phase: Value,
    /// In the order of [`Plan::columns`].
    pub cells: Vec<Cell>,
}

/// What happened in an interval, by entity, in the order in which they appeared.
#[derive(Default)]
pub struct Bucket {
    pub rows: Vec<(Key, Row)>,
    by_key: HashMap<Key, usize>,
    pub ratios: Option<RatioSums>,
    /// The tick to which the last counts of `ratios` belong.
    now: Option<i64>,
}

/// How ratios of events are counted.
pub struct RatioPlan {
    pub roles: Roles,
    pub entities: HashMap<Key, usize>,
    /// Places in [`Plan::needed`].
    pub value: usize,
    pub running: usize,
}

pub struct Buckets<'p> {
    plan: &'p Plan,
    /// `None`: every tick is an interval.
    every_us: Option<i64>,
    ratios: Option<&'p RatioPlan>,
    open: BTreeMap<i64, Bucket>,
    /// Of the counters in [`Plan::counters`], and when they were last seen.
    positions: HashMap<Key, (i64, Vec<Position>)>,
}

/// A column of another type than its table declares.
pub struct WrongType;

impl<'p> Buckets<'p> {
    pub fn new(plan: &'p Plan, every_us: Option<i64>, ratios: Option<&'p RatioPlan>) -> Self {
        Buckets { plan, every_us, ratios, open: BTreeMap::new(), positions: HashMap::new() }
    }

    /// # Errors
    /// When a column has another type than declared.
    pub fn add(&mut self, found: &Candidates) -> Result<(), WrongType> {
        let columns = Columns::new(&found.batch, self.plan).ok_or(WrongType)?;
        let mut growths = vec![None; self.plan.counters.len()];
        for row in 0..found.batch.num_rows() {
            let is_chosen = found.in_phase.as_ref().is_none_or(|chosen| chosen.is_valid(row) && chosen.value(row));
            let (ts_us, elapsed_s) = (columns.stamps.get(row).copied().unwrap_or_default(), columns.elapsed(row));
            let key = columns.key(row, self.plan);
            if !self.plan.counters.is_empty() {
                self.grow(&columns, row, &key, ts_us, is_chosen, &mut growths);
            }
            if is_chosen {
                self.count(&columns, row, key, ts_us, elapsed_s, &growths);
            }
        }
        Ok(())
    }

    /// The growth of the counters since the entity's previous row.
    fn grow(
        &mut self,
        columns: &Columns<'_>,
        row: usize,
        key: &Key,
        ts_us: i64,
        is_chosen: bool,
        growths: &mut [Option<i64>],
    ) {
        let counters = &self.plan.counters;
        let new = || (ts_us, vec![Position::default(); counters.len()]);
        let (seen_us, positions) = self.positions.entry(key.clone()).or_insert_with(new);
        *seen_us = ts_us;
        let before = Before { elapsed_s: columns.elapsed(row).unwrap_or(f64::NAN), is_known: true };
        for ((counter, position), grown) in counters.iter().zip(positions).zip(growths) {
            let mut growth = Growth::default();
            let value = columns.value(counter.at, row).as_int();
            *grown = position.step(value, before, counter.most_per_sec, Some(&mut growth).filter(|_| is_chosen));
        }
    }

    fn count(
        &mut self,
        columns: &Columns<'_>,
        row: usize,
        key: Key,
        ts_us: i64,
        elapsed_s: Option<f64>,
        growths: &[Option<i64>],
    ) {
        let start_us = self.every_us.map_or(ts_us, |every| ts_us.saturating_sub(ts_us.rem_euclid(every.max(1))));
        let bucket = self.open.entry(start_us).or_default();
        if let Some(plan) = self.ratios {
            let sums = bucket.ratios.get_or_insert_with(|| plan.roles.sums());
            if bucket.now != Some(ts_us) {
                sums.close();
                bucket.now = Some(ts_us);
            }
            if let (Some(entity), Some(value)) = (plan.entities.get(&key), columns.value(plan.value, row).as_f64()) {
                let running = columns.value(plan.running, row).as_f64();
                plan.roles.count(*entity, Counting { value, running, elapsed_s }, sums);
            }
        }
        let entry = bucket.row(key, self.plan);
        if let Some(elapsed_s) = elapsed_s {
            *entry.elapsed_s.get_or_insert(0.0) += elapsed_s;
        }
        entry.phase = columns.value(PHASE_AT, row);
        let sum =
            |of: &[usize]| of.iter().filter_map(|n| growths.get(*n).copied().flatten()).fold(0.0, |a, b| a + b as f64);
        for (column, cell) in self.plan.columns.iter().zip(&mut entry.cells) {
            let value = columns.value(column.at, row);
            match (cell, &column.how) {
                (Cell::Last(_), _) if value == Value::Null => {}
                (Cell::Last(last), _) => *last = value,
                (Cell::Sum(total), _) => total.add(&value, column.extremes),
                (Cell::Mean(mean), How::Mean(weigh)) => {
                    let (weight, weighted) = match weigh {
                        Weigh::Elapsed => (elapsed_s.unwrap_or(0.0).max(0.0), None),
                        Weigh::Count(at) => (columns.value(*at, row).as_f64().unwrap_or(0.0).max(0.0), None),
                        Weigh::Quotient(n) => self.plan.quotients.get(*n).map_or((0.0, None), |quotient| {
                            let weight = sum(&quotient.below);
                            let above = quotient.above.as_ref();
                            (weight, above.map(|a| (a.factor * sum(&a.of)).min(a.cap * weight)))
                        }),
                    };
                    mean.add(&value, weight, weighted, column.extremes);
                }
                (Cell::Mean(_), _) => {}
            }
        }
    }

    /// Takes the intervals that end at or before this time, in order; with `None` all.
    pub fn finished(&mut self, until_us: Option<i64>) -> BTreeMap<i64, Bucket> {
        let mut finished = match until_us {
            None => std::mem::take(&mut self.open),
            Some(until_us) => {
                // A tick is over when a later one begins.
                let first_open = until_us.saturating_sub(self.every_us.unwrap_or(1)).saturating_add(1);
                let open = self.open.split_off(&first_open);
                self.positions.retain(|_, (seen_us, _)| *seen_us > until_us.saturating_sub(FORGOTTEN_US));
                std::mem::replace(&mut self.open, open)
            }
        };
        finished.values_mut().filter_map(|bucket| bucket.ratios.as_mut()).for_each(RatioSums::close);
        finished
    }
}

impl Bucket {
    fn row(&mut self, key: Key, plan: &Plan) -> &mut Row {
        let Bucket { rows, by_key, .. } = self;
        let at = *by_key.entry(key).or_insert_with_key(|key| {
            let cells = plan.columns.iter().map(|column| match column.how {
                How::Last => Cell::Last(Value::Null),
                How::Sum => Cell::Sum(Sum::default()),
                How::Mean(_) => Cell::Mean(Mean::default()),
            });
            rows.push((key.clone(), Row { elapsed_s: None, phase: Value::Null, cells: cells.collect() }));
            rows.len() - 1
        });
        &mut rows[at].1
    }
}

const ELAPSED_AT: usize = 1;
const PHASE_AT: usize = 2;

/// The columns of a batch, in the order of [`Plan::needed`].
struct Columns<'a> {
    stamps: &'a [i64],
    /// All but the first.
    values: Vec<Values<'a>>,
}

impl<'a> Columns<'a> {
    fn new(batch: &'a RecordBatch, plan: &Plan) -> Option<Columns<'a>> {
        let (ts, others) = batch.columns().split_first()?;
        let values: Vec<Values<'a>> = others.iter().map(Values::new).collect::<Option<_>>()?;
        (values.len() + 1 == plan.needed.len()).then_some(Columns { stamps: stamps(ts)?, values })
    }

    fn value(&self, at: usize, row: usize) -> Value {
        at.checked_sub(1).and_then(|at| self.values.get(at)).map_or(Value::Null, |values| values.at(row))
    }

    fn elapsed(&self, row: usize) -> Option<f64> {
        self.value(ELAPSED_AT, row).as_f64()
    }

    fn key(&self, row: usize, plan: &Plan) -> Key {
        plan.entities.iter().map(|at| Label::from(self.value(*at, row))).collect()
    }
}
