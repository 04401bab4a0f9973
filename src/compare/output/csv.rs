//! One line per metric, for programs.

use std::fmt::Write;

use crate::compare::comparison::{Compared, Comparison};

const HEAD: &str = "metric,unit,better,gated,verdict,base,new,relative,relative_low,relative_high,absolute,absolute_low,\
                    absolute_high,p,p_exact,p_adjusted,min_rel,min_abs,noise,advisory,more_runs,base_runs,new_runs\n";

pub fn csv(comparison: &Comparison) -> String {
    let mut out = HEAD.to_string();
    for metric in &comparison.metrics {
        let _ = writeln!(out, "{}", fields(metric).join(","));
    }
    out
}

fn fields(metric: &Compared) -> Vec<String> {
    let number = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    let low = |pair: Option<(f64, f64)>| number(pair.map(|(low, _)| low));
    let high = |pair: Option<(f64, f64)>| number(pair.map(|(_, high)| high));
    let count = |values: &[Option<f64>]| values.iter().flatten().count().to_string();
    let judged = &metric.judged;
    vec![
        quoted(&metric.metric),
        quoted(metric.unit),
        metric.better.unwrap_or_default().into(),
        metric.gated.to_string(),
        metric.verdict.to_string(),
        number(judged.base),
        number(judged.new),
        number(judged.relative),
        low(judged.relative_95),
        high(judged.relative_95),
        number(judged.absolute),
        low(judged.absolute_95),
        high(judged.absolute_95),
        number(judged.p),
        number(judged.p_exact),
        number(judged.p_adjusted),
        metric.threshold.min_rel.to_string(),
        metric.threshold.min_abs.to_string(),
        number(metric.threshold.noise),
        judged.advisory.to_string(),
        metric.more_runs.map_or_else(String::new, |n| n.to_string()),
        count(&metric.base_values),
        count(&metric.new_values),
    ]
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}
