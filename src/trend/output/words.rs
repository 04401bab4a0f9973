//! Figures and sentences that several forms share.

use crate::compare::output::figures;
use crate::table::human::scaled;
use crate::text::words::count;
use crate::trend::difference::{Difference, Kind};
use crate::trend::judge::{Metric, Outcome, Size, Verdict};
use crate::trend::model::Trend;
use crate::trend::places::Place;
use crate::trend::point::Order;

/// The first sentence: what was looked at.
pub fn heading(trend: &Trend) -> String {
    let recordings: usize = trend.points.iter().map(|point| point.recordings.len()).sum();
    let points = count(trend.points.len() as u64, "point");
    let of = if recordings == trend.points.len() { String::new() } else { format!(" of {recordings} recordings") };
    let order = match &trend.settings.order_by {
        Order::Time => "by time".to_string(),
        Order::Given => "in the order given".into(),
        Order::Tag(key) => format!("by tag {key}"),
    };
    let left_out =
        if trend.left_out.is_empty() { String::new() } else { format!("; {} left out", trend.left_out.len()) };
    let ends = match trend.points.len() {
        0 => String::new(),
        1 => format!(": {}", point(trend, 0)),
        n => format!(": {} to {}", point(trend, 0), point(trend, n - 1)),
    };
    format!("{points}{of} {order}{ends}{left_out}")
}

/// `night-17 (2026-10-17 03:00)`
pub fn point(trend: &Trend, n: usize) -> String {
    let Some(point) = trend.points.get(n) else { return String::new() };
    let tag = point.tag.as_ref().map(|tag| format!("{} {tag}", trend.settings.order_by.tag().unwrap_or("tag")));
    let time = point.started.as_deref().map(|started| {
        let minutes: String = started.chars().take("2026-10-17T03:00".len()).collect();
        minutes.replace('T', " ")
    });
    match tag.or(time) {
        Some(more) => format!("{} ({more})", point.name),
        None => point.name.clone(),
    }
}

/// `between A and B`
pub fn between(trend: &Trend, place: &Place) -> String {
    format!("between {} and {}", point(trend, place.at.saturating_sub(1)), point(trend, place.at))
}

/// Where else the change may be; None if nowhere.
pub fn range(trend: &Trend, place: &Place) -> Option<String> {
    let (after, by) = (place.earliest.saturating_sub(1), place.latest);
    let name = |n: usize| trend.points.get(n).map_or("", |point| point.name.as_str());
    let is_exact = (place.earliest, place.latest) == (place.at, place.at);
    (!is_exact).then(|| format!("with a probability of 95 %: after {}, and by {}", name(after), name(by)))
}

/// `environment: kernel 6.1.0 → 6.8.0`, a line per kind.
pub fn differences(place: &Place) -> Vec<String> {
    let of_kind = |kind: Kind, all: &[Difference]| {
        let shown: Vec<String> = all.iter().filter(|d| d.kind == kind).map(difference).collect();
        (!shown.is_empty()).then(|| shown.join("; "))
    };
    let kinds = [Kind::Environment, Kind::Recorder, Kind::Program];
    let here =
        kinds.into_iter().filter_map(|kind| Some(format!("{}: {}", kind.word(), of_kind(kind, &place.differences)?)));
    let nearby = of_kind(Kind::Environment, &place.nearby).map(|facts| format!("environment, nearby: {facts}"));
    let lines: Vec<String> = here.chain(nearby).collect();
    if lines.is_empty() { vec!["no recorded fact differs".into()] } else { lines }
}

fn difference(difference: &Difference) -> String {
    const MOST: usize = 60;
    let values = |values: &[String]| {
        let text = if values.is_empty() { "none".into() } else { values.join(" and ") };
        let more = if text.chars().nth(MOST).is_some() { "..." } else { "" };
        text.chars().take(MOST).collect::<String>() + more
    };
    format!("{} {} → {}", difference.fact, values(&difference.before), values(&difference.after))
}

pub fn value(v: f64, metric: &Metric) -> String {
    scaled(v, metric.facts.unit)
}

/// `+20 % (+17…+23)`
pub fn size(size: &Size, metric: &Metric) -> String {
    figures_of(size, metric).with_bounds()
}

pub fn figures_of(size: &Size, metric: &Metric) -> figures::Change {
    figures::Change {
        base: Some(size.before),
        relative: size.relative,
        relative_95: size.relative_95,
        absolute: Some(size.absolute),
        absolute_95: Some(size.absolute_95),
        min_abs: metric.min_abs,
        unit: metric.facts.unit,
    }
}

pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Changed => "changed",
        Outcome::Drifts => "drifts",
        Outcome::Small => "small change",
        Outcome::Flat => "flat",
        Outcome::TooFew => "too few",
    }
}

/// How many of the metrics have each outcome: `250 flat, 3 too few`.
pub fn counts(metrics: &[&Metric]) -> String {
    let all = [Outcome::Flat, Outcome::Small, Outcome::TooFew, Outcome::Changed, Outcome::Drifts];
    let counted = all.map(|of| (metrics.iter().filter(|metric| metric.outcome == of).count(), of));
    let words = counted.iter().filter(|(n, _)| *n > 0).map(|(n, of)| format!("{n} {}", outcome(*of)));
    words.collect::<Vec<_>>().join(", ")
}

/// What it comes to, in one sentence: the changes of the metrics that are gated or were asked for.
pub fn conclusion(trend: &Trend) -> String {
    let mut parts = Vec::new();
    for verdict in [Verdict::Regressed, Verdict::Improved, Verdict::Changed] {
        let mut changes = Vec::new();
        for metric in trend.metrics.iter().filter(|metric| metric.gated) {
            for change in metric.changes.iter().filter(|change| change.size.verdict == verdict) {
                let name = trend.points.get(change.at).map_or("", |point| point.name.as_str());
                changes.push(format!("{} {} from {name} on", metric.metric, figures_of(&change.size, metric).size()));
            }
            for drift in metric.drift.iter().filter(|drift| drift.size.verdict == verdict) {
                changes.push(format!("{} {} in a drift", metric.metric, figures_of(&drift.size, metric).size()));
            }
        }
        if !changes.is_empty() {
            parts.push(format!("{}: {}", verdict.word(), changes.join(", ")));
        }
    }
    let gated = trend.metrics.iter().filter(|metric| metric.gated);
    let tested = gated.clone().filter(|metric| metric.outcome != Outcome::TooFew).count();
    match (parts.is_empty(), gated.count(), tested) {
        (false, ..) => parts.join("; "),
        (true, 0, _) => "no metric is gated: choose some with --metric".into(),
        (true, _, 0) => "too few points to find a change".into(),
        _ => "no gated metric changed by more than what matters".into(),
    }
}
