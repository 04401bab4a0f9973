//! `perfwatch report`: opens recordings, summarises them, and prints the summary.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::{write_all, write_as_it_is};
use super::{Outcome, Usage};
use crate::cli::report::{Format, ReportArgs};
use crate::collect::catalog;
use crate::events::generic;
use crate::linux::clock;
use crate::query::select::chosen;
use crate::query::window::{self, Ambiguous, When};
use crate::query::{Choice, Rows, threads};
use crate::report::clean::clean;
use crate::report::marks::{self, Marks};
use crate::report::model::{JSON_VERSION, Recording, Report};
use crate::report::phases::{phases, words};
use crate::report::summary::{Request, summarise};
use crate::report::view::{MOST_PHASES, Options};
use crate::report::{csv, json, markdown, text};
use crate::store::read::piece::{Fault, ReadError, Source, Window};
use crate::store::runs::{Meant, Runs, meant};
use crate::table::TableDef;
use crate::table::phase::{SEPARATOR, is_within};
use crate::text::nearest::did_you_mean;
use crate::ui::{self, terminal};
use export::Export;

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
        None => {
            let recordings = summaries(args, &opened, &choice, &mut problems, &mut progress)?;
            progress.done();
            print(args, Report { version: JSON_VERSION, runs, recordings }, out)?;
        }
    }
    progress.done();
    Ok(problems.outcome())
}

/// The tables and columns of this build, and those of the recordings.
fn with_tables_of(catalog: &[TableDef], opened: &[Box<dyn Source>]) -> Vec<TableDef> {
    let mut all = catalog.to_vec();
    for table in opened.iter().flat_map(|source| source.tables()) {
        match all.iter_mut().find(|known| known.name == table.name) {
            Some(known) => *known = known.with_columns_of(table).unwrap_or_else(|| known.clone()),
            None => all.push(table.clone()),
        }
    }
    all
}

/// The recordings that could be opened.
struct Opened {
    sources: Vec<Box<dyn Source>>,
    runs: Vec<Runs>,
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
        if let Meant::Runs(of) = meant {
            opened.runs.push(of);
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
    let list = Marks { version: JSON_VERSION, recordings };
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
            problems.say(format!("{}: {}", source.path().display(), nothing(args, source.as_ref())));
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

/// A hint for a name that is not a metric, but a table or a perf event.
fn other_than_metric(name: &str, catalog: &[TableDef]) -> Option<String> {
    if catalog.iter().any(|t| t.name == name) {
        return Some(format!(": it is a table; choose it with `--table {name}`"));
    }
    let base = name.split(':').next().unwrap_or(name);
    let is_event =
        generic::all().any(|event| event.names.iter().any(|n| n.eq_ignore_ascii_case(base))) || base.contains('/');
    is_event.then(|| ": it is a perf event, not a column; `--table perf` shows the events that were counted".into())
}

/// The selected tables and metrics, whose names are known.
pub(super) fn choice(args: &ReportArgs, catalog: &[TableDef]) -> Result<Choice, Usage> {
    let tables = || catalog.iter().map(|t| t.name);
    for name in &args.tables {
        if !tables().any(|t| t == name) {
            let hint = did_you_mean(name, tables());
            let all = if hint.is_empty() {
                format!("; there are: {}", tables().collect::<Vec<_>>().join(", "))
            } else {
                hint
            };
            return Err(Usage(format!("unknown table `{name}`{all}")));
        }
    }
    for name in &args.metrics {
        let (of, column) = name.split_once('.').map_or((None, name.as_str()), |(t, c)| (Some(t), c));
        if let Some(of) = of.filter(|of| !tables().any(|t| t == *of)) {
            return Err(Usage(format!("unknown table `{of}` in `{name}`{}", did_you_mean(of, tables()))));
        }
        let among = |t: &&TableDef| {
            of.map_or(args.tables.is_empty() || args.tables.iter().any(|n| n == t.name), |of| of == t.name)
        };
        let metrics = || catalog.iter().filter(among).flat_map(TableDef::metrics).map(|c| c.name);
        if !metrics().any(|m| m == column) {
            let place = match (of, args.tables.as_slice()) {
                (Some(of), _) => format!(" in table {of}"),
                (None, []) => String::new(),
                (None, tables) => format!(" in {}", tables.join(", ")),
            };
            let hint = did_you_mean(column, metrics());
            let hint =
                other_than_metric(column, catalog).unwrap_or_else(|| format!("{hint}; `perfwatch schema` lists them"));
            return Err(Usage(format!("unknown metric `{column}`{place}{hint}")));
        }
    }
    Ok(Choice { tables: args.tables.clone(), metrics: args.metrics.clone() })
}

fn window_of(args: &ReportArgs, source: &dyn Source, faults: &mut Vec<ReadError>) -> Result<Window, Usage> {
    if args.since.is_none() && args.until.is_none() {
        return Ok(Window::ALL);
    }
    let span = span(source, faults).unwrap_or((0, 0));
    let resolve = |option: &str, when: Option<When>| {
        let resolved = when.map(|when| when.resolve(span)).transpose();
        resolved.map_err(|Ambiguous(days)| {
            Usage(format!(
                "{option}: the recording has this time on {days} days: write the date too{}",
                span_words(source)
            ))
        })
    };
    let window = window::window(resolve("--since", args.since)?, resolve("--until", args.until)?);
    if window.from_us >= window.to_us {
        return Err(Usage(format!("--since is not before --until{}", span_words(source))));
    }
    Ok(window)
}

/// First and last instant of a recording; of table `tick` if it exists, because that has a row for every tick.
fn span(source: &dyn Source, faults: &mut Vec<ReadError>) -> Option<(i64, i64)> {
    let tables = source.tables();
    let of = |t: &'static TableDef, faults: &mut Vec<ReadError>| {
        let spans: Vec<_> = source.pieces(t, Window::ALL, faults).iter().filter_map(|p| p.span()).collect();
        spans.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let tick = tables.iter().find(|t| t.name == "tick").and_then(|t| of(t, faults));
    tick.or_else(|| tables.iter().filter_map(|t| of(t, faults)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))))
}

