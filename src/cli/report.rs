//! `perfwatch report`

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::examples;
use super::format::{FormatArgs, Forms};
use super::rows::RowsArgs;
use crate::stats::percentile::Percentile;
use crate::text::number::{at_least_one, columns, threads};
use crate::text::time::with_unit;

/// Summarise recordings
///
/// For every table, entity (device, core, interface, event) and metric: count, nulls, min, mean, p50, p95, p99, max;
/// for counters the total and the rate; for perf events also instructions per cycle and miss ratios. The figures are
/// exact. Recordings that are still running can be read too.
#[derive(Args, Clone, Debug)]
#[command(after_help = examples::REPORT, group = ArgGroup::new("files").args(["csv", "html", "svg"]).multiple(true))]
pub struct ReportArgs {
    /// Recordings (directories that `perfwatch record` wrote); a folder of runs means the runs that count
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub recordings: Vec<PathBuf>,

    #[command(flatten)]
    pub rows: RowsArgs,

    /// Only these metrics: usage_percent, or disk.util_percent for one table only; also perf events and ratios
    ///
    /// Events by any of their names (cycles, cpu-cycles, sched:sched_switch), ratios by theirs
    /// (instructions_per_cycle, which is also ipc; branch_miss_percent).
    #[arg(long = "metric", short, value_name = "NAME", value_delimiter = ',')]
    pub metrics: Vec<String>,

    /// Show these percentiles: 50,90,99.9
    ///
    /// In place of p50, p95 and p99; JSON has both. With up to four digits after the point.
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with_all = ["csv", "marks"])]
    pub percentiles: Vec<Percentile>,

    /// One table of metrics and phases: means, and rates of counters
    ///
    /// The columns are the phases in order of time, each with the phases inside it, and what is outside of all.
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["files", "marks", "side_by_side"])]
    pub by: Option<By>,

    /// Show what changed most inside the recording: 10 metrics, or N
    ///
    /// Metrics whose level changed by more than their noise, with the time, both levels, and the difference in units of
    /// the noise. Nothing is listed if nothing changed.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", value_parser = most)]
    #[arg(conflicts_with_all = ["files", "marks", "by", "side_by_side"])]
    pub top: Option<usize>,

    /// Show recordings next to each other, with the differences to the first
    #[arg(long, conflicts_with_all = ["files", "marks"])]
    pub side_by_side: bool,

    /// Draw the course of each metric over time, from zero up
    ///
    /// By default on a terminal with a UTF-8 locale, where the width leaves room.
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "auto", default_missing_value = "always", hide_short_help = true)]
    pub sparklines: Show,

    /// Follow a running recording: show the report again at every tick, or every 5s
    ///
    /// A terminal shows as much as fits; the whole report stays when the recording ends, or at Ctrl-C. In a pipe, one
    /// report follows another; with --json, one per line. A report that takes long is made less often, so that this costs
    /// at most a twentieth of a CPU.
    #[arg(long, value_name = "EVERY", num_args = 0..=1, value_parser = every)]
    #[arg(conflicts_with_all = ["files", "marks", "side_by_side"])]
    pub follow: Option<Option<Duration>>,

    #[command(flatten)]
    pub output: FormatArgs<Format>,

    /// Write every row as CSV instead of a summary: into DIR, FILE.csv, or - (standard output)
    ///
    /// A directory gets one file per table (with several recordings, one subdirectory per recording). FILE.csv and -
    /// take the rows of one table of one recording: choose it with --table.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["format", "json"], value_hint = ValueHint::AnyPath)]
    pub csv: Option<PathBuf>,

    /// Write a page with charts: one HTML file, or - (standard output)
    ///
    /// The page needs nothing else, also no network, and works without scripts. Several recordings are drawn over each
    /// other, aligned by their phases if they have the same, otherwise by their start. An existing file is replaced.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "json", "csv"], value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,

    /// Write each chart of the page as an SVG file into FOLDER
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["format", "json", "csv"], value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub svg: Option<PathBuf>,

    /// What --html and --svg draw: the headline columns of each table, or all
    #[arg(long, value_name = "WHICH", value_enum, default_value_t, requires = "files", hide_short_help = true)]
    pub charts: Charts,

    /// Let --csv replace existing files, and --html be larger than 50 MB
    #[arg(long, requires = "files", hide_short_help = true)]
    pub force: bool,

    /// Show every entity and metric, also those without a value and counters whose rate is shown
    #[arg(long, short)]
    pub all: bool,

    /// List the marks in order of time instead of a summary
    #[arg(long, conflicts_with_all = ["csv", "html", "svg", "tables", "metrics", "all"])]
    pub marks: bool,

    /// Work with this many threads [default: as many as there are cores, at most 4]
    #[arg(long, value_name = "N", value_parser = threads, hide_short_help = true)]
    pub threads: Option<usize>,

    /// Columns of the terminal [default: as wide as it is, else 80]; from 120 on all statistics are shown
    #[arg(long, value_name = "COLUMNS", value_parser = columns, hide_short_help = true)]
    pub width: Option<usize>,
}

fn most(text: &str) -> Result<usize, String> {
    at_least_one(text)
        .map(|n| n as usize)
        .map_err(|error| format!("{error}; without a number, --top is after the recordings"))
}

fn every(text: &str) -> Result<Duration, String> {
    with_unit(text)
        .map_err(|error| format!("{error}; without a time, --follow is after the recording"))
        .and_then(|time| if time.is_zero() { Err("a time above 0 is needed, such as 5s".into()) } else { Ok(time) })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// On a terminal that can show them
    #[default]
    Auto,
    /// In any table and in Markdown
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// As `perfwatch mark` set them
    Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the terminal, scaled units
    #[default]
    #[value(alias = "text")]
    Table,
    /// One line per metric, units as recorded
    Csv,
    /// Everything, units as recorded
    Json,
    /// For web pages and issues, scaled units
    #[value(alias = "md")]
    Markdown,
}

/// How much a page draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Charts {
    /// The most important columns, and the largest entities
    #[default]
    Headline,
    /// Every column and entity
    All,
}

impl Forms for Format {
    const JSON: Self = Format::Json;
}
