//! Where values come from: options that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::number::pid;
use super::time::interval;
use crate::collect::collector::{self, Processes};

const PERF: &str = "Events";

/// Where the values come from, shared by `record` and `doctor`.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    /// Events to count, by perf's names, or sets of them
    ///
    /// The sets are default, cache, tlb, branch, software and all-available. `perfwatch events` lists the events.
    #[arg(long, value_name = "EVENTS", help_heading = PERF)]
    pub perf_events: Option<String>,

    /// Who counts: perf_event_open, read at the tick (syscall), or the program perf stat, which knows more events (perf)
    #[arg(long, value_enum, default_value_t = Backend::Auto, value_name = "WHO", hide_short_help = true, help_heading = PERF)]
    pub perf_backend: Backend,

    /// How often events are counted, 10ms to 1h [default: every tick]
    ///
    /// Shorter than --interval, the perf program does it. A bare number is seconds, up to 60.
    #[arg(long, value_parser = interval, value_name = "TIME", hide_short_help = true, help_heading = PERF)]
    pub perf_interval: Option<Duration>,

    /// Whose events: system (the default) or command, those of COMMAND
    ///
    /// Those of COMMAND include what it starts.
    #[arg(long, value_enum, value_name = "WHOSE", hide_possible_values = true, conflicts_with_all = ["pids", "perf_cgroups", "cpus"], help_heading = PERF)]
    pub perf_scope: Option<PerfScope>,

    /// CPUs that events are counted on, e.g. 0-3,8 [default: all]
    #[arg(long, value_name = "LIST", hide_short_help = true, help_heading = PERF)]
    pub cpus: Option<String>,

    /// One row an event and CPU; the same as --perf-per cpu
    #[arg(long, conflicts_with = "perf_per", hide_short_help = true, help_heading = PERF)]
    pub perf_per_cpu: bool,

    /// One row an event and part of the machine
    #[arg(long, value_enum, value_name = "PART", hide_short_help = true, help_heading = PERF)]
    pub perf_per: Option<Per>,

    /// Record this process and what it starts, and count its events
    ///
    /// Events are then counted of it alone, as long as it lives; the recording goes on. May be given several times.
    #[arg(long = "pid", value_name = "PID", value_delimiter = ',', value_parser = pid, help_heading = PERF)]
    pub pids: Vec<u32>,

    /// Count events of this cgroup (its name below the mount, or its path); may be given several times
    #[arg(long = "perf-cgroup", value_name = "CGROUP", hide_short_help = true, help_heading = PERF)]
    pub perf_cgroups: Vec<String>,

    /// The perf program [default: where one is needed, the one on PATH]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true, help_heading = PERF)]
    pub perf_path: Option<PathBuf>,

    /// What perf stat prints
    #[arg(long, value_enum, default_value_t = StatFormat::Auto, value_name = "FORMAT", hide_short_help = true, help_heading = PERF)]
    pub perf_format: StatFormat,

    /// Record processes too: all, top=20, or match=REGEX
    ///
    /// At most once per second: all, those that use most CPU time and memory (top=20), or those whose name or command line matches
    /// (match=REGEX). The default is none, except those of COMMAND and --pid.
    #[arg(long, value_name = "WHICH")]
    pub processes: Option<Processes>,

    /// Record control groups too, by patterns of their paths (repeatable)
    ///
    /// For instance system.slice/*.service or /docker/*; self is our own. The default is none, except that of COMMAND.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub cgroups: Vec<String>,

    /// Record the loopback interface too
    #[arg(long, hide_short_help = true)]
    pub all_interfaces: bool,

    /// Record partitions, loop and ram devices too
    #[arg(long, hide_short_help = true)]
    pub all_disks: bool,

    /// Record pseudo and network file systems too
    #[arg(long, hide_short_help = true)]
    pub all_filesystems: bool,

    /// Read /proc from here
    #[arg(long, default_value = "/proc", value_name = "DIR", value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub proc_root: PathBuf,

    /// Read /sys from here
    #[arg(long, default_value = "/sys", value_name = "DIR", value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub sys_root: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PerfScope {
    /// Everything that runs on this machine
    System,
    /// The recorded command and what it starts
    Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The system call, where it can count what is asked for
    Auto,
    /// The program `perf stat`
    Perf,
    /// The system call perf_event_open
    Syscall,
}

impl From<Backend> for collector::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto => Self::Auto,
            Backend::Perf => Self::Perf,
            Backend::Syscall => Self::Syscall,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatFormat {
    /// CSV, unless a perf prints no counts so
    Auto,
    Csv,
    /// From perf 6.0
    Json,
}

impl From<StatFormat> for collector::StatFormat {
    fn from(format: StatFormat) -> Self {
        match format {
            StatFormat::Auto => Self::Auto,
            StatFormat::Csv => Self::Csv,
            StatFormat::Json => Self::Json,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Per {
    Cpu,
    Core,
    Die,
    Socket,
    Node,
    /// By the perf program, from 6.11
    Cluster,
    /// By the perf program, from 6.5
    Cache,
    /// With --pid
    Thread,
}

impl From<Per> for collector::Per {
    fn from(per: Per) -> Self {
        match per {
            Per::Cpu => Self::Cpu,
            Per::Core => Self::Core,
            Per::Die => Self::Die,
            Per::Socket => Self::Socket,
            Per::Node => Self::Node,
            Per::Cluster => Self::Cluster,
            Per::Cache => Self::Cache,
            Per::Thread => Self::Thread,
        }
    }
}
