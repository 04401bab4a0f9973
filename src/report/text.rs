//! A report as text for a terminal.

use super::model::Report;
use super::view::{self, Group, NO_VERDICT, Options, Section, heading, lines, matrix, runs, section, split};
use crate::text::grid::{Align, Grid, columns, wrap};
use crate::text::sparkline::from_zero;

/// The smallest width at which all statistics are shown.
pub const WIDE: usize = 120;

/// The heading of sparklines; and how wide they are at least and at most.
pub const OVER_TIME: &str = "over time";
const LEAST_BARS: usize = 7;
const MOST_BARS: usize = 40;

/// The report for a terminal of this width.
pub fn render(report: &Report, width: usize, mut options: Options<'_>) -> String {
    options.wide = width >= WIDE;
    let mut out = report.runs.iter().map(|of| section_text(&runs(of), width)).collect::<Vec<_>>().join("\n");
    for recording in &report.recordings {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&recording.path);
        out.push('\n');
        wrap(&mut out, &heading(recording), 0, width);
        for line in lines(recording, options) {
            wrap(&mut out, &line, 0, width);
        }
        if report.side_by_side.is_some() {
            continue;
        }
        let sections = match (&recording.changes, &recording.by_phase) {
            (Some(changes), _) => vec![view::changes(recording, changes, options.most_changes)],
            (None, Some(by_phase)) => narrow(matrix(by_phase, options), width),
            (None, None) => recording.tables.iter().map(|table| section(table, options)).collect(),
        };
        sections_text(&mut out, &sections, width);
    }
    if let Some(sides) = &report.side_by_side {
        sections_text(&mut out, &narrow(matrix(sides, options), width), width);
        out.push('\n');
        wrap(&mut out, NO_VERDICT, 0, width);
    }
    out
}

fn sections_text(out: &mut String, sections: &[Section], width: usize) {
    for section in sections {
        out.push('\n');
        grid(out, section, width);
    }
    if sections.is_empty() {
        out.push_str("\nnothing to report\n");
    }
}

/// Sections with more columns than fit are shown in several.
fn narrow(sections: Vec<Section>, width: usize) -> Vec<Section> {
    sections.into_iter().flat_map(|section| split(section, width, columns)).collect()
}

/// A section by itself.
pub fn section_text(section: &Section, width: usize) -> String {
    let mut out = String::new();
    grid(&mut out, section, width);
    out
}

/// The first column is aligned left, the others right. Sparklines take what is left of the width.
fn grid(out: &mut String, section: &Section, width: usize) {
    let mut lines = lines_of(section, width, None);
    if section.has_traces() {
        let used = lines_of(&without_notes(section), width, None).iter().map(|line| columns(line)).max().unwrap_or(0);
        let room = width.saturating_sub(used + 2).min(MOST_BARS);
        if room >= LEAST_BARS {
            lines = lines_of(section, width, Some(room));
        }
    }
    let has_rows = section.groups.iter().any(|g| !g.rows.is_empty());
    // The aside is left out if the line would become too long.
    if let Some(head) =
        lines.first_mut().filter(|head| has_rows && columns(head) + 3 + columns(&section.aside) <= width)
        && !section.aside.is_empty()
    {
        *head += &format!("   {}", section.aside);
    }
    out.extend(lines.into_iter().map(|line| line + "\n"));
}

/// The heading of sparklines of this width.
fn head(bars: usize) -> &'static str {
    if bars < columns(OVER_TIME) { "time" } else { OVER_TIME }
}

fn without_notes(section: &Section) -> Section {
    let groups = section.groups.iter().map(|group| Group {
        rows: group.rows.clone(),
        title: group.title.clone(),
        ..Group::default()
    });
    Section {
        title: section.title.clone(),
        columns: section.columns.clone(),
        groups: groups.collect(),
        ..Section::default()
    }
}

/// `bars`: the width of sparklines.
fn lines_of(section: &Section, width: usize, bars: Option<usize>) -> Vec<String> {
    let nested = section.groups.iter().any(|g| !g.title.is_empty());
    let indent = if nested { 4 } else { 2 };
    let notes = |grid: &mut Grid, notes: &[String], indent| {
        for note in notes {
            let mut text = String::new();
            wrap(&mut text, note, indent, width);
            grid.line(text);
        }
    };
    let aligned = std::iter::once(Align::Left).chain(section.columns.iter().map(|_| Align::Right));
    let mut grid = Grid::new(aligned.chain(bars.map(|_| Align::Left)));
    let has_rows = section.groups.iter().any(|g| !g.rows.is_empty());
    if has_rows {
        let columns = section.columns.iter().map(String::as_str);
        grid.row([section.title.as_str()].into_iter().chain(columns).chain(bars.map(head)));
    } else {
        grid.line(&section.title);
    }
    for group in &section.groups {
        if !group.title.is_empty() {
            grid.line(format!("  {}", group.title));
        }
        for (n, (name, cells)) in group.rows.iter().enumerate() {
            let trace = bars.map(|bars| from_zero(group.traces.get(n).map_or(&[], Vec::as_slice), bars));
            grid.row(std::iter::once(" ".repeat(indent) + name).chain(cells.iter().cloned()).chain(trace));
        }
        notes(&mut grid, &group.notes, indent);
    }
    notes(&mut grid, &section.notes, 2);
    grid.lines(width)
}
