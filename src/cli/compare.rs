//! `perfwatch compare`

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::examples;
use super::format::{FormatArgs, Forms};
use super::part::PartArgs;
use crate::query::window::When;
use crate::text::number::{at_least_one, columns, threads};

/// Compare two recordings, or two sets of runs: is one slower, and how sure is that?
///
/// Runs are compared, not samples: record at least three per side, better five (`record --runs 5`, or `ab` for both
/// sides in turn). Runs that failed or were interrupted do not count.
///
/// With a recorded command, these metrics decide the exit status: wall time, CPU time, peak memory, bytes written and
/// major page faults. All other metrics are listed if they differ.
///
/// Exit status: 0 no gated metric regressed; 1 something could not be read, or a gated metric exists on one side only;
/// 2 wrong usage; 3 a gated metric regressed; 4 inconclusive, with --fail-on inconclusive; 5 the sides differ in their
/// machine or settings, with --on-mismatch fail.
#[derive(Args, Clone, Debug)]
#[command(after_help = examples::COMPARE)]
pub struct CompareArgs {
    /// The baseline and the new side: recordings or folders of runs; or one folder that `perfwatch ab` wrote
    ///
    /// With --base-range and --new-range, one recording. With --self-check and --write-gate, the runs of one side.
    #[arg(value_name = "BASE NEW", num_args = 1.., conflicts_with_all = ["base", "new"], value_hint = ValueHint::AnyPath)]
    pub sides: Vec<PathBuf>,

    /// The recordings of the baseline, if there are several
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "new", value_hint = ValueHint::AnyPath)]
    pub base: Vec<PathBuf>,

    /// The recordings of the new side
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "base", value_hint = ValueHint::AnyPath)]
    pub new: Vec<PathBuf>,

    /// The runs of both sides belong together pairwise, in their order: they were recorded in turn
    #[arg(long)]
    pub paired: bool,

    /// Past recordings of the baseline: a change must exceed the difference between their sessions
    #[arg(long, value_name = "DIR", num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub history: Vec<PathBuf>,

    /// Only these metrics, and they decide: command.wall_s, cpu.usage_percent, or a table
    #[arg(long = "metric", short, value_name = "NAME", value_delimiter = ',')]
    pub metrics: Vec<String>,

    #[command(flatten)]
    pub part: PartArgs,

    /// Compare each phase by itself
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "phase")]
    pub by: Option<By>,

    /// Only this time of the baseline, such as 10:00..11:00 or +0s..+5m
    ///
    /// Times are written as for `perfwatch report --since` and --until; either may be left out. With one recording, two
    /// times of it are compared.
    #[arg(long, value_name = "FROM..TO", value_parser = range, allow_hyphen_values = true, hide_short_help = true)]
    pub base_range: Option<Range>,

    /// Only this time of the new side
    #[arg(long, value_name = "FROM..TO", value_parser = range, allow_hyphen_values = true, hide_short_help = true)]
    pub new_range: Option<Range>,

    /// Smaller relative changes do not matter [default: 5%, and 10% with fewer than 3 runs]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub min_rel: Option<f64>,

    /// Fail if a side has fewer runs that count
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub require_runs: Option<u32>,

    /// What to do if the machines or settings of the sides differ
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    pub on_mismatch: OnMismatch,

    /// Exit with status 4 if a gated metric is inconclusive
    #[arg(long, value_enum, value_name = "VERDICT")]
    pub fail_on: Option<FailOn>,

    /// Show how often the gate would be wrong with the runs of one side, split at random
    #[arg(long, conflicts_with_all = ["base", "new", "write_gate", "paired", "by", "history", "base_range", "new_range"], hide_short_help = true)]
    pub self_check: bool,

    /// Print a table `gate` for perfwatch.toml, with thresholds that fit the noise of these runs
    #[arg(long, conflicts_with_all = ["base", "new", "paired", "by", "history", "base_range", "new_range"], hide_short_help = true)]
    pub write_gate: bool,

    /// Show all metrics, not only those that decide or differ
    #[arg(long, short)]
    pub all: bool,

    #[command(flatten)]
    pub output: FormatArgs<Format>,

    /// Also write this format into a file: markdown=comment.md (repeatable)
    #[arg(long, value_name = "FORMAT=FILE", value_parser = output_file)]
    pub out: Vec<OutputFile>,

    /// Also write a page: verdicts, and charts of both sides over each other; - is standard output, instead of the table
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,

    /// For GitHub Actions: add the comparison to the summary of the job, and print annotations
    #[arg(long)]
    pub github: bool,

    /// Width of the table; the default is that of the terminal
    #[arg(long, value_name = "COLUMNS", value_parser = columns)]
    pub width: Option<usize>,

    /// Number of threads that read; the default is the number of CPUs, at most 4
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnMismatch {
    /// Say what differs
    #[default]
    Warn,
    /// Exit with status 5
    Fail,
    /// Say nothing
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Inconclusive,
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
    /// A line per metric
    Csv,
    /// A test case per gated metric
    Junit,
    /// For Prometheus
    Openmetrics,
    /// A page with charts of both sides
    Html,
}

impl Forms for Format {
    const JSON: Self = Format::Json;
}

/// What is compared by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    Phase,
}

/// A part of a recording; None: from its start, to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: Option<When>,
    pub to: Option<When>,
}

fn range(text: &str) -> Result<Range, String> {
    let (from, to) = text.split_once("..").ok_or("FROM..TO is needed, such as 10:00..11:00 or +0s..+5m")?;
    let when = |text: &str| (!text.trim().is_empty()).then(|| text.trim().parse::<When>()).transpose();
    Ok(Range { from: when(from)?, to: when(to)? })
}

/// `--out FORMAT=FILE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    pub format: Format,
    pub path: PathBuf,
}

fn output_file(text: &str) -> Result<OutputFile, String> {
    let (format, path) = text.split_once('=').ok_or("FORMAT=FILE is needed, such as markdown=comment.md")?;
    if path.is_empty() {
        return Err("a file name is missing after the `=`".into());
    }
    let format = Format::from_str(format, true).map_err(|_| {
        let names: Vec<_> = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let names: Vec<&str> = names.iter().map(clap::builder::PossibleValue::get_name).collect();
        format!("unknown format `{format}`; there are: {}", names.join(", "))
    })?;
    Ok(OutputFile { format, path: path.into() })
}

/// `5%` or `5` as 0.05.
///
/// # Errors
/// How percentages are written.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim_end().parse::<f64>().ok();
    let valid = number.filter(|percent| (0.0..=1000.0).contains(percent));
    valid.map(|percent| percent / 100.0).ok_or_else(|| "a percentage is needed, such as 5%".into())
}
