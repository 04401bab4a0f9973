//! The report as text, in the chosen format.

use std::io::{self, IsTerminal, Write};

use super::choice::Chosen;
use crate::cli::report::{By, Format, ReportArgs, Show};
use crate::commands::output::{write_all, write_as_it_is};
use crate::report::clean::clean;
use crate::report::model::Report;
use crate::report::view::Options;
use crate::report::{csv, json, markdown, matrix, text};
use crate::ui::terminal;

/// # Errors
/// When it cannot be written.
pub fn print(args: &ReportArgs, chosen: &Chosen, report: Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let is_csv = args.output.form() == Format::Csv && !io::stdout().is_terminal();
    let text = rendered(args, chosen, report)?;
    if is_csv { write_as_it_is(out, &text) } else { write_all(out, &text) }
}

/// # Errors
/// When a value cannot be written as JSON, which does not occur.
pub fn rendered(args: &ReportArgs, chosen: &Chosen, report: Report) -> anyhow::Result<String> {
    let options = options(args, chosen);
    Ok(match args.output.form() {
        Format::Table => text::render(&clean(report), args.width.unwrap_or_else(terminal::width), options),
        Format::Markdown => markdown::render(&clean(report), options),
        Format::Json => json::render(&report)?,
        Format::Csv if io::stdout().is_terminal() => csv_text(args, &clean(report)),
        Format::Csv => csv_text(args, &report),
    })
}

fn options<'a>(args: &'a ReportArgs, chosen: &Chosen) -> Options<'a> {
    Options {
        all: args.all,
        chosen: !args.metrics.is_empty(),
        only_events: chosen.events.is_limited() && !chosen.events.has_columns,
        percentiles: &args.percentiles,
        most_changes: args.top.unwrap_or(usize::MAX),
        wide: false,
    }
}

fn csv_text(args: &ReportArgs, report: &Report) -> String {
    match (args.by, args.top) {
        (Some(By::Phase), _) => matrix::csv::by_phase(report),
        (None, Some(most)) => csv::changes(report, most),
        (None, None) if report.side_by_side.is_some() => matrix::csv::side_by_side(report),
        (None, None) => csv::render(report, &args.percentiles),
    }
}

/// Are sparklines shown: in a table or Markdown, if asked for, or on a terminal that can show them?
pub fn has_sparklines(args: &ReportArgs) -> bool {
    let fits = match args.output.form() {
        Format::Table => args.by.is_none() && args.top.is_none() && !args.side_by_side,
        Format::Markdown => args.sparklines == Show::Always,
        Format::Csv | Format::Json => false,
    };
    fits && match args.sparklines {
        Show::Always => true,
        Show::Never => false,
        Show::Auto => io::stdout().is_terminal() && terminal::is_utf8(),
    }
}
