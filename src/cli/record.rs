//! `perfwatch record`

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum, ValueHint};

use super::examples;
use super::size::bytes;
use crate::collect::options::Options;
use crate::record::space::Floor;
use crate::store::manifest::SeriesRun;
use crate::text::number::{at_least_one, count};
use crate::text::time::{duration, interval, with_unit};

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
#[command(after_help = examples::RECORD_SHORT, after_long_help = examples::RECORD)]
pub struct RecordArgs {
    /// Directory to record into [default: perfwatch-DATE-TIME]
    ///
    /// It must be new or empty, except with --append.
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,

    /// Time between samples, 10ms to 1h
    ///
    /// Ticks fall on its wall-clock multiples. A bare number is seconds, up to 60; a larger one needs its unit, since `perf stat -I`
    /// counts in milliseconds.
    #[arg(short, long, default_value = "1s", value_parser = interval, value_name = "TIME")]
    pub interval: Duration,

    /// Stop after this time, such as 30s; with COMMAND the same as --timeout
    ///
    /// A bare number is seconds. The default is to go on until told to stop, or until COMMAND ends.
    #[arg(short, long, value_parser = duration, value_name = "TIME")]
    pub duration: Option<Duration>,

    /// What to record: cpu,disk for these, -perf,+sensor for changes
    ///
    /// `perfwatch doctor` lists the collectors.
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub collectors: Option<String>,

    #[command(flatten)]
    pub sources: Options,

    /// A fact to keep with the recording (repeatable)
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,

    /// How often what was written is forced to the disk: a power cut costs at most this
    ///
    /// A bare number is seconds, up to 60.
    #[arg(long, default_value = "5s", value_parser = interval, value_name = "TIME", hide_short_help = true)]
    pub sync: Duration,

    /// How often finished Parquet files appear: a divisor of the hour, whole minutes
    ///
    /// The unit must be there: 5m, 1h.
    #[arg(long, default_value = "1h", value_parser = with_unit, value_name = "TIME", hide_short_help = true)]
    pub rotate: Duration,

    /// Delete the oldest files, to keep this much time: 1h or more
    ///
    /// Only finished files go, an hour at a time, and never the newest. The unit must be there: 12h, 7d. The default is to keep all.
    #[arg(long, value_parser = with_unit, value_name = "TIME", help_heading = KEEPING)]
    pub retain: Option<Duration>,

    /// Delete them, to keep the recording below this size: 500M, 5G
    ///
    /// K, M, G, T are powers of 1024. The size is kept roughly, by deleting as with --retain.
    #[arg(long, value_parser = bytes, value_name = "SIZE", help_heading = KEEPING)]
    pub max_bytes: Option<u64>,

    /// Stop when the disk has less room than this: 2G, or 5% of it
    ///
    /// What was recorded stays. The default is never to stop for this.
    #[arg(long, value_name = "SIZE|PERCENT", help_heading = KEEPING)]
    pub min_free: Option<Floor>,

    /// Continue the recording that is in the directory
    #[arg(long)]
    pub append: bool,

    /// Record this command: from before it begins until it has ended
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,

    /// A shell script to run before the command, not timed
    ///
    /// It is recorded as phase `prepare`. If it fails, the command is not started.
    #[arg(long, value_name = "SCRIPT", help_heading = COMMAND)]
    pub prepare: Option<String>,

    /// A shell script to run after the command, not timed
    ///
    /// It is recorded as phase `conclude`.
    #[arg(long, value_name = "SCRIPT", hide_short_help = true, help_heading = COMMAND)]
    pub conclude: Option<String>,

    /// Run the command N times, each into its own recording below --output
    ///
    /// They are run-001 and so on, with an index.
    #[arg(long, short_alias = 'r', value_name = "N", value_parser = at_least_one, conflicts_with = "append", help_heading = COMMAND)]
    pub runs: Option<u32>,

    /// Before --runs, run it K times that do not count
    ///
    /// They are warmup-001 and so on.
    #[arg(long, alias = "warmup", short_alias = 'w', value_name = "K", value_parser = count, help_heading = COMMAND)]
    pub warmup_runs: Option<u32>,

    /// A file for the command to read as its standard input, from the beginning in each run
    ///
    /// The default is the standard input of perfwatch, of which each run gets a copy.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true, help_heading = COMMAND)]
    pub stdin: Option<PathBuf>,

    /// With --runs, go on when a run fails
    #[arg(long, hide_short_help = true, help_heading = COMMAND)]
    pub ignore_failure: bool,

    /// End the command after this time, with SIGTERM
    ///
    /// A bare number is seconds, as for timeout(1). The status is then 124.
    #[arg(long, value_parser = duration, value_name = "TIME", help_heading = COMMAND)]
    pub timeout: Option<Duration>,

    /// After --timeout and this much more, end the command with SIGKILL
    #[arg(long, value_parser = duration, default_value = "10s", value_name = "TIME", hide_short_help = true, help_heading = COMMAND)]
    pub grace: Duration,

    /// Put the command into a control group of its own, where that is permitted: its memory peak and CPU time are then known
    /// exactly
    #[arg(long, value_enum, default_value_t = OwnCgroup::Auto, value_name = "WHEN", hide_short_help = true)]
    pub cgroup: OwnCgroup,

    /// Write what it came to into this file, as JSON
    ///
    /// Wall and CPU time, peak memory and exit status of COMMAND; ticks, files and bytes of the recording. `-` is standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub summary: Option<PathBuf>,

    /// Only print the result and errors; -qq: only errors
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,

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

impl RecordArgs {
    /// With a command, `--duration` is its `--timeout`.
    ///
    /// # Errors
    /// When both are there and differ, or it is no time at all.
    pub fn duration_of_command(&mut self) -> Result<(), String> {
        if self.command.is_empty() {
            return Ok(());
        }
        let Some(duration) = self.duration.take() else { return Ok(()) };
        if duration.is_zero() {
            return Err("--duration 0s: the command could not even begin; leave it out for none".into());
        }
        if self.timeout.is_some_and(|timeout| timeout != duration) {
            return Err("with a command, --duration is the same as --timeout: give one of them".into());
        }
        self.timeout = Some(duration);
        Ok(())
    }
}
