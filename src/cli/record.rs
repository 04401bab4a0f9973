//! `perfwatch record`

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::size::{Floor, bytes};
use super::source::SourceArgs;
use super::time::duration;
use crate::manifest::SeriesRun;

const COMMAND: &str = "Recording a command";
const KEEPING: &str = "Long recordings";

/// Sample this machine until stopped (SIGINT, SIGTERM, SIGHUP), for a time, or while a command runs.
///
/// `perfwatch record -- COMMAND` leaves the command its input, output and errors, passes signals on, records it with all that it
/// starts, and returns its status: 128+n when signal n ended it, 124 after --timeout, 126 and 127 when it could not be executed or
/// found, 125 when recording could not begin.
///
/// The recording is a directory of Parquet files, one folder a table. What this machine does not have (hardware counters,
/// sensors, PSI) is left out, said once, and noted in the manifest.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// Directory to record into; must be new or empty, unless --append [default: perfwatch-DATE-TIME]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Time between samples, 10ms to 1h; ticks fall on its wall-clock multiples
    #[arg(short, long, default_value = "1s", value_parser = duration, value_name = "TIME")]
    pub interval: Duration,

    /// Stop after this time [default: when told to]
    #[arg(short, long, value_parser = duration, value_name = "TIME")]
    pub duration: Option<Duration>,

    /// What to record: names (`cpu,disk`), or changes to the default (`-perf,+sensor`)
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub collectors: Option<String>,

    #[command(flatten)]
    pub sources: SourceArgs,

    /// A fact to keep with the recording; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,

    /// How often what was written is forced to the disk: a power cut costs at most this
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "TIME")]
    pub sync: Duration,

    /// How often finished Parquet files appear: a divisor of the hour, whole minutes
    #[arg(long, default_value = "1h", value_parser = duration, value_name = "TIME")]
    pub rotate: Duration,

    /// Keep only so much time: the oldest finished files are deleted, an hour at a time and never the newest [default: all]
    #[arg(long, value_parser = duration, value_name = "TIME", help_heading = KEEPING)]
    pub retain: Option<Duration>,

    /// Keep the recording about so small, e.g. 5G (K, M, G, T are binary): the oldest finished files are deleted, as above
    #[arg(long, value_parser = bytes, value_name = "SIZE", help_heading = KEEPING)]
    pub max_bytes: Option<u64>,

    /// Stop, with all that was recorded, when the disk has less room than this: 2G, or 5% of it [default: never]
    #[arg(long, value_name = "SIZE|PERCENT", help_heading = KEEPING)]
    pub min_free: Option<Floor>,

    /// Continue the recording that is in the directory
    #[arg(long)]
    pub append: bool,

    /// Record this command: from before it begins until it has ended
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "duration")]
    pub command: Vec<OsString>,

    /// Run this by the shell before the command: recorded as phase `prepare`, and not timed; if it fails, the command is not started
    #[arg(long, value_name = "SCRIPT", help_heading = COMMAND)]
    pub prepare: Option<String>,

    /// Run this by the shell after the command: recorded as phase `conclude`, and not timed
    #[arg(long, value_name = "SCRIPT", help_heading = COMMAND)]
    pub conclude: Option<String>,

    /// Run the command N times, each into its own recording in --output (run-001 and so on), with an index
    #[arg(long, short_alias = 'r', value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "append", help_heading = COMMAND)]
    pub runs: Option<u32>,

    /// Before --runs, run it so many times that do not count (warmup-001 and so on)
    #[arg(long, alias = "warmup", short_alias = 'w', value_name = "K", help_heading = COMMAND)]
    pub warmup_runs: Option<u32>,

    /// The command's standard input is this file, each run's from the beginning [default: ours, of which each run gets a copy]
    #[arg(long, value_name = "FILE", help_heading = COMMAND)]
    pub stdin: Option<PathBuf>,

    /// With --runs, go on when a run fails
    #[arg(long, help_heading = COMMAND)]
    pub ignore_failure: bool,

    /// End the command after this time, with SIGTERM
    #[arg(long, value_parser = duration, value_name = "TIME", help_heading = COMMAND)]
    pub timeout: Option<Duration>,

    /// After --timeout and so much more, end the command with SIGKILL
    #[arg(long, value_parser = duration, default_value = "10s", value_name = "TIME", help_heading = COMMAND)]
    pub grace: Duration,

    /// Put the command into a control group of its own, where that is permitted: its memory peak and CPU time are then known
    /// exactly
    #[arg(long, value_enum, default_value_t = OwnCgroup::Auto, value_name = "WHEN")]
    pub cgroup: OwnCgroup,

    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Say more: every collector and what it found
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,

    /// Which run of a series this is; only for those who repeat.
    #[arg(skip)]
    pub run: Option<SeriesRun>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OwnCgroup {
    /// Where it is permitted, and changes nothing for the command
    Auto,
    Off,
}
