//! How to look for changes, and the result: plain values, of which every form of output is made.

use serde::Serialize;

use super::judge::Metric;
use super::places::Place;
use super::point::{Order, Point};
use crate::compare::gate::{Gate, Scope};

/// How to look.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    pub order_by: Order,
    /// Smaller relative changes do not matter.
    pub min_rel: f64,
    /// If any are named, only these metrics are looked at, and each is shown.
    pub metrics: Vec<String>,
    /// Otherwise, the metrics that are gated.
    pub gate: Option<Gate>,
    /// What is looked at of each recording.
    pub scope: Scope,
}

/// The result.
#[derive(Debug, Serialize)]
pub struct Trend {
    /// The format of the JSON.
    pub version: u32,
    pub settings: Settings,
    /// In order.
    pub points: Vec<PointFacts>,
    /// Recordings that do not count, and why.
    pub left_out: Vec<String>,
    /// What limits the conclusions, for people.
    pub notes: Vec<String>,
    /// Where metrics change, in order.
    pub places: Vec<Place>,
    /// Gated ones first, those that changed before the others, by name.
    pub metrics: Vec<Metric>,
}

/// A point in the result.
#[derive(Debug, Serialize)]
pub struct PointFacts {
    pub name: String,
    pub recordings: Vec<String>,
    /// RFC 3339, of the first recording.
    pub started: Option<String>,
    /// The tag by which the points are ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl PointFacts {
    pub fn of(point: &Point, order: &Order) -> PointFacts {
        PointFacts {
            name: point.name.clone(),
            recordings: point.runs.iter().map(|run| run.path.display().to_string()).collect(),
            started: point.started().map(str::to_string),
            tag: order.tag().and_then(|key| point.tag(key)).map(str::to_string),
        }
    }
}

impl Trend {
    /// The metrics that change at a place, as there.
    pub fn at(&self, place: &Place) -> Vec<&Metric> {
        self.metrics.iter().filter(|metric| place.metrics.contains(&metric.metric)).collect()
    }
}
