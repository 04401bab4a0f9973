//! OpenMetrics text: the relative change and the verdict of each metric, for a push gateway or a text file collector.

use std::fmt::Write;

use crate::compare::comparison::{Compared, Comparison};

pub fn openmetrics(comparison: &Comparison) -> String {
    let mut out = String::new();
    family(&mut out, comparison, "perfwatch_compare_base", "Mean of the runs of the baseline.", |m| m.judged.base);
    family(&mut out, comparison, "perfwatch_compare_new", "Mean of the runs of the new side.", |m| m.judged.new);
    family(&mut out, comparison, "perfwatch_compare_change_ratio", "New over base, minus one.", |m| m.judged.relative);
    family(&mut out, comparison, "perfwatch_compare_p", "Adjusted p value.", |m| m.judged.p_adjusted);
    let _ = writeln!(out, "# TYPE perfwatch_compare_verdict stateset\n# HELP perfwatch_compare_verdict The verdict.");
    for metric in &comparison.metrics {
        let (labels, verdict) = (labels(metric), metric.verdict);
        let _ = writeln!(out, "perfwatch_compare_verdict{{{labels},perfwatch_compare_verdict=\"{verdict}\"}} 1");
    }
    out.push_str("# EOF\n");
    out
}

fn family(out: &mut String, of: &Comparison, name: &str, help: &str, value: impl Fn(&Compared) -> Option<f64>) {
    let _ = writeln!(out, "# TYPE {name} gauge\n# HELP {name} {help}");
    for metric in &of.metrics {
        if let Some(v) = value(metric) {
            let _ = writeln!(out, "{name}{{{}}} {v}", labels(metric));
        }
    }
}

fn labels(metric: &Compared) -> String {
    let name = metric.metric.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("metric=\"{name}\",unit=\"{}\",gated=\"{}\"", metric.unit, metric.gated)
}
