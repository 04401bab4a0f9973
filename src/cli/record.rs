//! `perfwatch record`

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum, ValueHint};

use super::examples;
use super::parameters::{ParameterList, parameter_list};
use super::size::bytes;
use crate::collect::catalog;
use crate::collect::options::Options;
use crate::record::burst::{self, Rule};
use crate::record::space::Floor;
use crate::store::manifest::SeriesRun;
use crate::text::number::{at_least_one, count};
use crate::text::time::{duration, interval, with_unit};

const COMMAND: &str = "Recording a command";
const KEEPING: &str = "Long recordings";

/// Sample this machine until stopped (SIGINT, SIGTERM, SIGHUP), for a time, or while a command runs.
///
/// `perfwatch record -- COMMAND` leaves the standard input, output and error of the command alone, passes signals on,
/// records it with all the processes that it starts, and returns its status: 128+n if signal n ended it, 124 after
/// --timeout, 126 and 127 if it could not be executed or found, 125 if the recording could not start.
///
/// The recording is a directory of Parquet files, one folder per table. What this machine does not have (hardware
/// counters, sensors, PSI) is left out, reported once, and noted in the manifest.
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
    /// Samples are taken at multiples of the interval on the wall clock. A bare number is seconds, at most 60; a larger
    /// one needs a unit, because `perf stat -I` counts in milliseconds.
    #[arg(short, long, default_value = "1s", value_parser = interval, value_name = "TIME")]
    pub interval: Duration,

    /// Sample more often while something happens: 'cpu.some_percent>20: 100ms for 30s'
    ///
    /// The condition is a metric as `compare` names it (`disk[vda].write_latency_ms>50`), looked at every --interval. Then
    /// samples are 100 ms apart, until the condition has not held for 30 seconds. With `of cpu,process` at the end, only
    /// these collectors sample more often. May be given several times.
    #[arg(long = "burst", value_name = "RULE", value_parser = rule, hide_short_help = true)]
    pub bursts: Vec<Rule>,

    /// Stop after this time, such as 30s; with COMMAND the same as --timeout
    ///
    /// A bare number is seconds. The default is to record until stopped, or until COMMAND ends.
    #[arg(short, long, value_parser = duration, value_name = "TIME")]
    pub duration: Option<Duration>,

    /// What to record: cpu,disk or a group (all, sar); -perf,+sensor for changes
    ///
    /// The groups are all, default and sar (what `sadc -S XALL` records). Groups and names can be mixed, as in sar,perf
    /// or all,-disk. `perfwatch doctor` lists the collectors, also those that are off by default.
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub collectors: Option<String>,

    #[command(flatten)]
    pub sources: Options,

    /// A fact to store with the recording (repeatable)
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,

    /// How often written data is forced to the disk: a power failure loses at most this much
    ///
    /// A bare number is seconds, at most 60.
    #[arg(long, default_value = "5s", value_parser = interval, value_name = "TIME", hide_short_help = true)]
    pub sync: Duration,

    /// How often Parquet files are finished: whole minutes that divide the hour
    ///
    /// The unit is required: 5m, 1h.
    #[arg(long, default_value = "1h", value_parser = with_unit, value_name = "TIME", hide_short_help = true)]
    pub rotate: Duration,

    /// Delete the oldest files, to keep only this much time: 1h or more
    ///
    /// Only finished files are deleted, one hour at a time, and never the newest. The unit is required: 12h, 7d. The
    /// default is to keep everything.
    #[arg(long, value_parser = with_unit, value_name = "TIME", help_heading = KEEPING)]
    pub retain: Option<Duration>,

    /// Maximum size of the recording: 500M, 5G; old files are deleted
    ///
    /// K, M, G, T are powers of 1024. The limit is approximate, because whole files are deleted, as with --retain.
    #[arg(long, value_parser = bytes, value_name = "SIZE", help_heading = KEEPING)]
    pub max_bytes: Option<u64>,

    /// Stop when the disk has less free space than this: 2G, or 5%
    ///
    /// What was recorded is kept. By default, free space is not checked.
    #[arg(long, value_name = "SIZE|PERCENT", help_heading = KEEPING)]
    pub min_free: Option<Floor>,

    /// Continue the existing recording in the directory
    #[arg(long)]
    pub append: bool,

    /// Record this command, from before it starts until it has ended
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
    /// They are named run=001 and so on, and an index lists them.
    #[arg(long, short_alias = 'r', value_name = "N", value_parser = at_least_one, conflicts_with = "append", help_heading = COMMAND)]
    pub runs: Option<u32>,

    /// Before --runs, run the command K times that do not count
    ///
    /// They are named warmup-001 and so on.
    #[arg(long, alias = "warmup", short_alias = 'w', value_name = "K", value_parser = count, help_heading = COMMAND)]
    pub warmup_runs: Option<u32>,

    /// With --runs, repeat the command with each value, NAME=1,2,4, for {NAME}
    ///
    /// `-L threads=1,2,4 -- ./bench -j{threads}`. If it is given several times, all combinations run. --prepare and --conclude may contain {NAME} too. The runs of each
    /// value are in a folder: DIR/threads=1/run=001. A comma in a value is written `\,`.
    #[arg(short = 'L', long = "parameter-list", value_name = "LIST", value_parser = parameter_list, help_heading = COMMAND)]
    pub parameter_lists: Vec<ParameterList>,

    /// The order in which several commands run: each block has one run of every command [default: random]
    #[arg(long, value_enum, value_name = "ORDER", hide_short_help = true, help_heading = COMMAND)]
    pub order: Option<Order>,

    /// Repeat a random order: the number that the earlier series printed
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = COMMAND)]
    pub seed: Option<u64>,

    /// A file that is the command's standard input, read from the beginning in each run
    ///
    /// The default is the standard input of perfwatch; each run gets a copy of it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true, help_heading = COMMAND)]
    pub stdin: Option<PathBuf>,

    /// With --runs, continue when a run fails
    #[arg(long, hide_short_help = true, help_heading = COMMAND)]
    pub ignore_failure: bool,

    /// End the command with SIGTERM after this time
    ///
    /// A bare number is seconds, as for timeout(1). The exit status is then 124.
    #[arg(long, value_parser = duration, value_name = "TIME", hide_short_help = true, help_heading = COMMAND)]
    pub timeout: Option<Duration>,

    /// Time after --timeout until the command is ended with SIGKILL
    #[arg(long, value_parser = duration, default_value = "10s", value_name = "TIME", hide_short_help = true, help_heading = COMMAND)]
    pub grace: Duration,

    /// Run the command in a separate control group where permitted: then its peak memory and CPU time are exact
    #[arg(long, value_enum, default_value_t = OwnCgroup::Auto, value_name = "WHEN", hide_short_help = true)]
    pub cgroup: OwnCgroup,

    /// Write the result into this file, as JSON
    ///
    /// Wall and CPU time, peak memory and exit status of COMMAND; ticks, files and bytes of the recording. `-` is
    /// standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub summary: Option<PathBuf>,

    /// With --runs, also write the results into this file, as hyperfine does
    ///
    /// Scripts for the JSON of hyperfine can read it. Only successful runs are in it. `-` is standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub export_json: Option<PathBuf>,

    /// Only print the result and errors; -qq: only errors
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,

    /// Print more: every collector and what it found
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,

    /// Which run of a series this is. Set by code that repeats a command, not by an option.
    #[arg(skip)]
    pub run: Option<SeriesRun>,
}

fn rule(text: &str) -> Result<Rule, String> {
    burst::rule(text, catalog::tables())
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Random within each block
    #[default]
    Random,
    /// As given, in every block
    Alternate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OwnCgroup {
    /// Where it is permitted and does not affect the command
    Auto,
    Off,
}

impl RecordArgs {
    /// With a command, `--duration` is the same as `--timeout`.
    ///
    /// # Errors
    /// When both are given and differ, or the time is zero.
    pub fn duration_of_command(&mut self) -> Result<(), String> {
        if self.command.is_empty() {
            return Ok(());
        }
        let Some(duration) = self.duration.take() else { return Ok(()) };
        if duration.is_zero() {
            return Err("--duration 0s: the command could not start; leave it out for no limit".into());
        }
        if self.timeout.is_some_and(|timeout| timeout != duration) {
            return Err("with a command, --duration is the same as --timeout: give one of them".into());
        }
        self.timeout = Some(duration);
        Ok(())
    }
}
