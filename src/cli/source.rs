//! Where values come from: options that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::time::duration;

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
