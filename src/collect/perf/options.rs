//! The options for counting events.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use serde::Serialize;

use crate::events::request::split_list;
use crate::text::number::pid;
use crate::text::time::{as_seconds, interval};

const HEADING: &str = "Events";

/// The options of collector `perf`. The manifest stores them by the names of the fields.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct PerfOptions {
    /// Events to count: perf's event names, or names of sets
    ///
    /// The sets are default, cache, tlb, branch, software, memory-bandwidth and all-available. `perfwatch events` lists the events.
    #[arg(id = "perf_events", long = "perf-events", value_name = "EVENTS", help_heading = HEADING)]
    pub events: Vec<String>,

    /// What counts the events: the system call perf_event_open, read at the tick (syscall), or the program perf stat,
    /// which knows more events (perf)
    #[arg(id = "perf_backend", long = "perf-backend", value_enum, default_value_t = Backend::Auto, value_name = "BACKEND", hide_short_help = true, help_heading = HEADING)]
    pub backend: Backend,

    /// Interval between counts, 10ms to 1h [default: every tick]
    ///
    /// If shorter than --interval, the program perf is used. A number without unit is in seconds, up to 60.
    #[arg(id = "perf_interval", long = "perf-interval", value_parser = interval, value_name = "TIME", hide_short_help = true, help_heading = HEADING)]
    #[serde(rename = "interval_s", serialize_with = "as_seconds")]
    pub interval: Option<Duration>,

    /// Where to count events: system (the default), or command (COMMAND)
    ///
    /// The events of COMMAND include those of the processes it starts.
    #[arg(id = "perf_scope", long = "perf-scope", value_enum, value_name = "SCOPE", hide_possible_values = true, conflicts_with_all = ["pids", "perf_cgroups", "cpus"], help_heading = HEADING)]
    pub scope: Option<PerfScope>,

    /// CPUs to count events on, e.g. 0-3,8 [default: all]
    #[arg(long, value_name = "LIST", hide_short_help = true, help_heading = HEADING)]
    pub cpus: Option<String>,

    /// One row per event and CPU; the same as --perf-per cpu
    #[arg(id = "perf_per_cpu", long = "perf-per-cpu", conflicts_with = "perf_per", hide_short_help = true, help_heading = HEADING)]
    #[serde(skip)]
    pub per_cpu: bool,

    /// One row per event and part of the machine
    #[arg(id = "perf_per", long = "perf-per", value_enum, default_value_t = Per::Whole, value_name = "PART", hide_short_help = true, help_heading = HEADING)]
    pub per: Per,

    /// Record this process and the processes it starts, and count its events
    ///
    /// Only its events are counted then, as long as it runs; the recording continues. May be given several times.
    #[arg(long = "pid", value_name = "PID", value_delimiter = ',', value_parser = pid, help_heading = HEADING)]
    pub pids: Vec<u32>,

    /// Count events of this cgroup (its name below the mount, or its path); may be given several times
    #[arg(id = "perf_cgroups", long = "perf-cgroup", value_name = "CGROUP", hide_short_help = true, help_heading = HEADING)]
    pub cgroups: Vec<String>,

    /// The program perf [default: the one on PATH, if one is needed]
    #[arg(id = "perf_path", long = "perf-path", value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true, help_heading = HEADING)]
    pub path: Option<PathBuf>,

    /// Output format of perf stat
    #[arg(id = "perf_format", long = "perf-format", value_enum, default_value_t = StatFormat::Auto, value_name = "FORMAT", hide_short_help = true, help_heading = HEADING)]
    pub format: StatFormat,
}

impl PerfOptions {
    /// The same options in a unique form: events one by one, parts by name.
    pub fn normalized(mut self) -> PerfOptions {
        self.events = self.events.iter().flat_map(|list| split_list(list)).collect();
        if std::mem::take(&mut self.per_cpu) {
            self.per = Per::Cpu;
        }
        self
    }

    /// Whether any option for events was given.
    pub fn asks_for_events(&self) -> bool {
        let whose = self.scope.is_some() || !self.cgroups.is_empty();
        let how = self.path.is_some() || self.backend != Backend::Auto || self.interval.is_some();
        !self.events.is_empty() || whose || how
    }
}

/// What counts the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The system call if it can count what is requested, else the program perf
    #[default]
    Auto,
    /// The program `perf stat`
    Perf,
    /// The system call perf_event_open
    Syscall,
}

/// Where events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PerfScope {
    /// Everything that runs on this machine
    System,
    /// The recorded command and the processes it starts
    Command,
}

/// The output format of `perf stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StatFormat {
    /// CSV, unless this perf prints no counts in CSV
    #[default]
    Auto,
    Csv,
    /// From perf 6.0
    Json,
}

/// What the counts of an event are split by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// One row per event
    #[default]
    Whole,
    Cpu,
    Core,
    Die,
    Socket,
    Node,
    /// With the program perf, from 6.11
    Cluster,
    /// With the program perf, from 6.5
    Cache,
    /// With --pid
    Thread,
}
