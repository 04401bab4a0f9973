//! What all sections of metrics need: which metrics are shown, and how their values are written.

use super::Options;
use crate::query::number::Number;
use crate::report::model::{Entity, Metric};
use crate::table::Kind;
use crate::table::human::scaled;
use crate::text::words;

/// All metrics except counters that are shown by their rate or share.
pub fn shown<'e>(entity: &'e Entity, options: Options<'_>) -> impl Iterator<Item = &'e Metric> {
    let Options { all, chosen, .. } = options;
    entity.metrics.iter().filter(move |m| all || chosen || m.kind != Kind::Counter || !m.has_derived)
}

pub fn is_zero(m: &Metric) -> bool {
    m.stats.max.or(m.stats.total).is_none_or(|v| v.as_f64() == 0.0)
}

/// Is there only one value, or one difference of two values of a counter?
pub fn is_single(m: &Metric) -> bool {
    m.stats.count <= if m.kind == Kind::Counter { 2 } else { 1 }
}

pub fn no_value(mut names: Vec<&'static str>) -> Option<String> {
    let mut seen = Vec::new();
    names.retain(|n| {
        !seen.contains(n) && {
            seen.push(*n);
            true
        }
    });
    match names.len() {
        0 => None,
        1..=6 => Some(format!("no value: {}", names.join(", "))),
        n => Some(format!("{} without a value (--all names them)", words::count(n as u64, "metric"))),
    }
}

pub fn names(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_string()).collect()
}

/// The columns of percentiles.
pub fn percentile_names(options: Options<'_>) -> Vec<String> {
    match (options.percentiles, options.wide) {
        ([], true) => names(&["p50", "p95", "p99"]),
        ([], false) => names(&["p50", "p95"]),
        (asked, _) => asked.iter().map(|percentile| format!("p{percentile}")).collect(),
    }
}

pub fn value(v: Option<Number>, m: &Metric) -> String {
    v.map(|v| scaled(v.as_f64(), m.unit)).unwrap_or_default()
}
