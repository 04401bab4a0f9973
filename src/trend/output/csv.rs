//! One line per change, for programs.

use std::fmt::Write;

use crate::report::csv::field;
use crate::trend::judge::{Metric, Size};
use crate::trend::model::Trend;

const HEAD: &str = "metric,unit,better,gated,shape,verdict,at,previous,point,started,earliest,latest,before,after,relative,\
                    relative_low,relative_high,absolute,absolute_low,absolute_high,p,p_of_metric,p_adjusted,autocorrelation\n";

/// Metrics without a change have no line.
pub fn csv(trend: &Trend) -> String {
    let mut out = HEAD.to_string();
    for metric in &trend.metrics {
        for change in &metric.changes {
            let place = [change.at, change.earliest, change.latest];
            let _ = writeln!(out, "{}", fields(trend, metric, "step", Some(place), &change.size).join(","));
        }
        if let Some(drift) = &metric.drift {
            let _ = writeln!(out, "{}", fields(trend, metric, "drift", None, &drift.size).join(","));
        }
    }
    out
}

/// `place`: where the step is, the earliest and the latest.
fn fields(trend: &Trend, metric: &Metric, shape: &str, place: Option<[usize; 3]>, size: &Size) -> Vec<String> {
    let number = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    let index = |n: usize| place.map_or_else(String::new, |place| place[n].to_string());
    let point = |back: usize| place.and_then(|[at, ..]| trend.points.get(at.checked_sub(back)?));
    vec![
        field(&metric.metric),
        field(metric.unit),
        metric.better.unwrap_or_default().into(),
        metric.gated.to_string(),
        shape.into(),
        size.verdict.word().into(),
        index(0),
        point(1).map_or_else(String::new, |point| field(&point.name)),
        point(0).map_or_else(String::new, |point| field(&point.name)),
        point(0).and_then(|point| point.started.clone()).unwrap_or_default(),
        index(1),
        index(2),
        size.before.to_string(),
        size.after.to_string(),
        number(size.relative),
        number(size.relative_95.map(|(low, _)| low)),
        number(size.relative_95.map(|(_, high)| high)),
        size.absolute.to_string(),
        size.absolute_95.0.to_string(),
        size.absolute_95.1.to_string(),
        size.p.to_string(),
        number(metric.p),
        number(metric.p_adjusted),
        number(metric.autocorrelation),
    ]
}
