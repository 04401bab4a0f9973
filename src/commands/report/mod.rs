//! `perfwatch report`: opens recordings, summarises them, and prints the summary.

mod choice;
mod follow;
mod page;
mod print;
mod problems;
mod progress;
mod summaries;
mod window;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::export::tables::{Asked, Export};
use super::output::{write_all, write_as_it_is};
use super::{Outcome, Usage};
use crate::cli::report::{Format, ReportArgs};
use crate::collect::catalog;
use crate::config::Settings;
use crate::export::{self, Columns};
use crate::query::select;
use crate::report::marks::{self, MarkList};
use crate::report::matrix::{Matrix, side_by_side};
use crate::report::model::{JSON_VERSION, Recording, Report, RunsFolder};
use crate::store::read::piece::Source;
use crate::store::runs::{Meant, meant};
use crate::table::TableDef;
use choice::{Chosen, recorded};
pub(super) use choice::{Recorded, chosen, with_tables_of};
use print::print;
pub(super) use problems::Problems;
pub(super) use progress::Progress;
use summaries::summaries;
use window::window_of;
pub(super) use window::{span, why_empty, window_between};

/// Prints the report on `out`. What cannot be read is reported on standard error; the rest is shown.
///
/// `open` opens a recording.
///
/// # Errors
/// [`Usage`] for unknown names, invalid times and a gate with a mistake; otherwise when the output cannot be written.
pub fn run(
    args: &ReportArgs,
    catalog: &[TableDef],
    open: impl Fn(&Path) -> anyhow::Result<Box<dyn Source>>,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    if args.follow.is_some() {
        return follow::follow(args, catalog, &open, out);
    }
    let mut problems = Problems::default();
    let (opened, chosen) = open_chosen(args, catalog, &open, &mut problems)?;
    if args.marks {
        print_marks(args, &opened.sources, &mut problems, out)?;
        return Ok(problems.outcome());
    }
    let steps = opened.sources.iter().map(|s| select::chosen(s.as_ref(), &chosen.choice));
    let steps = steps.map(|(tables, columns)| if args.csv.is_some() { tables.len() } else { columns });
    let mut progress = Progress::new(steps.sum());
    match &args.csv {
        Some(path) => {
            if chosen.events.is_limited() {
                let text = "--csv takes columns; choose events with --table perf, and then by column event";
                return Err(Usage(text.into()).into());
            }
            let columns = Columns::Metrics(chosen.choice.clone());
            let asked = Asked {
                option: "--csv",
                format: export::format::Format::Csv,
                columns: &columns,
                shape: export::Shape::default(),
                part: (args.rows.since, args.rows.until),
                phase: args.rows.phase.as_deref(),
                force: args.force,
            };
            Export { asked, opened: &opened.sources, problems: &mut problems, progress: &mut progress }
                .write(path, out)?;
        }
        None if args.html.is_some() || args.svg.is_some() => {
            let recordings = summaries(args, &opened.sources, &chosen, &mut problems, &mut progress)?;
            progress.done();
            page::write(args, &opened.sources, &chosen.choice, recordings, &mut problems, out)?;
        }
        None => {
            let mut report = report(args, opened, &chosen, &mut problems, &mut progress)?;
            for RunsFolder { runs, conclusion } in &mut report.runs {
                *conclusion = super::conclusion::conclusion(runs, settings)?;
            }
            progress.done();
            print(args, &chosen, report, out)?;
        }
    }
    progress.done();
    Ok(problems.outcome())
}

/// Opens the recordings, and finds the tables and metrics that are shown.
fn open_chosen(
    args: &ReportArgs,
    catalog: &[TableDef],
    open: impl Fn(&Path) -> anyhow::Result<Box<dyn Source>>,
    problems: &mut Problems,
) -> anyhow::Result<(Opened, Chosen)> {
    let known = chosen(args, catalog, &Recorded::default());
    let opened = open_all(&args.recordings, open, problems)?;
    let sources = &opened.sources;
    // A name may exist only in the recording.
    let chosen = known.or_else(|_| chosen(args, &with_tables_of(catalog, sources), &recorded(sources)))?;
    for source in sources {
        problems.files(source.problems());
    }
    if !args.marks {
        for name in &chosen.choice.tables {
            for source in sources.iter().filter(|s| s.tables().iter().all(|t| t.name != name)) {
                problems.note(format!("{}: no rows in table {name}", source.path().display()));
            }
        }
    }
    Ok((opened, chosen))
}

fn report(
    args: &ReportArgs,
    opened: Opened,
    chosen: &Chosen,
    problems: &mut Problems,
    progress: &mut Progress,
) -> anyhow::Result<Report> {
    let recordings = summaries(args, &opened.sources, chosen, problems, progress)?;
    let side_by_side = if args.side_by_side { Some(sides(&recordings)?) } else { None };
    Ok(Report { version: JSON_VERSION, runs: opened.runs, recordings, side_by_side })
}

/// The recordings that could be opened.
pub(super) struct Opened {
    pub sources: Vec<Box<dyn Source>>,
    pub runs: Vec<RunsFolder>,
}

/// Opens recordings, and those of the runs that count in folders of runs.
///
/// # Errors
/// When an index of runs can neither be read nor be made.
pub(super) fn open_all(
    recordings: &[PathBuf],
    open: impl Fn(&Path) -> anyhow::Result<Box<dyn Source>>,
    problems: &mut Problems,
) -> anyhow::Result<Opened> {
    let mut opened = Opened { sources: Vec::new(), runs: Vec::new() };
    for meant in meant(recordings)? {
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
            opened.runs.push(RunsFolder { conclusion: None, runs });
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
        recordings.push(marks::read(source.as_ref(), window, args.rows.phase.as_deref(), began, &mut faults));
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

fn sides(recordings: &[Recording]) -> Result<Matrix, Usage> {
    match recordings {
        [] | [_] => Err(Usage("--side-by-side needs two recordings or more".into())),
        several => Ok(side_by_side(several)),
    }
}

#[cfg(test)]
mod tests;
