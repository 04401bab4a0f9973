//! `perfwatch report`: opens recordings, summarises them, and prints the summary.

mod choice;
mod export;
mod page;
mod problems;
mod progress;
mod window;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::output::{write_all, write_as_it_is};
use super::{Outcome, Usage};
use crate::cli::report::{Format, ReportArgs};
use crate::collect::catalog;
use crate::compare::sides::conclusion;
use crate::query::select::chosen;
use crate::query::{Choice, Rows, threads};
use crate::report::clean::clean;
use crate::report::marks::{self, MarkList};
use crate::report::model::{JSON_VERSION, Recording, Report, RunsFolder};
use crate::report::summary::{Request, summarise};
use crate::report::view::Options;
use crate::report::{csv, json, markdown, text};
use crate::store::read::piece::Source;
use crate::store::runs::{Meant, meant};
use crate::table::TableDef;
use crate::ui::terminal;
pub(super) use choice::choice;
use choice::with_tables_of;
use export::Export;
use problems::Problems;
use progress::Progress;
use window::window_of;
pub(super) use window::{span, why_empty};

/// Prints the report on `out`. What cannot be read is reported on standard error; the rest is shown.
///
/// `open` opens a recording.
///
/// # Errors
/// [`Usage`] for unknown names and invalid times; otherwise when the output cannot be written.
pub fn run(
    args: &ReportArgs,
    catalog: &[TableDef],
    open: impl Fn(&Path) -> anyhow::Result<Box<dyn Source>>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let known = choice(args, catalog);
    let mut problems = Problems::default();
    let Opened { sources: opened, runs } = open_all(args, &open, &mut problems)?;
    // A name may exist only in the recording.
    let choice = known.or_else(|_| choice(args, &with_tables_of(catalog, &opened)))?;
    for source in &opened {
        problems.files(source.problems());
    }
    if args.marks {
        print_marks(args, &opened, &mut problems, out)?;
        return Ok(problems.outcome());
    }
    for name in &choice.tables {
        for source in opened.iter().filter(|s| s.tables().iter().all(|t| t.name != name)) {
            problems.note(format!("{}: no rows in table {name}", source.path().display()));
        }
    }
    let steps = opened
        .iter()
        .map(|s| chosen(s.as_ref(), &choice))
        .map(|(tables, columns)| if args.csv.is_some() { tables.len() } else { columns });
    let mut progress = Progress::new(steps.sum());
    match &args.csv {
        Some(path) => {
            let (opened, choice) = (&opened, &choice);
            Export { args, opened, choice, problems: &mut problems, progress: &mut progress }.write(path, out)?;
        }
        None if args.html.is_some() || args.svg.is_some() => {
            let recordings = summaries(args, &opened, &choice, &mut problems, &mut progress)?;
            progress.done();
            page::write(args, &opened, &choice, recordings, &mut problems, out)?;
        }
        None => {
            let recordings = summaries(args, &opened, &choice, &mut problems, &mut progress)?;
            progress.done();
            print(args, Report { version: JSON_VERSION, runs, recordings }, out)?;
        }
    }
    progress.done();
    Ok(problems.outcome())
}

/// The recordings that could be opened.
struct Opened {
    sources: Vec<Box<dyn Source>>,
    runs: Vec<RunsFolder>,
}

fn open_all(
    args: &ReportArgs,
    open: impl Fn(&Path) -> anyhow::Result<Box<dyn Source>>,
    problems: &mut Problems,
) -> anyhow::Result<Opened> {
    let mut opened = Opened { sources: Vec::new(), runs: Vec::new() };
    for meant in meant(&args.recordings)? {
        meant.problem().iter().for_each(|problem| problems.say(problem.to_string()));
        let paths = match &meant {
            Meant::Recording(path) => vec![path.clone()],
            Meant::Runs(runs) => runs.recordings(false),
        };
        for path in paths {
            match open(&path) {
                Ok(source) => opened.sources.push(source),
                Err(error) => problems.say(format!("{error:#}{}", taken_for_table(&path))),
            }
        }
        if let Meant::Runs(runs) = meant {
            opened.runs.push(RunsFolder { conclusion: conclusion(&runs), runs });
        }
    }
    Ok(opened)
}

/// A hint for a table that was given in place of a recording.
fn taken_for_table(path: &Path) -> String {
    match path.to_str().and_then(catalog::table) {
        Some(table) if !path.exists() => format!(" (choose table {0} with --table {0})", table.name),
        _ => String::new(),
    }
}

/// The marks instead of a summary.
fn print_marks(
    args: &ReportArgs,
    opened: &[Box<dyn Source>],
    problems: &mut Problems,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut recordings = Vec::new();
    for source in opened {
        let mut faults = Vec::new();
        let window = window_of(args, source.as_ref(), &mut faults)?;
        let began = span(source.as_ref(), &mut faults).map(|(first, _)| first);
        recordings.push(marks::read(source.as_ref(), window, args.phase.as_deref(), began, &mut faults));
        problems.files(&faults);
    }
    let list = MarkList { version: JSON_VERSION, recordings };
    match args.output.form() {
        Format::Table => write_all(out, &marks::text(&list)),
        Format::Markdown => write_all(out, &marks::markdown(&list)),
        Format::Json => write_all(out, &(serde_json::to_string_pretty(&list)? + "\n")),
        Format::Csv if io::stdout().is_terminal() => write_all(out, &marks::csv(&list, true)),
        Format::Csv => write_as_it_is(out, &marks::csv(&list, false)),
    }
}

fn summaries(
    args: &ReportArgs,
    opened: &[Box<dyn Source>],
    choice: &Choice,
    problems: &mut Problems,
    progress: &mut Progress,
) -> anyhow::Result<Vec<Recording>> {
    let mut recordings = Vec::new();
    for source in opened {
        let mut faults = Vec::new();
        let rows = Rows { window: window_of(args, source.as_ref(), &mut faults)?, phase: args.phase.as_deref() };
        let threads = args.threads.unwrap_or_else(threads::default).min(threads::MOST);
        let request = Request { rows, choice, threads };
        let recording = summarise(source.as_ref(), &request, &mut faults, &mut |table| progress.step(table));
        problems.files(&faults);
        let narrowed = args.since.is_some() || args.until.is_some() || args.phase.is_some();
        if recording.tables.is_empty() && narrowed && !source.tables().is_empty() {
            problems.say(format!("{}: {}", source.path().display(), why_empty(args.phase.as_deref(), source.as_ref())));
        }
        recordings.push(recording);
    }
    Ok(recordings)
}

fn print(args: &ReportArgs, report: Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let options = Options { all: args.all, chosen: !args.metrics.is_empty(), wide: false };
    match args.output.form() {
        Format::Table => {
            let width = args.width.unwrap_or_else(terminal::width);
            write_all(out, &text::render(&clean(report), width, options))
        }
        Format::Markdown => write_all(out, &markdown::render(&clean(report), options)),
        Format::Json => write_all(out, &json::render(&report)?),
        Format::Csv if io::stdout().is_terminal() => write_all(out, &csv::render(&clean(report))),
        Format::Csv => write_as_it_is(out, &csv::render(&report)),
    }
}

#[cfg(test)]
mod tests;
