//! `perfwatch trend`

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::compare::percent;
use super::examples;
use super::format::{FormatArgs, Forms};
use super::part::PartArgs;
use crate::text::number::{columns, threads};
use crate::trend::Order;

/// Look at many runs in order: where did a metric change, by how much, and what else changed there?
///
/// Each recording is a point, or each folder of runs, of which the mean counts. At least 8 points are needed, 40 are
/// better. Runs that failed or were interrupted do not count.
///
/// A change is found if it is larger than what an unchanged series does by itself, also if each run resembles the one
/// before. What differs between the recordings there is printed; if it is about the machine, as environment.
///
/// Exit status: 0 done, whatever was found; 1 something could not be read; 2 wrong usage.
#[derive(Args, Clone, Debug)]
#[command(after_help = examples::TREND)]
pub struct TrendArgs {
    /// Recordings, or folders of runs; the runs of a single folder are points
    #[arg(value_name = "DIR", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub recordings: Vec<PathBuf>,

    /// Order of the points: time, given (as on the command line), or tag:KEY (the value of a tag; v1.9 before v1.10)
    #[arg(long, value_name = "ORDER", default_value_t)]
    pub order_by: Order,

    /// Only these metrics: command.wall_s, cpu.usage_percent, or a table
    #[arg(long = "metric", short, value_name = "NAME", value_delimiter = ',')]
    pub metrics: Vec<String>,

    #[command(flatten)]
    pub part: PartArgs,

    /// Smaller relative changes do not matter
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = percent)]
    pub min_rel: f64,

    /// Show all metrics, not only those that are gated or changed
    #[arg(long, short)]
    pub all: bool,

    #[command(flatten)]
    pub output: FormatArgs<Format>,

    /// Width of the tables; the default is that of the terminal
    #[arg(long, value_name = "COLUMNS", value_parser = columns)]
    pub width: Option<usize>,

    /// Number of threads that read; the default is the number of CPUs, at most 4
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    #[value(alias = "table")]
    Text,
    /// For a comment
    Markdown,
    /// For programs, with all inputs
    Json,
    /// A line per change
    Csv,
}

impl Forms for Format {
    const JSON: Self = Format::Json;
}
