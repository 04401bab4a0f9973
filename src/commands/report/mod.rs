//! `perfwatch report`: opens recordings, summarises them, and prints the summary.

mod choice;
mod problems;
mod progress;
mod window;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::export::tables::{Asked, Export};
use super::output::{write_all, write_as_it_is};
use super::{Outcome, Usage};
use crate::cli::report::{By, Format, ReportArgs};
use crate::collect::catalog;
use crate::compare::sides::conclusion;
use crate::events::name::means;
use crate::export::{self, Columns};
use crate::query::select;
use crate::query::{Rows, threads};
use crate::report::changes::changes;
use crate::report::clean::clean;
use crate::report::marks::{self, MarkList};
use crate::report::matrix::{Matrix, by_phase, side_by_side};
use crate::report::model::{JSON_VERSION, Recording, Report, RunsFolder};
use crate::report::perf::{EventChoice, PERF};
use crate::report::ratios::EVENT;
use crate::report::summary::{Request, summarise};
use crate::report::view::Options;
use crate::report::{csv, json, markdown, matrix, text};
use crate::store::read::piece::Source;
use crate::store::runs::{Meant, meant};
use crate::table::TableDef;
use crate::ui::terminal;
use choice::{Chosen, recorded_events};
pub(super) use choice::{chosen, with_tables_of};
pub(super) use problems::Problems;
pub(super) use progress::Progress;
use window::window_of;
pub(super) use window::{span, why_empty, window_between};

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
    let known = chosen(args, catalog, &[]);
    let mut problems = Problems::default();
    let Opened { sources: opened, runs } = open_all(&args.recordings, &open, &mut problems)?;
    // A name may exist only in the recording.
    let chosen = known.or_else(|_| chosen(args, &with_tables_of(catalog, &opened), &recorded_events(&opened)))?;
    let choice = &chosen.choice;
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
        .map(|s| select::chosen(s.as_ref(), choice))
        .map(|(tables, columns)| if args.csv.is_some() { tables.len() } else { columns });
    let mut progress = Progress::new(steps.sum());
    match &args.csv {
        Some(path) => {
            if chosen.events.is_limited() {
                return Err(Usage(
                    "--csv takes columns; choose events with --table perf, and then by column event".into(),
                )
                .into());
            }
            let columns = Columns::Metrics(choice.clone());
            let asked = Asked {
                option: "--csv",
                format: export::format::Format::Csv,
                columns: &columns,
                shape: export::Shape::default(),
                part: (args.since, args.until),
                phase: args.phase.as_deref(),
                force: args.force,
            };
            Export { asked, opened: &opened, problems: &mut problems, progress: &mut progress }.write(path, out)?;
        }
        None => {
            let recordings = summaries(args, &opened, &chosen, &mut problems, &mut progress)?;
            progress.done();
            let side_by_side = if args.side_by_side { Some(sides(&recordings)?) } else { None };
            print(args, &chosen, Report { version: JSON_VERSION, runs, recordings, side_by_side }, out)?;
        }
    }
    progress.done();
    Ok(problems.outcome())
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
    chosen: &Chosen,
    problems: &mut Problems,
    progress: &mut Progress,
) -> anyhow::Result<Vec<Recording>> {
    let mut recordings = Vec::new();
    for source in opened {
        let mut faults = Vec::new();
        let rows = Rows { window: window_of(args, source.as_ref(), &mut faults)?, phase: args.phase.as_deref() };
        let threads = args.threads.unwrap_or_else(threads::default).min(threads::MOST);
        let of = Request::of(rows, &chosen.choice);
        let request = Request { threads, percentiles: &args.percentiles, events: &chosen.events, ..of };
        let mut recording = summarise(source.as_ref(), &request, &mut faults, &mut |table| progress.step(table));
        problems.files(&faults);
        let narrowed = args.since.is_some() || args.until.is_some() || args.phase.is_some();
        if recording.tables.is_empty() && narrowed && !source.tables().is_empty() {
            problems.say(format!("{}: {}", source.path().display(), why_empty(args.phase.as_deref(), source.as_ref())));
        }
        if args.by == Some(By::Phase) {
            if recording.phases.is_empty() {
                problems.say(format!("{}: no phases; `perfwatch mark` sets them", recording.path));
            }
            // What cannot be read was just reported.
            let step = &mut |table: &str| progress.step(table);
            recording.by_phase = Some(by_phase(source.as_ref(), &recording.phases, &request, &mut Vec::new(), step));
        }
        if let Some(span) = recording.start.zip(recording.end).filter(|_| args.top.is_some()) {
            let step = &mut |table: &str| progress.step(table);
            recording.changes = Some(changes(source.as_ref(), span, &request, &mut Vec::new(), step));
        }
        missing_events(&chosen.events, &recording).into_iter().for_each(|text| problems.note(text));
        recordings.push(recording);
    }
    Ok(recordings)
}

fn sides(recordings: &[Recording]) -> Result<Matrix, Usage> {
    match recordings {
        [] | [_] => Err(Usage("--side-by-side needs two recordings or more".into())),
        several => Ok(side_by_side(several)),
    }
}

/// A note for each chosen event and ratio that a recording does not have.
fn missing_events(chosen: &EventChoice, recording: &Recording) -> Vec<String> {
    let perf = recording.tables.iter().find(|table| table.table == PERF);
    let events = || perf.into_iter().flat_map(|table| &table.entities).filter_map(|entity| entity.label(EVENT));
    let has_ratio = |name: &str| perf.is_some_and(|table| table.ratios.iter().any(|ratio| ratio.ratio == name));
    let no_event = |event: &&String| !events().any(|recorded| means(event, recorded));
    let events = chosen.events.iter().filter(no_event).map(|event| format!("event `{event}` was not recorded"));
    let ratios = chosen.ratios.iter().filter(|ratio| !has_ratio(ratio));
    let ratios = ratios.map(|ratio| format!("no `{ratio}`: its two events were not both counted"));
    events.chain(ratios).map(|text| format!("{}: {text}; --table perf shows what was", recording.path)).collect()
}

fn print(args: &ReportArgs, chosen: &Chosen, report: Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let options = Options {
        all: args.all,
        chosen: !args.metrics.is_empty(),
        only_events: chosen.events.is_limited() && !chosen.events.has_columns,
        percentiles: &args.percentiles,
        most_changes: args.top.unwrap_or(usize::MAX),
        wide: false,
    };
    match args.output.form() {
        Format::Table => {
            let width = args.width.unwrap_or_else(terminal::width);
            write_all(out, &text::render(&clean(report), width, options))
        }
        Format::Markdown => write_all(out, &markdown::render(&clean(report), options)),
        Format::Json => write_all(out, &json::render(&report)?),
        Format::Csv if io::stdout().is_terminal() => write_all(out, &csv_text(args, &clean(report))),
        Format::Csv => write_as_it_is(out, &csv_text(args, &report)),
    }
}

fn csv_text(args: &ReportArgs, report: &Report) -> String {
    match args.by {
        Some(By::Phase) => matrix::csv::by_phase(report),
        None if args.top.is_some() => csv::changes(report, args.top.unwrap_or(usize::MAX)),
        None if report.side_by_side.is_some() => matrix::csv::side_by_side(report),
        None => csv::render(report, &args.percentiles),
    }
}

#[cfg(test)]
mod tests;
