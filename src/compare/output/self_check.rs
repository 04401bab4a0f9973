//! The result of a self-check.

use crate::compare::self_check::SelfCheck;
use crate::text::grid::{Align, Grid, wrap};
use crate::text::printable::printable;

/// For people.
pub fn self_check(check: &SelfCheck, width: usize) -> String {
    let SelfCheck { runs, runs_per_side: (base, new), splits, is_complete, .. } = check;
    let how = if *is_complete { "all" } else { "random" };
    let mut out = String::new();
    wrap(&mut out, &format!("{runs} runs, split into {base} + {new} in {splits} ways ({how})"), 0, width);
    out.push('\n');
    let share = |n: usize| format!("{:.1} %", n as f64 * 100.0 / (*splits).max(1) as f64);
    let changes: Vec<f64> = check.metrics.first().map_or_else(Vec::new, |m| m.found.iter().map(|(c, _)| *c).collect());
    let mut grid = Grid::new([Align::Left, Align::Right].into_iter().chain(changes.iter().map(|_| Align::Right)));
    let heads = changes.iter().map(|change| format!("{:.0} % worse", change * 100.0));
    grid.row(["decides".to_string(), "false alarms".to_string()].into_iter().chain(heads));
    for metric in &check.metrics {
        let found = metric.found.iter().map(|(_, n)| if metric.is_zero { "-".to_string() } else { share(*n) });
        let cells = [printable(&metric.metric).into_owned(), share(metric.false_alarms)];
        grid.row(cells.into_iter().chain(found));
    }
    out.push_str(&grid.text(width));
    out.push('\n');
    let alarms = check.false_alarms;
    wrap(
        &mut out,
        &format!("{} of the comparisons would have failed without a cause ({alarms} of {splits})", share(alarms)),
        0,
        width,
    );
    out
}

/// As JSON.
///
/// # Errors
/// Never, since all keys are text.
pub fn self_check_json(check: &SelfCheck) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(check)? + "\n")
}
