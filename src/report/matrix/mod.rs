//! Figures next to each other: one row per metric, and one column per phase or recording.

pub mod csv;
mod phases;
mod sides;

use serde::{Serialize, Serializer};

use crate::query::entities::Label;
use crate::table::{Kind, Unit};

pub use phases::by_phase;
pub use sides::side_by_side;

/// Tables of such rows.
#[derive(Debug, Default, Serialize)]
pub struct Matrix {
    /// What the columns are of, in their order.
    pub columns: Vec<String>,
    pub tables: Vec<MatrixTable>,
}

#[derive(Debug, Serialize)]
pub struct MatrixTable {
    pub table: &'static str,
    pub source: &'static str,
    pub entities: Vec<MatrixEntity>,
    /// Of perf events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ratios: Vec<MatrixRatio>,
}

#[derive(Debug, Serialize)]
pub struct MatrixEntity {
    pub labels: Vec<Label>,
    pub metrics: Vec<MatrixRow>,
}

/// One metric of one entity.
#[derive(Debug, Serialize)]
pub struct MatrixRow {
    #[serde(rename = "metric")]
    pub name: &'static str,
    #[serde(serialize_with = "word")]
    pub kind: Kind,
    #[serde(serialize_with = "unit_word")]
    pub unit: Unit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_unit: Option<String>,
    /// A rate or share is derived from this counter.
    #[serde(skip)]
    pub has_derived: bool,
    /// One per column; null where the metric has no row.
    pub values: Vec<Option<Cell>>,
    /// One per column: how much it differs from the first. Only of recordings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Option<Change>>,
}

/// The figures of a metric in one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cell {
    pub count: usize,
    /// As a report has it: weighted as the column declares. None for counters.
    pub mean: Option<f64>,
    /// Growth of a counter, sum of amounts.
    pub total: Option<f64>,
    pub per_sec: Option<f64>,
}

impl Cell {
    /// The figure that is shown: the rate of counters and amounts, the mean of everything else.
    pub fn value(&self, kind: Kind) -> Option<f64> {
        match kind {
            Kind::Counter | Kind::Amount => self.per_sec,
            _ => self.mean,
        }
    }
}

/// A difference to the first column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    pub difference: f64,
    /// In percent of the first; null if that is zero.
    pub percent: Option<f64>,
}

impl Change {
    pub fn of(base: f64, new: f64) -> Change {
        let percent = (base != 0.0).then(|| 100.0 * (new - base) / base.abs());
        Change { difference: new - base, percent }
    }
}

/// A ratio of two perf events.
#[derive(Debug, Serialize)]
pub struct MatrixRatio {
    pub ratio: &'static str,
    pub labels: Vec<Label>,
    pub unit: &'static str,
    /// One per column.
    pub values: Vec<Option<f64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Option<Change>>,
}

impl MatrixRow {
    pub fn unit_word(&self) -> &str {
        self.event_unit.as_deref().unwrap_or(self.unit.word())
    }

    /// The figure of each column.
    pub fn shown(&self) -> impl Iterator<Item = Option<f64>> {
        self.values.iter().map(|cell| cell.as_ref()?.value(self.kind))
    }
}

fn word<S: Serializer>(kind: &Kind, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(kind)
}

fn unit_word<S: Serializer>(unit: &Unit, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(unit.word())
}
