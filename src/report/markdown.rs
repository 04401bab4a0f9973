//! A report as Markdown, for issues and web pages, with all statistics.

use std::fmt::Write;

use super::model::Report;
use super::text::OVER_TIME;
use super::view::{self, NO_VERDICT, Options, Section, heading, lines, matrix, runs, section};
use crate::text::sparkline::from_zero;

/// The width of sparklines.
const BARS: usize = 20;

pub fn render(report: &Report, mut options: Options<'_>) -> String {
    options.wide = true;
    let mut out = String::new();
    for of in &report.runs {
        grid(&mut out, &runs(of));
    }
    for recording in &report.recordings {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "# {}\n\n{}", escape(&recording.path), escape(&heading(recording)));
        for line in lines(recording, options) {
            let _ = writeln!(out, "\n{}", escape(&line));
        }
        if report.side_by_side.is_some() {
            continue;
        }
        let sections = match (&recording.changes, &recording.by_phase) {
            (Some(changes), _) => vec![view::changes(recording, changes, options.most_changes)],
            (None, Some(by_phase)) => matrix(by_phase, options),
            (None, None) => recording.tables.iter().map(|table| section(table, options)).collect(),
        };
        grids(&mut out, &sections);
    }
    if let Some(sides) = &report.side_by_side {
        grids(&mut out, &matrix(sides, options));
        let _ = writeln!(out, "\n{}", escape(NO_VERDICT));
    }
    out
}

fn grids(out: &mut String, sections: &[Section]) {
    sections.iter().for_each(|section| grid(out, section));
    if sections.is_empty() {
        out.push_str("\nnothing to report\n");
    }
}

fn grid(out: &mut String, section: &Section) {
    let _ = writeln!(out, "\n## {}", escape(&section.title));
    if !section.aside.is_empty() {
        let _ = writeln!(out, "\n{}", escape(&section.aside));
    }
    for group in &section.groups {
        if !group.title.is_empty() {
            let _ = writeln!(out, "\n### {}", escape(&group.title));
        }
        if !group.rows.is_empty() {
            let of = if section.of.is_empty() { "metric" } else { section.of };
            let columns: Vec<String> = section.columns.iter().map(|name| escape(name)).collect();
            let columns: Vec<String> =
                columns.into_iter().chain(section.has_traces().then(|| OVER_TIME.into())).collect();
            let _ = writeln!(out, "\n| {of} | {} |", columns.join(" | "));
            let _ = writeln!(out, "|---|{}", "--:|".repeat(columns.len()));
        }
        for (n, (name, cells)) in group.rows.iter().enumerate() {
            let mut cells: Vec<String> = cells.iter().map(|c| escape(c)).collect();
            if section.has_traces() {
                cells.push(from_zero(group.traces.get(n).map_or(&[], Vec::as_slice), BARS));
            }
            let _ = writeln!(out, "| {} | {} |", escape(name), cells.join(" | "));
        }
        for note in &group.notes {
            let _ = writeln!(out, "\n{}", escape(note));
        }
    }
    for note in &section.notes {
        let _ = writeln!(out, "\n{}", escape(note));
    }
}

/// Escapes markup: `_` and `*` would be emphasis, `|` would start a column.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\' | '#' => out.extend(['\\', c]),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
