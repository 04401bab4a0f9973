//! Figures and sentences that several forms share.

use crate::compare::comparison::{Compared, Comparison};
use crate::compare::judge::Verdict;
use crate::compare::output::figures::{self, Change};
use crate::table::human::scaled;
use crate::text::words::count;

/// The mean of a side; a dash where it has none.
pub fn value(v: Option<f64>, metric: &Compared) -> String {
    v.map_or_else(|| "-".into(), |v| scaled(v, metric.facts.unit))
}

/// `+13 %`; in the unit of the metric if the baseline is near zero, where a percentage says nothing.
pub fn change(metric: &Compared) -> String {
    of(metric).size()
}

/// `+20 % (+17…+23)`
pub fn change_with_bounds(metric: &Compared) -> String {
    of(metric).with_bounds()
}

/// `+10 … +15 %`
pub fn interval(metric: &Compared) -> String {
    of(metric).interval()
}

fn of(metric: &Compared) -> Change {
    let judged = &metric.judged;
    Change {
        base: judged.base,
        relative: judged.relative,
        relative_95: judged.relative_95,
        absolute: judged.absolute,
        absolute_95: judged.absolute_95,
        min_abs: metric.threshold.min_abs,
        unit: metric.facts.unit,
    }
}

/// `0.012`, `< 0.001`
pub fn p(metric: &Compared) -> String {
    metric.judged.p_adjusted.map_or_else(String::new, figures::probability)
}

/// The verdict; marked if it decides nothing.
pub fn verdict(metric: &Compared) -> String {
    let is_marked = metric.judged.advisory && metric.verdict != Verdict::Inconclusive;
    format!("{}{}", metric.verdict, if is_marked { " (advisory)" } else { "" })
}

/// The verdict, and what would decide an inconclusive one.
pub fn verdict_with_runs(metric: &Compared) -> String {
    let verdict = verdict(metric);
    match metric.more_runs {
        Some(more) => format!("{verdict} ({} per side may decide)", count(more as u64, "more run")),
        None => verdict,
    }
}

/// How many more runs may decide the gated metrics that are inconclusive.
pub fn more_runs(comparison: &Comparison) -> Option<String> {
    let undecided = comparison.metrics.iter().filter(|metric| metric.is_undecided());
    let needed: Vec<String> =
        undecided.filter_map(|metric| Some(format!("{} for {}", metric.more_runs?, metric.metric))).collect();
    (!needed.is_empty()).then(|| format!("more runs per side that would probably decide: {}", needed.join(", ")))
}

/// The first sentence: what was compared.
pub fn heading(comparison: &Comparison) -> String {
    let side = |side: &crate::compare::comparison::SideFacts| {
        let left_out =
            if side.left_out.is_empty() { String::new() } else { format!(", {} left out", side.left_out.len()) };
        format!("{} ({}{left_out})", side.name, count(side.recordings.len() as u64, "run"))
    };
    format!("base: {}, new: {}", side(&comparison.base), side(&comparison.new))
}

/// One line per fact that differs.
pub fn mismatches(comparison: &Comparison) -> Vec<String> {
    let line = |m: &crate::compare::mismatch::Mismatch| {
        format!("{} differs: {} in base, {} in new", m.fact, m.base.join(" and "), m.new.join(" and "))
    };
    comparison.mismatches.iter().map(line).collect()
}

/// What the comparison comes to, in one sentence.
pub fn conclusion(comparison: &Comparison) -> String {
    let gated: Vec<&Compared> = comparison.metrics.iter().filter(|metric| metric.gated).collect();
    let is_sure = |metric: &&&Compared| !metric.judged.advisory || metric.verdict == Verdict::Inconclusive;
    let sure = || gated.iter().filter(is_sure);
    let with = |verdict: Verdict| sure().filter(|metric| metric.verdict == verdict).copied().collect::<Vec<_>>();
    let advisory: Vec<&Compared> = gated.iter().filter(|metric| !is_sure(metric)).copied().collect();
    let named = |metrics: &[&Compared]| {
        metrics
            .iter()
            .map(|metric| format!("{} {}", metric.metric, change_with_bounds(metric)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let names = |metrics: &[&Compared]| metrics.iter().map(|m| m.metric.as_str()).collect::<Vec<_>>().join(", ");
    let (regressed, improved) = (with(Verdict::Regressed), with(Verdict::Improved));
    let undecided = with(Verdict::Inconclusive);
    let mut parts = Vec::new();
    if !regressed.is_empty() {
        parts.push(format!("regressed: {}", named(&regressed)));
    }
    if !improved.is_empty() {
        parts.push(format!("improved: {}", named(&improved)));
    }
    let changed = with(Verdict::Changed);
    if !changed.is_empty() {
        parts.push(format!("changed: {}", named(&changed)));
    }
    for (verdict, of) in [("removed", with(Verdict::Removed)), ("added", with(Verdict::Added))] {
        if !of.is_empty() {
            parts.push(format!("{verdict}: {}", names(&of)));
        }
    }
    if !undecided.is_empty() {
        parts.push(format!("inconclusive: {}", names(&undecided)));
    }
    if !advisory.is_empty() {
        parts.push(format!("too few runs to decide: {}", named(&advisory)));
    }
    if !comparison.missing.is_empty() {
        parts.push(format!("missing on both sides: {}", comparison.missing.join(", ")));
    }
    if !comparison.incomparable.is_empty() {
        parts.push(format!("not comparable: {}", comparison.incomparable.join(", ")));
    }
    match (gated.is_empty(), parts.is_empty()) {
        (true, true) => "no metric decides; choose some with --metric, or in a gate file".into(),
        (_, true) => "unchanged: no gated metric differs by more than what matters".into(),
        _ => parts.join("; "),
    }
}

/// How many of the other metrics have each verdict: `250 unchanged, 62 inconclusive`.
pub fn rest(metrics: &[&Compared]) -> String {
    let verdicts = [
        Verdict::Unchanged,
        Verdict::Inconclusive,
        Verdict::Added,
        Verdict::Removed,
        Verdict::Regressed,
        Verdict::Improved,
        Verdict::Changed,
    ];
    let counted = verdicts.map(|verdict| (metrics.iter().filter(|metric| metric.verdict == verdict).count(), verdict));
    let words = counted.iter().filter(|(n, _)| *n > 0).map(|(n, verdict)| format!("{n} {verdict}"));
    words.collect::<Vec<_>>().join(", ")
}

/// Those that people see first: the gated ones, and others that differ.
pub fn is_shown(metric: &Compared) -> bool {
    metric.gated || matches!(metric.verdict, Verdict::Regressed | Verdict::Improved | Verdict::Changed)
}
