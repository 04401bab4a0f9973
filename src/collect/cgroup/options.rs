//! What users can ask of collector `cgroup`.

use clap::Args;
use serde::Serialize;

/// The options of collector `cgroup`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct CgroupOptions {
    /// Record control groups too, by patterns of their paths (repeatable)
    ///
    /// For instance system.slice/*.service or /docker/*; self is our own. The default is none, except that of COMMAND.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub cgroups: Vec<String>,
}
