//! Where metrics change: those that change at the same place, with what differs there.

use std::collections::BTreeMap;

use serde::Serialize;

use super::difference::{Difference, Kind, differences};
use super::judge::{Metric, Outcome};
use super::point::Point;

/// Between two neighbouring points.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// The index of the first point after it.
    pub at: usize,
    /// The names of the metrics that change here, and are shown.
    pub metrics: Vec<String>,
    /// Between the two points.
    pub differences: Vec<Difference>,
    /// Facts about the machine that also differ within the range in which the changes may be.
    pub nearby: Vec<Difference>,
    /// The first and last point at which any of the changes may be, included.
    pub earliest: usize,
    pub latest: usize,
}

/// The places of all changes of metrics that are shown.
pub fn places(metrics: &[Metric], points: &[Point]) -> Vec<Place> {
    let mut found: BTreeMap<usize, Vec<(&Metric, usize, usize)>> = BTreeMap::new();
    for metric in metrics.iter().filter(|metric| metric.outcome == Outcome::Changed) {
        for change in &metric.changes {
            found.entry(change.at).or_default().push((metric, change.earliest, change.latest));
        }
    }
    found
        .into_iter()
        .filter_map(|(at, changes)| {
            let earliest = changes.iter().map(|(_, earliest, _)| *earliest).max()?;
            let latest = changes.iter().map(|(.., latest)| *latest).min()?;
            // All metrics change at one place, so that it is where all can.
            let (earliest, latest) = (earliest.min(at), latest.max(at));
            let differences_between = |first: usize, last: usize| {
                Some(differences(&points.get(first.checked_sub(1)?)?.runs, &points.get(last)?.runs))
            };
            let here = differences_between(at, at)?;
            let around = differences_between(earliest, latest)?;
            let is_new = |difference: &Difference| {
                difference.kind == Kind::Environment && !here.iter().any(|known| known.fact == difference.fact)
            };
            Some(Place {
                at,
                metrics: changes.iter().map(|(metric, ..)| metric.metric.clone()).collect(),
                nearby: around.into_iter().filter(is_new).collect(),
                differences: here,
                earliest,
                latest,
            })
        })
        .collect()
}
