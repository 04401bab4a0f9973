//! `perfwatch report`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::report::window::When;

/// Summarise recordings
///
/// For every table, entity (device, core, interface, event) and metric: count, nulls, min, mean, p50, p95, p99, max; for
/// counters their total and rate; for perf events also instructions per cycle and miss ratios. The figures are exact.
/// Recordings that are still running can be read as well.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Recordings, each a directory that `perfwatch record` wrote; a folder of runs means those that count
    #[arg(required = true, value_name = "DIR")]
    pub recordings: Vec<PathBuf>,

    /// Leave out what was before: 2026-11-20T07:30:00Z, 07:30 (UTC, on the recording's first day), +5m (after its start)
    /// or -10m (before its end)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<When>,

    /// Leave out what was at this time or after; written as for --since
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<When>,

    /// Only what was recorded in this phase and those inside it: load, load/warmup, or warmup wherever it is
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,

    /// Only these tables; see `perfwatch schema`
    #[arg(long = "table", short, value_name = "NAME", value_delimiter = ',')]
    pub tables: Vec<String>,

    /// Only these metrics: usage_percent, or disk.util_percent for one table's alone
    #[arg(long = "metric", short, value_name = "NAME", value_delimiter = ',')]
    pub metrics: Vec<String>,

    /// How to print the summary
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub format: Format,

    /// Write every row instead of a summary: one CSV file a table into this directory (with several recordings, into one
    /// directory each below it)
    #[arg(long, value_name = "DIR", conflicts_with = "format")]
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

    /// Columns of the terminal [default: as wide as it is, else 80]; from 120 on all statistics are shown
    #[arg(long, value_name = "COLUMNS")]
    pub width: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the terminal, units scaled
    #[default]
    Table,
    /// One line for each metric, units as recorded
    Csv,
    /// Everything, units as recorded
    Json,
    /// For pages and issues, units scaled
    Markdown,
}