/// Why a part of a recording has no rows: there is no such phase, or there are none in this time.
fn nothing(args: &ReportArgs, source: &dyn Source) -> String {
    let asked = args.phase.as_deref();
    let all = phases(source, Window::ALL, &mut Vec::new());
    if let Some(asked) = asked.filter(|asked| !all.iter().any(|p| is_within(&p.phase, asked))) {
        if all.is_empty() {
            return "no rows in phases; `perfwatch mark` sets them".into();
        }
        let names = all.iter().flat_map(|p| p.phase.split(SEPARATOR).chain([p.phase.as_str()]));
        let hint = did_you_mean(asked, names);
        return format!("no phase `{asked}`{hint}; there are: {}", words(&all, MOST_PHASES));
    }
    format!("no rows in this time{}{}", if asked.is_some() { " and phase" } else { "" }, span_words(source))
}

fn span_words(source: &dyn Source) -> String {
    let stamp = |us| crate::report::model::Instant(us).rfc3339();
    match span(source, &mut Vec::new()) {
        Some((from, to)) => format!("; {} lasts from {} to {}", source.path().display(), stamp(from), stamp(to)),
        None => String::new(),
    }
}

/// The problems reported on standard error, once per file.
#[derive(Default)]
struct Problems {
    any: bool,
    said: Vec<PathBuf>,
}

impl Problems {
    fn outcome(&self) -> Outcome {
        if self.any { Outcome::Incomplete } else { Outcome::Done }
    }
    /// Prints a message that is not about a problem.
    fn note(&mut self, text: String) {
        ui::complain(&text);
    }
    fn say(&mut self, text: String) {
        self.any = true;
        ui::complain(&text);
    }
    fn files(&mut self, faults: &[ReadError]) {
        for fault in faults {
            if !self.said.contains(&fault.path) {
                self.say(match fault.fault {
                    Fault::Journal(_) | Fault::NoJournal => fault.to_string(),
                    _ => format!("skipped {fault}"),
                });
                self.said.push(fault.path.clone());
            }
        }
    }
}

/// A progress bar on standard error, if that is a terminal and the work takes some time.
struct Progress {
    started: Instant,
    steps: u64,
    at: u64,
    bar: Option<ProgressBar>,
}

/// Shorter work needs no bar.
const PATIENCE: Duration = Duration::from_millis(400);

impl Progress {
    fn new(steps: usize) -> Self {
        Progress { started: clock::instant(), steps: steps as u64, at: 0, bar: None }
    }

    fn step(&mut self, table: &str) {
        self.at += 1;
        if self.bar.is_none() && self.started.elapsed() < PATIENCE {
            return;
        }
        let steps = self.steps;
        let bar = self.bar.get_or_insert_with(|| {
            // Hidden automatically if standard error is not a terminal.
            let style = ProgressStyle::with_template("reading {msg:12} {bar:30} {pos}/{len}");
            ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_message(table.to_string());
        bar.set_position(self.at);
    }

    fn done(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[path = "report_csv.rs"]
mod export;

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
