//! What limits the conclusions, in words.

use super::difference::Kind;
use super::judge::{LEAST_POINTS, Outcome};
use super::model::Trend;
use super::places::Place;
use crate::text::words::count;

/// Above this, a series wanders so much that only large changes stand out.
const WANDERS: f64 = 0.6;

/// With fewer points, little can be found, and it is not known how much a series wanders.
const FEW: usize = 20;

/// `meaningless`: the number of metrics that do not mean the same in all recordings.
pub fn notes(trend: &Trend, meaningless: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let points = trend.points.len();
    if points < LEAST_POINTS {
        notes
            .push(format!("{} of {LEAST_POINTS} that are needed: nothing can be found", count(points as u64, "point")));
    } else if points < FEW {
        notes.push(format!("with {points} points only large changes can be found; 40 are better"));
    }
    if meaningless > 0 {
        let metrics = count(meaningless as u64, "metric");
        notes.push(format!("left out, because interval or perf events differ between recordings: {metrics}"));
    }
    for metric in trend.metrics.iter().filter(|metric| metric.gated && metric.outcome == Outcome::Flat) {
        let known = metric.autocorrelation.filter(|a| *a > WANDERS && points >= FEW);
        let Some(autocorrelation) = known else { continue };
        notes.push(format!(
            "{} wanders (each value depends on the previous ones by {autocorrelation:.1}), so only large changes of it can \
             be found",
            metric.metric
        ));
    }
    for metric in trend.metrics.iter().filter(|metric| metric.gated && !metric.far.is_empty()) {
        const MOST: usize = 5;
        let shown = metric.far.iter().take(MOST).filter_map(|n| Some(trend.points.get(*n)?.name.as_str()));
        let more = metric.far.len().saturating_sub(MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = shown.collect::<Vec<_>>().join(", ");
        notes.push(format!(
            "{} is far off its neighbours in {names}{more}: such values count as less far",
            metric.metric
        ));
    }
    notes.extend(trend.places.iter().filter_map(|place| machine(trend, place)));
    notes
}

/// A change of the machine explains a change of a metric as well as the program does.
fn machine(trend: &Trend, place: &Place) -> Option<String> {
    let facts = place.differences.iter().filter(|difference| difference.kind == Kind::Environment);
    let facts: Vec<&str> = facts.map(|difference| difference.fact.as_str()).collect();
    let name = trend.points.get(place.at).map(|point| point.name.as_str())?;
    let facts = (!facts.is_empty()).then(|| facts.join(", "))?;
    Some(format!("at {name} the environment changes too ({facts}), so its changes may not be of the program"))
}
