//! `perfwatch report`

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::examples;
use super::format::{FormatArgs, Forms};
use crate::query::window::When;
use crate::text::number::{columns, threads};

/// Summarise recordings
///
/// For every table, entity (device, core, interface, event) and metric: count, nulls, min, mean, p50, p95, p99, max; for
/// counters their total and rate; for perf events also instructions per cycle and miss ratios. The figures are exact.
/// Recordings that are still running can be read as well.
#[derive(Args, Clone, Debug)]
#[command(after_help = examples::REPORT)]
pub struct ReportArgs {
    /// Recordings, each a directory that `perfwatch record` wrote; a folder of runs means those that count
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recordings: Vec<PathBuf>,

    /// Leave out what was before: 07:30, "2026-11-20 07:30:00", +5m or -10m
    ///
    /// Times are UTC, as the report prints them; +5m is after the recording's start, -10m before its end, and a bare number such as
    /// +10 is seconds. A time without a date is of the day on which the recording has it.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<When>,

    /// Leave out what was at this time or after; written as for --since
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<When>,

    /// Only what was recorded in this phase and those inside it
    ///
    /// load, load/warmup, or warmup wherever it is.
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,

    /// Only these tables; see `perfwatch schema`
    #[arg(long = "table", short, value_name = "NAME", value_delimiter = ',')]
    pub tables: Vec<String>,

    /// Only these metrics: usage_percent, or disk.util_percent for one table's alone
    #[arg(long = "metric", short, value_name = "NAME", value_delimiter = ',')]
    pub metrics: Vec<String>,

    #[command(flatten)]
    pub output: FormatArgs<Format>,

    /// Write every row instead of a summary, as CSV: into DIR, FILE.csv, or - (standard output)
    ///
    /// A directory gets one file per table (with several recordings, one directory each below it). FILE.csv and - take the rows of
    /// one table of one recording: choose it with --table.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["format", "json"], value_hint = ValueHint::AnyPath)]
    pub csv: Option<PathBuf>,

    /// Let --csv replace files
    #[arg(long, requires = "csv")]
    pub force: bool,

    /// Show every entity and every metric, also those without a value and counters whose rate is shown
    #[arg(long, short)]
    pub all: bool,

    /// List the marks in the order of time instead of a summary
    #[arg(long, conflicts_with_all = ["csv", "tables", "metrics", "all"])]
    pub marks: bool,

    /// Work with this many threads [default: as many as there are cores, at most 4]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,

    /// Columns of the terminal [default: as wide as it is, else 80]; from 120 on all statistics are shown
    #[arg(long, value_name = "COLUMNS", value_parser = columns)]
    pub width: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the terminal, units scaled
    #[default]
    #[value(alias = "text")]
    Table,
    /// One line per metric, units as recorded
    Csv,
    /// Everything, units as recorded
    Json,
    /// For pages and issues, units scaled
    #[value(alias = "md")]
    Markdown,
}

impl Forms for Format {
    const JSON: Self = Format::Json;
}
