//! The table on a terminal.

use std::fmt::Write;

use super::model::Report;
use super::view::{Options, Section, command, heading, phases, runs, section, trouble};

/// From this width on all statistics are shown.
pub const WIDE: usize = 120;

/// The report for a terminal of this many columns.
pub fn render(report: &Report, width: usize, mut options: Options) -> String {
    options.wide = width >= WIDE;
    let mut out = report.runs.iter().map(|of| section_text(&runs(of), width)).collect::<Vec<_>>().join("\n");
    for recording in &report.recordings {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&recording.path);
        out.push('\n');
        wrap(&mut out, &heading(recording), 0, width);
        for line in [trouble(recording), command(recording), phases(recording, options)].into_iter().flatten() {
            wrap(&mut out, &line, 0, width);
        }
        for table in &recording.tables {
            out.push('\n');
            grid(&mut out, &section(table, options), width);
        }
        if recording.tables.is_empty() {
            out.push_str("\nnothing to report\n");
        }
    }
    out
}

/// A section by itself.
pub fn section_text(section: &Section, width: usize) -> String {
    let mut out = String::new();
    grid(&mut out, section, width);
    out
}

/// The first column to the left, the others to the right, each as wide as its widest cell.
fn grid(out: &mut String, section: &Section, width: usize) {
    let rows = || section.groups.iter().flat_map(|g| &g.rows);
    let nested = section.groups.iter().any(|g| !g.title.is_empty());
    let indent = if nested { 4 } else { 2 };
    let names = rows().map(|(name, _)| columns(name) + indent).chain([columns(&section.title)]).max().unwrap_or(0);
    let widths: Vec<usize> = section
        .columns
        .iter()
        .enumerate()
        .map(|(n, head)| {
            rows().filter_map(|(_, cells)| cells.get(n)).map(|c| columns(c)).fold(columns(head), usize::max)
        })
        .collect();
    let mut line = section.title.clone();
    if rows().next().is_some() {
        pad(&mut line, names);
        for (head, width) in section.columns.iter().zip(&widths) {
            let _ = write!(line, "  {head:>width$}");
        }
        // What does not fit is left out before a line breaks.
        if !section.aside.is_empty() && columns(&line) + 3 + columns(&section.aside) <= width {
            let _ = write!(line, "   {}", section.aside);
        }
    }
    push_line(out, &line);
    for group in &section.groups {
        if !group.title.is_empty() {
            let _ = writeln!(out, "  {}", group.title);
        }
        for (name, cells) in &group.rows {
            let mut line = " ".repeat(indent) + name;
            pad(&mut line, names);
            for (cell, width) in cells.iter().zip(&widths) {
                line.push_str("  ");
                line.push_str(&" ".repeat(width.saturating_sub(columns(cell))));
                line.push_str(cell);
            }
            push_line(out, &line);
        }
        for note in &group.notes {
            wrap(out, note, indent, width);
        }
    }
    for note in &section.notes {
        wrap(out, note, 2, width);
    }
}

/// Columns on a terminal, as far as our own texts go.
fn columns(text: &str) -> usize {
    text.chars().count()
}

fn pad(line: &mut String, to: usize) {
    let missing = to.saturating_sub(columns(line));
    line.extend(std::iter::repeat_n(' ', missing));
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Breaks a sentence between words; lines after the first are indented by two more.
pub fn wrap(out: &mut String, text: &str, indent: usize, width: usize) {
    let mut line = " ".repeat(indent);
    let mut begun = false;
    for word in text.split(' ') {
        if begun && columns(&line) + 1 + columns(word) > width {
            push_line(out, &line);
            line = " ".repeat(indent + 2);
            begun = false;
        }
        if begun {
            line.push(' ');
        }
        line.push_str(word);
        begun = true;
    }
    push_line(out, &line);
}
