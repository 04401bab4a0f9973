//! Markdown for a comment: what decides first, the rest folded.

use std::fmt::Write;

use super::words;
use crate::compare::comparison::{Compared, Comparison};
use crate::text::printable::printable;

/// A comment on GitHub may have 65,536 characters.
const MOST: usize = 65_000;

pub fn markdown(comparison: &Comparison) -> String {
    let mut out = format!("### {}\n\n", escaped(&words::conclusion(comparison)));
    let _ = writeln!(out, "{}\n", escaped(&words::heading(comparison)));
    let (shown, rest): (Vec<&Compared>, Vec<&Compared>) =
        comparison.metrics.iter().partition(|metric| words::is_shown(metric));
    table(&mut out, &shown);
    for line in words::mismatches(comparison).iter().chain(&comparison.notes) {
        let _ = writeln!(out, "- {}", escaped(line));
    }
    if !rest.is_empty() {
        let counts = words::rest(&rest);
        let _ = write!(out, "\n<details><summary>{} more metrics: {counts}</summary>\n\n", rest.len());
        table(&mut out, &rest);
        out.push_str("</details>\n");
    }
    out
}

fn table(out: &mut String, metrics: &[&Compared]) {
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
            words::verdict(metric),
        ];
        let line = format!("| {} |\n", row.join(" | "));
        if out.chars().count() + line.chars().count() > MOST - 200 {
            let _ = write!(out, "\n{} more rows do not fit here.\n", metrics.len() - n);
            break;
        }
        out.push_str(&line);
    }
    out.push('\n');
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
