//! A table for people on a terminal.

use super::moved::moved;
use super::words;
use crate::compare::comparison::{Compared, Comparison};
use crate::text::grid::{Align, Grid, wrap};
use crate::text::printable::printable;

/// `all`: also metrics that do not differ.
pub fn text(comparison: &Comparison, width: usize, all: bool) -> String {
    let mut out = String::new();
    let mut say = |line: &str| wrap(&mut out, &printable(line), 0, width);
    say(&words::heading(comparison));
    words::mismatches(comparison).iter().for_each(|line| say(line));
    let (shown, rest): (Vec<&Compared>, Vec<&Compared>) =
        comparison.metrics.iter().partition(|metric| all || words::is_shown(metric));
    if !shown.is_empty() {
        out.push('\n');
        out.push_str(&table(&shown, width));
    }
    if !rest.is_empty() {
        let line = format!("{} more metrics: {} (--all shows them)", rest.len(), words::rest(&rest));
        wrap(&mut out, &line, 0, width);
    }
    out.push('\n');
    for note in comparison.notes.iter().chain(&words::more_runs(comparison)) {
        wrap(&mut out, &printable(&format!("note: {note}")), 0, width);
    }
    if let Some(moved) = moved(comparison) {
        wrap(&mut out, &printable(&moved), 0, width);
    }
    wrap(&mut out, &printable(&words::conclusion(comparison)), 0, width);
    out
}

/// Narrower terminals have no column of p values: the interval tells the same.
const WIDE: usize = 100;

fn table(metrics: &[&Compared], width: usize) -> String {
    use Align::{Left, Right};
    let is_wide = width >= WIDE;
    let mut grid = Grid::new([Left, Right, Right, Right, Right, Left]);
    let p = |p: &str| if is_wide { p.to_string() } else { String::new() };
    grid.row(["metric", "base", "new", "change (95 %)", &p("p"), "verdict"]);
    for (n, metric) in metrics.iter().enumerate() {
        if n > 0 && !metric.gated && metrics[n - 1].gated {
            grid.line("");
        }
        grid.row([
            printable(&metric.metric).into_owned(),
            words::value(metric.judged.base, metric),
            words::value(metric.judged.new, metric),
            words::change_with_bounds(metric),
            p(&words::p(metric)),
            words::verdict(metric),
        ]);
    }
    grid.text(width)
}
