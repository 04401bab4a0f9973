//! Markdown for a comment: what decides first, the rest folded.

use std::fmt::Write;

use super::moved::moved;
use super::words;
use crate::compare::comparison::{Compared, Comparison};
use crate::text::printable::printable;

/// Most characters: a comment on GitHub may have 65,536.
const MOST: usize = 65_000;

/// Most characters of a sentence; names from recordings may be long.
const MOST_OF_LINE: usize = 1000;

pub fn markdown(comparison: &Comparison) -> String {
    let (shown, rest): (Vec<&Compared>, Vec<&Compared>) =
        comparison.metrics.iter().partition(|metric| words::is_shown(metric));
    let mut out = format!("### {}\n\n", line(&words::conclusion(comparison)));
    let _ = writeln!(out, "{}\n", line(&words::heading(comparison)));
    let mut notes = String::new();
    let moved = moved(comparison);
    for note in moved.iter().chain(&words::mismatches(comparison)).chain(&comparison.notes) {
        let _ = writeln!(notes, "- {}", line(note));
    }
    let mut room = MOST.saturating_sub(out.chars().count() + notes.chars().count());
    table(&mut out, &shown, &mut room);
    out.push_str(&notes);
    if !rest.is_empty() {
        let counts = words::rest(&rest);
        let _ = write!(out, "\n<details><summary>{} more metrics: {counts}</summary>\n\n", rest.len());
        table(&mut out, &rest, &mut room);
        out.push_str("</details>\n");
    }
    out
}

/// Adds the rows for which there is room.
fn table(out: &mut String, metrics: &[&Compared], room: &mut usize) {
    if metrics.is_empty() {
        return;
    }
    out.push_str("| metric | base | new | change | 95 % interval | p | verdict |\n");
    out.push_str("|---|--:|--:|--:|--:|--:|---|\n");
    for (n, metric) in metrics.iter().enumerate() {
        let row = [
            format!("`{}`", printable(&metric.metric).replace(['`', '|'], "_")),
            words::value(metric.judged.base, metric),
            words::value(metric.judged.new, metric),
            words::change(metric),
            words::interval(metric),
            words::p(metric),
            words::verdict_with_runs(metric),
        ];
        let row = format!("| {} |\n", row.join(" | "));
        let Some(left) = room.checked_sub(row.chars().count()) else {
            let _ = write!(out, "\n{} more rows do not fit here.\n", metrics.len() - n);
            break;
        };
        *room = left;
        out.push_str(&row);
    }
    out.push('\n');
}

fn line(text: &str) -> String {
    let shown: String = text.chars().take(MOST_OF_LINE).collect();
    escaped(&shown) + if shown.len() < text.len() { " ..." } else { "" }
}

/// Text that a name from a recording cannot turn into markup.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in printable(text).chars() {
        if "\\`*_{}[]<>#|@".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::compare::compare;
    use crate::compare::comparison::{Settings, Side};
    use crate::compare::metric::{Facts, Measured, Name, Statistic};
    use crate::compare::run::Run;
    use crate::table::{Better, Unit};

    /// Three runs with 3,000 metrics, a third of which differ, and long names.
    fn side(name: &str, factor: f64) -> Side {
        let measured = |n: usize| {
            let entity = Some(format!("{}|`<b>@all</b>{n}", "x".repeat(50)));
            let name = Name { phase: None, table: "disk", entity, column: "write_bytes", statistic: Statistic::Mean };
            let value = if n.is_multiple_of(3) { factor } else { 1.0 };
            Measured::new(name, Facts::of_unit(Unit::Seconds, Some(Better::Lower)), value)
        };
        let run = |n: usize| Run {
            path: PathBuf::from(format!("{}{n}", name.repeat(2000))),
            manifest: None,
            measured: (0..3000).map(measured).collect(),
            warmup: None,
        };
        Side { name: name.repeat(2000), runs: (0..3).map(run).collect(), left_out: Vec::new() }
    }

    #[test]
    fn it_fits_into_a_comment() {
        let comparison = compare(&side("base", 1.0), &side("new", 2.0), &Settings::default()).unwrap();
        let text = markdown(&comparison);
        let length = text.chars().count();
        assert!((60_000..65_536).contains(&length), "{length}");
        assert!(text.contains(" more rows do not fit here.") && text.ends_with("</details>\n"));
        // A name stays inside its backticks and its cell.
        let row = text.lines().find(|line| line.starts_with("| `disk[")).unwrap();
        assert_eq!((row.matches('`').count(), row.matches('|').count()), (2, 8), "{row}");
    }
}
