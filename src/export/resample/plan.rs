//! How each column is resampled, which follows from its declaration:
//!
//! | a column | becomes |
//! |---|---|
//! | a gauge | its mean, weighted by `elapsed_s` |
//! | an interval (a rate, a share of time) | its mean, weighted as it declares |
//! | an amount (the count of a perf event) | its sum |
//! | a counter, a label, `phase` | its last value |
//! | `elapsed_s` | its sum |

use crate::query::weights::above;
use crate::table::{ELAPSED_S, Kind, PHASE, RawColumn, StoredColumn, TS, TableDef, Type, Weight};

/// How the values of an interval become one.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    Last,
    Sum,
    Mean(Weigh),
}

/// The weight of a value. Numbers are places in [`Plan::needed`], or in [`Plan::quotients`].
#[derive(Clone, Debug, PartialEq)]
pub enum Weigh {
    Elapsed,
    Count(usize),
    Quotient(usize),
}

/// The weight of a quotient of counters, and its dividend. Numbers are places in [`Plan::counters`].
#[derive(Clone, Debug, PartialEq)]
pub struct Quotient {
    pub below: Vec<usize>,
    /// `None` if the counters are not in the files.
    pub above: Option<Dividend>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Dividend {
    pub of: Vec<usize>,
    pub factor: f64,
    pub cap: f64,
}

/// A column to resample.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedColumn {
    pub name: &'static str,
    /// Its place in [`Plan::needed`].
    pub at: usize,
    pub how: How,
    pub ty: Type,
    /// Are the smallest and largest value asked for?
    pub extremes: bool,
}

/// A counter whose growth is a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedCounter {
    pub at: usize,
    pub most_per_sec: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The columns to read. The first are `ts`, `elapsed_s` and `phase`.
    pub needed: Vec<&'static str>,
    /// The places of the entity columns.
    pub entities: Vec<usize>,
    pub columns: Vec<PlannedColumn>,
    pub counters: Vec<PlannedCounter>,
    pub quotients: Vec<Quotient>,
}

impl Plan {
    /// `names`: the columns of the result. `is_one_row`: an interval has one row per entity at most, so all columns are
    /// taken as they are.
    pub fn new(table: &TableDef, names: &[&'static str], is_one_row: bool, extremes: bool) -> Plan {
        let mut plan = Plan { needed: vec![TS, ELAPSED_S, PHASE], ..Plan::default() };
        plan.entities = table.entities().map(|column| plan.need(column.name)).collect();
        for name in names {
            let Some(column) = table.stored.iter().find(|c| c.name == *name && c.kind != Kind::Entity) else {
                continue;
            };
            let how = if is_one_row { How::Last } else { plan.how(table, column) };
            let extremes = extremes && how != How::Last && column.kind.is_metric();
            let at = plan.need(column.name);
            plan.columns.push(PlannedColumn { name: column.name, at, how, ty: column.ty, extremes });
        }
        plan
    }

    /// The place of a column that is read.
    pub fn need(&mut self, name: &'static str) -> usize {
        self.needed.iter().position(|needed| *needed == name).unwrap_or_else(|| {
            self.needed.push(name);
            self.needed.len() - 1
        })
    }

    fn how(&mut self, table: &TableDef, column: &StoredColumn) -> How {
        match (column.kind, &column.weight) {
            (Kind::Entity | Kind::Label | Kind::Counter, _) => How::Last,
            (Kind::Amount, _) => How::Sum,
            (Kind::Gauge | Kind::Interval, Weight::Row | Weight::Elapsed) => How::Mean(Weigh::Elapsed),
            (_, Weight::Count(name)) => How::Mean(Weigh::Count(self.need(name))),
            (_, Weight::Growth(names)) => {
                let below = names.iter().map(|name| self.counter(table, name)).collect();
                let above = above(table, column).map(|(names, formula)| Dividend {
                    of: names.iter().map(|name| self.counter(table, name)).collect(),
                    factor: formula.factor,
                    cap: formula.cap,
                });
                self.quotients.push(Quotient { below, above });
                How::Mean(Weigh::Quotient(self.quotients.len() - 1))
            }
        }
    }

    fn counter(&mut self, table: &TableDef, name: &'static str) -> usize {
        let at = self.need(name);
        self.counters.iter().position(|counter| counter.at == at).unwrap_or_else(|| {
            let raw = table.raw.iter().find(|raw| raw.name == name);
            let most_per_sec = raw.map_or(f64::INFINITY, |raw: &RawColumn| raw.most_per_sec);
            self.counters.push(PlannedCounter { at, most_per_sec });
            self.counters.len() - 1
        })
    }
}
