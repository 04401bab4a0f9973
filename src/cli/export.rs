//! `perfwatch export`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::examples;
use super::rows::RowsArgs;
use crate::text::time::with_unit;

/// Write the rows of recordings in other formats
///
/// As recorded, or resampled to longer intervals. Times are RFC 3339, UTC. Recordings that are still running can be
/// exported too.
#[derive(Args, Clone, Debug)]
#[command(after_help = examples::EXPORT)]
pub struct ExportArgs {
    /// Recordings; a folder of runs means the runs that count
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub recordings: Vec<PathBuf>,

    #[command(flatten)]
    pub rows: RowsArgs,

    /// Only these columns: usage_percent, or disk.util_percent for one table only
    ///
    /// `ts` and the columns that identify a row (device, cpu, event) are always there.
    #[arg(long, short, value_name = "NAME", value_delimiter = ',')]
    pub columns: Vec<String>,

    /// One row per entity and this much time, instead of every row
    ///
    /// Gauges, rates and shares become means weighted by time (latencies by the number of operations), counts of perf
    /// events become sums, of counters, texts and flags the last value counts. `ts` is the start of the interval, and
    /// intervals begin at multiples of their length since 1970. Marks stay as they are.
    #[arg(long, value_name = "TIME", value_parser = with_unit)]
    pub every: Option<Duration>,

    /// With --every: also the smallest and largest value of each number, in columns that end in _min and _max
    #[arg(long, requires = "every")]
    pub min_max: bool,

    /// One row per tick, with a column per metric and entity: `usage_percent[3]`, `cycles`
    ///
    /// For table perf the columns are the events, and next to them instructions per cycle and miss ratios.
    #[arg(long)]
    pub wide: bool,

    /// Format [default: that of the file which -o names, else csv]
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Write into this file or directory [default: standard output]
    ///
    /// A directory gets one file per table (with several recordings, one subdirectory per recording). A file and
    /// standard output take one table of one recording: choose it with --table. A file of the formats openmetrics and
    /// perfetto takes all tables of all recordings.
    #[arg(long, short, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,

    /// Replace existing files
    #[arg(long)]
    pub force: bool,

    /// Write everything of a recording, or of a folder of runs, into this one file
    ///
    /// All commands that read recordings take it in place of the directory. It is a ZIP archive: `unzip FILE -d DIR`
    /// makes a directory of it again.
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::AnyPath,
        conflicts_with_all =
            ["tables", "columns", "since", "until", "phase", "every", "min_max", "wide", "format", "output"]
    )]
    pub pack: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line per row; no value is an empty field
    Csv,
    /// A JSON object per line and row; no value is null
    #[value(aliases = ["ndjson", "json"])]
    Jsonl,
    /// Parquet, with plain texts
    Parquet,
    /// Arrow: a file (Feather), on standard output a stream
    #[value(alias = "feather")]
    Arrow,
    /// Samples with times, for Prometheus and others
    #[value(alias = "prometheus")]
    Openmetrics,
    /// A trace for ui.perfetto.dev
    Perfetto,
}
