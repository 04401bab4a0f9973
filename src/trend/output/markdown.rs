//! Markdown for a comment or a page.

use std::fmt::Write;

use super::words;
use crate::compare::output::figures::probability;
use crate::report::markdown::escape;
use crate::text::printable::printable;
use crate::text::sparkline::sparkline;
use crate::trend::judge::{Metric, Size};
use crate::trend::model::Trend;

/// Most rows of a table: a comment on GitHub may have 65,536 characters.
const MOST_ROWS: usize = 100;
/// Most characters of a series.
const SERIES: usize = 40;
/// Most characters of a sentence; names from recordings may be long.
const MOST_OF_LINE: usize = 1000;
/// Most places that are shown.
const MOST_PLACES: usize = 20;

pub fn markdown(trend: &Trend) -> String {
    let mut out = format!("### {}\n\n{}\n", line(&words::conclusion(trend)), line(&words::heading(trend)));
    let shown: Vec<&Metric> = trend.metrics.iter().filter(|metric| metric.is_shown()).collect();
    if !shown.is_empty() {
        out.push_str("\n| metric | series | |\n|---|---|---|\n");
        for metric in shown.iter().take(MOST_ROWS) {
            let marks: Vec<usize> = metric.changes.iter().map(|change| change.at).collect();
            let series = sparkline(&metric.values, &marks, SERIES);
            let _ = writeln!(out, "| {} | `{series}` | {} |", name(metric), words::outcome(metric.outcome));
        }
    }
    for place in trend.places.iter().take(MOST_PLACES) {
        let _ = writeln!(out, "\n#### {}\n", line(&words::between(trend, place)));
        for fact in words::range(trend, place).into_iter().chain(words::differences(place)) {
            let _ = writeln!(out, "- {}", line(&fact));
        }
        let changes = trend.at(place).into_iter().filter_map(|metric| {
            let change = metric.changes.iter().find(|change| change.at == place.at)?;
            Some((metric, &change.size))
        });
        table(&mut out, changes);
    }
    let drifts: Vec<(&Metric, &Size)> =
        trend.metrics.iter().filter_map(|metric| Some((metric, &metric.drift.as_ref()?.size))).collect();
    if !drifts.is_empty() {
        out.push_str("\n#### drift, from the first to the last point\n");
        table(&mut out, drifts.into_iter());
    }
    if trend.places.len() > MOST_PLACES {
        let _ = writeln!(out, "\n{} more places are not shown.", trend.places.len() - MOST_PLACES);
    }
    if !trend.notes.is_empty() {
        out.push('\n');
    }
    for note in &trend.notes {
        let _ = writeln!(out, "- {}", line(note));
    }
    out
}

fn table<'m>(out: &mut String, sizes: impl Iterator<Item = (&'m Metric, &'m Size)>) {
    /// In each place, so that all fit.
    const MOST: usize = 20;
    out.push_str("\n| metric | before | after | change | 95 % interval | p | |\n|---|--:|--:|--:|--:|--:|---|\n");
    let mut left = 0;
    for (n, (metric, size)) in sizes.enumerate() {
        if n >= MOST {
            left += 1;
            continue;
        }
        let change = words::figures_of(size, metric);
        let cells = [
            name(metric),
            words::value(size.before, metric),
            words::value(size.after, metric),
            change.size(),
            change.interval(),
            probability(size.p),
            size.verdict.word().into(),
        ];
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    if left > 0 {
        let _ = writeln!(out, "\n{left} more metrics are not shown.");
    }
}

fn name(metric: &Metric) -> String {
    const MOST: usize = 100;
    let shown: String = printable(&metric.metric).chars().take(MOST).collect();
    format!("`{}`", shown.replace(['`', '|'], "_"))
}

/// Text that a name from a recording cannot turn into markup.
fn line(text: &str) -> String {
    let shown: String = text.chars().take(MOST_OF_LINE).collect();
    let more = if shown.len() < text.len() { " ..." } else { "" };
    escape(&printable(&shown)).replace('@', "\\@") + more
}
