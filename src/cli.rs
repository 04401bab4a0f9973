//! The command line: one `Args` struct per subcommand, no behaviour.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Record how a Linux machine is doing into Parquet files, and report on them.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Record(RecordArgs),
    Recover(RecoverArgs),
    Doctor(DoctorArgs),
}

/// Sample this machine until stopped (SIGINT, SIGTERM, SIGHUP) or for a time.
///
/// The recording is a directory of Parquet files, one folder a table. What this machine does not have (hardware counters,
/// sensors, PSI) is left out, said once, and noted in the manifest.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Directory to record into; must be new or empty, unless --append [default: perfwatch-DATE-TIME]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Time between samples, 10ms to 1h; ticks fall on its wall-clock multiples
    #[arg(short, long, default_value = "1s", value_parser = duration, value_name = "TIME")]
    pub interval: Duration,

    /// Stop after this time (default: when told to)
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

    /// Continue the recording that is in the directory
    #[arg(long)]
    pub append: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Say more: every collector and what it found
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// Where the values come from, shared by `record` and `doctor`.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    /// Events for perf stat, by perf's names [default: 17 common ones]
    #[arg(long, value_name = "EVENTS")]
    pub perf_events: Option<String>,

    /// Interval of perf stat, from 10ms [default: that of the recording, but at least 100ms]
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub perf_interval: Option<Duration>,

    /// CPUs that perf stat counts on, e.g. 0-3,8 [default: all]
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<String>,

    /// The perf program [default: the one on PATH]
    #[arg(long, value_name = "FILE")]
    pub perf_path: Option<PathBuf>,

    /// Record the loopback interface too
    #[arg(long)]
    pub all_interfaces: bool,

    /// Record partitions, loop and ram devices too
    #[arg(long)]
    pub all_disks: bool,

    /// Record pseudo and network file systems too
    #[arg(long)]
    pub all_filesystems: bool,

    /// Read /proc from here
    #[arg(long, default_value = "/proc", value_name = "DIR")]
    pub proc_root: PathBuf,

    /// Read /sys from here
    #[arg(long, default_value = "/sys", value_name = "DIR")]
    pub sys_root: PathBuf,
}

/// Make Parquet files of what a killed recorder left in its journal.
///
/// `report` reads such a recording as it is; this is for those who read the files themselves.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The recordings
    #[arg(required = true, value_name = "DIR")]
    pub recordings: Vec<PathBuf>,
}

/// Tell what would be recorded on this machine, what not, why, and what to do about it.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub sources: SourceArgs,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How a table of facts is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Json,
    Markdown,
}

/// `500ms`, `1s`, `5m`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string());
    }
    humantime::parse_duration(text).map_err(|e| format!("{e}; a time is written like 500ms, 1s or 5m"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_declaration_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert!(duration("-1").is_err() && duration("soon").is_err() && duration("").is_err());
    }
}
