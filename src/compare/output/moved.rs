//! What changed along with what decides: hints where to look next.

use std::collections::BTreeSet;

use super::words::change;
use crate::compare::comparison::{Compared, Comparison};
use crate::compare::judge::Verdict;

/// The most tables that are named.
const MOST: usize = 4;

/// `command.wall_s +12 %: command.cpu_s unchanged; also changed: disk.write_latency_ms +80 %`
pub fn moved(comparison: &Comparison) -> Option<String> {
    let has_changed =
        |metric: &&Compared| matches!(metric.verdict, Verdict::Regressed | Verdict::Improved | Verdict::Changed);
    let decided = || comparison.metrics.iter().filter(|metric| metric.gated && has_changed(metric));
    let is_wall = |metric: &&Compared| metric.metric.ends_with(".wall_s");
    let about = decided().find(is_wall).or_else(|| decided().next())?;
    let mut others: Vec<&Compared> =
        comparison.metrics.iter().filter(|metric| !metric.gated && has_changed(metric)).collect();
    let p = |metric: &Compared| metric.judged.p_adjusted.unwrap_or(1.0);
    others.sort_by(|a, b| p(a).total_cmp(&p(b)).then(b.size().total_cmp(&a.size())));
    let mut tables = BTreeSet::new();
    let hints = others.into_iter().filter(|metric| tables.insert(table(metric))).take(MOST);
    let hints: Vec<String> = hints.map(|metric| format!("{} {}", metric.metric, change(metric))).collect();
    let cpu = comparison.metrics.iter().find(|metric| is_wall(&about) && metric.metric == "command.cpu_s");
    let cpu = cpu.map(|metric| match metric.verdict {
        Verdict::Unchanged | Verdict::Inconclusive => format!("{} {}", metric.metric, metric.verdict),
        _ => format!("{} {}", metric.metric, change(metric)),
    });
    let hints = (!hints.is_empty()).then(|| format!("also changed: {}", hints.join(", ")));
    let parts: Vec<String> = cpu.into_iter().chain(hints).collect();
    (!parts.is_empty()).then(|| format!("{} {}: {}", about.metric, change(about), parts.join("; ")))
}

/// The columns of a table often change together.
fn table(metric: &Compared) -> &str {
    metric.metric.split(['.', '[']).next().unwrap_or(&metric.metric)
}
