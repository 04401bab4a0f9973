//! For people on a terminal.

use super::words;
use crate::text::grid::{Align, Grid, columns, wrap};
use crate::text::printable::printable;
use crate::text::sparkline::sparkline;
use crate::trend::judge::{Metric, Outcome, Size, Verdict};
use crate::trend::model::Trend;
use crate::trend::places::Place;

/// `all`: also metrics that did not change.
pub fn text(trend: &Trend, width: usize, all: bool) -> String {
    let mut out = String::new();
    say(&mut out, &words::heading(trend), 0, width);
    let (shown, rest): (Vec<&Metric>, Vec<&Metric>) = trend.metrics.iter().partition(|metric| all || metric.is_shown());
    if !shown.is_empty() {
        out.push('\n');
        out.push_str(&overview(&shown, width));
    }
    if !rest.is_empty() {
        say(&mut out, &format!("{} more metrics: {} (--all shows them)", rest.len(), words::counts(&rest)), 0, width);
    }
    for place in &trend.places {
        out.push('\n');
        out.push_str(&section(trend, place, width));
    }
    let drifting: Vec<&Metric> = shown.iter().filter(|metric| metric.outcome == Outcome::Drifts).copied().collect();
    if !drifting.is_empty() {
        out.push_str("\ndrift, from the first to the last point\n");
        let sizes = drifting.iter().filter_map(|metric| Some((*metric, &metric.drift.as_ref()?.size)));
        out.push_str(&table(sizes, width));
    }
    out.push('\n');
    for note in &trend.notes {
        say(&mut out, &format!("note: {note}"), 0, width);
    }
    say(&mut out, &words::conclusion(trend), 0, width);
    out
}

fn say(out: &mut String, line: &str, indent: usize, width: usize) {
    wrap(out, &printable(line), indent, width);
}

/// Each metric with its series.
fn overview(metrics: &[&Metric], width: usize) -> String {
    use Align::{Left, Right};
    const NARROWEST: usize = 12;
    const WIDEST: usize = 100;
    let ends = |metric: &Metric| {
        let known = || metric.values.iter().flatten().copied();
        let ends = known().reduce(f64::min).zip(known().reduce(f64::max));
        ends.map_or(Default::default(), |(least, most)| (words::value(least, metric), words::value(most, metric)))
    };
    let rows: Vec<[String; 4]> = metrics
        .iter()
        .map(|metric| {
            let (least, most) = ends(metric);
            [printable(&metric.metric).into_owned(), least, most, words::outcome(metric.outcome).into()]
        })
        .collect();
    let head = ["metric", "least", "most", ""];
    let wide = |n: usize| rows.iter().map(|row| columns(&row[n])).chain([columns(head[n])]).max().unwrap_or(0);
    let taken: usize = (0..4).map(|n| wide(n) + 2).sum();
    let room = width.saturating_sub(taken).clamp(NARROWEST, WIDEST);
    let mut grid = Grid::new([Left, Right, Right, Left, Left]);
    grid.row(["metric", "least", "most", "series", ""]);
    for (n, (metric, [name, least, most, outcome])) in metrics.iter().zip(rows).enumerate() {
        if n > 0 && !metric.gated && metrics[n - 1].gated {
            grid.line("");
        }
        let marks: Vec<usize> = metric.changes.iter().map(|change| change.at).collect();
        grid.row([name, least, most, sparkline(&metric.values, &marks, room), outcome]);
    }
    grid.text(width)
}

/// What changed at a place, and what else did.
fn section(trend: &Trend, place: &Place, width: usize) -> String {
    let mut out = String::new();
    say(&mut out, &words::between(trend, place), 0, width);
    let lines = words::range(trend, place).into_iter().chain(words::differences(place));
    lines.for_each(|line| say(&mut out, &line, 2, width));
    let changes = trend.at(place).into_iter().filter_map(|metric| {
        let change = metric.changes.iter().find(|change| change.at == place.at)?;
        Some((metric, &change.size))
    });
    out.push_str(&table(changes, width));
    out
}

/// Narrower terminals have no column of p values.
const WIDE: usize = 100;

fn table<'m>(sizes: impl Iterator<Item = (&'m Metric, &'m Size)>, width: usize) -> String {
    use Align::{Left, Right};
    let is_wide = width >= WIDE;
    let p = |p: String| if is_wide { p } else { String::new() };
    let mut grid = Grid::new([Left, Right, Right, Right, Right, Left]).indent(2);
    grid.row(["metric", "before", "after", "change (95 %)", &p("p".into()), ""]);
    for (metric, size) in sizes {
        grid.row([
            printable(&metric.metric).into_owned(),
            words::value(size.before, metric),
            words::value(size.after, metric),
            words::size(size, metric),
            p(crate::compare::output::figures::probability(size.p)),
            if size.verdict == Verdict::Changed { String::new() } else { size.verdict.word().into() },
        ]);
    }
    grid.text(width)
}
