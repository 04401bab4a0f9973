//! What users can ask of collector `cgroup`.

use clap::Args;
use serde::Serialize;

/// The options of collector `cgroup`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct CgroupOptions {
    /// Also record control groups whose paths match these patterns (repeatable)
    ///
    /// For example system.slice/*.service or /docker/*; containers are those of Docker, containerd, CRI-O, podman,
    /// systemd-nspawn, LXC and Kubernetes; self is the group of perfwatch itself. The default is none, except the group of
    /// COMMAND.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub cgroups: Vec<String>,
}
