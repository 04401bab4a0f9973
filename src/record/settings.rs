//! The settings of a session.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::burst::Rule;
use super::space::Floor;
use crate::collect::options::Options;
use crate::store::manifest::SeriesRun;
use crate::store::write::retain::Retention;

/// All settings of a session. They are built and checked once, and never changed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None`: a new directory in the working directory, named after the time.
    pub output: Option<PathBuf>,
    /// Continue the recording that is in the directory.
    pub append: bool,
    /// Time between two ticks.
    pub interval: Duration,
    /// When to sample more often.
    pub bursts: Vec<Rule>,
    /// `None`: until something else ends it.
    pub duration: Option<Duration>,
    /// Time between two syncs of the journal.
    pub sync: Duration,
    /// Length of the window that one journal covers, and thus one Parquet file per table.
    pub rotate: Duration,
    pub retention: Retention,
    /// The session stops when the disk has less free space than this.
    pub min_free: Option<Floor>,
    /// Names of the collectors to open.
    pub collectors: BTreeSet<&'static str>,
    /// The options of the collectors.
    pub options: Options,
    pub tags: BTreeMap<String, String>,
    /// Which run of a series this session is.
    pub run: Option<SeriesRun>,
    pub workload: Option<WorkloadSettings>,
}

/// The recorded command, and the steps before and after it.
#[derive(Clone, Debug)]
pub struct WorkloadSettings {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// Shell scripts that run before and after it.
    pub prepare: Option<String>,
    pub conclude: Option<String>,
    /// The command gets SIGTERM after this time, and SIGKILL after `grace` more.
    pub timeout: Option<Duration>,
    pub grace: Duration,
    /// Try to give it a control group of its own.
    pub own_cgroup: bool,
}
