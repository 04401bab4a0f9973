//! What users can configure in the collectors: each collector's own options, under its name. An option is declared
//! once, next to its collector, for the command line, the settings file and the manifest.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;
use serde_json::{Map, Value};

use super::cgroup::options::CgroupOptions;
use super::gpu::options::GpuOptions;
use super::metric::options::MetricOptions;
use super::perf::options::PerfOptions;
use super::process::options::ProcessOptions;
use crate::linux::files::Roots;

/// The options of all collectors.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct Options {
    #[command(flatten)]
    pub perf: PerfOptions,

    #[command(flatten)]
    pub process: ProcessOptions,

    #[command(flatten)]
    pub cgroup: CgroupOptions,

    #[command(flatten)]
    pub gpu: GpuOptions,

    #[command(flatten)]
    #[serde(skip_serializing_if = "MetricOptions::is_empty")]
    pub metric: MetricOptions,

    #[command(flatten)]
    pub network: NetworkOptions,

    #[command(flatten)]
    pub disk: DiskOptions,

    #[command(flatten)]
    pub filesystem: FilesystemOptions,

    #[command(flatten)]
    #[serde(flatten)]
    pub roots: RootOptions,
}

/// The options of collector `network`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct NetworkOptions {
    /// Record the loopback interface as well
    #[arg(long, hide_short_help = true)]
    pub all_interfaces: bool,
}

/// The options of collector `disk`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct DiskOptions {
    /// Record partitions, loop and ram devices as well
    #[arg(long, hide_short_help = true)]
    pub all_disks: bool,
}

/// The options of collector `filesystem`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct FilesystemOptions {
    /// Record pseudo and network file systems as well
    #[arg(long, hide_short_help = true)]
    pub all_filesystems: bool,
}

/// Where the kernel's files are.
#[derive(Clone, Debug, Args, Serialize)]
pub struct RootOptions {
    /// Read /proc from here
    #[arg(long, default_value = "/proc", value_name = "DIR", value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub proc_root: PathBuf,

    /// Read /sys from here
    #[arg(long, default_value = "/sys", value_name = "DIR", value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub sys_root: PathBuf,
}

impl Default for RootOptions {
    fn default() -> Self {
        let Roots { proc, sys } = Roots::default();
        RootOptions { proc_root: proc, sys_root: sys }
    }
}

impl Options {
    pub fn roots(&self) -> Roots {
        Roots { proc: self.roots.proc_root.clone(), sys: self.roots.sys_root.clone() }
    }

    /// The options in the form stored in the manifest.
    pub fn facts(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(facts)) => facts,
            // Cannot happen: a struct of options is an object.
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn parsed(args: &[&str]) -> Map<String, Value> {
        Cli::parse_from(["x"].iter().chain(args)).options.facts()
    }

    #[test]
    fn the_command_line_has_the_defaults_of_the_collectors() {
        assert_eq!(parsed(&[]), Options::default().facts());
    }

    #[test]
    fn each_collector_has_its_own_options_under_its_name() {
        let args = "--all-disks --perf-scope command --perf-per core --perf-interval 250ms --processes top=5 --cgroups a,b \
                    --perf-backend syscall --proc-root /p";
        let found = parsed(&args.split_whitespace().collect::<Vec<_>>());
        assert_eq!(found["disk"], json!({ "all_disks": true }));
        assert_eq!(found["network"], json!({ "all_interfaces": false }));
        assert_eq!(found["filesystem"], json!({ "all_filesystems": false }));
        assert_eq!(found["process"], json!({ "processes": "top=5", "pss_s": null }));
        assert_eq!(found["cgroup"], json!({ "cgroups": ["a", "b"] }));
        assert_eq!((&found["proc_root"], &found["sys_root"]), (&json!("/p"), &json!("/sys")));
        let perf = json!({
            "events": [], "backend": "syscall", "interval_s": 0.25, "scope": "command", "cpus": null, "per": "core",
            "pids": [], "cgroups": [], "path": null, "format": "auto"
        });
        assert_eq!(found["perf"], perf);
    }
}
