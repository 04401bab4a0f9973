//! The recorded command in the manifest: how it ended, and what it cost.

use serde::{Deserialize, Serialize};

use crate::linux::signal::name;

/// The recorded command, in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandFacts {
    pub argv: Vec<String>,
    pub pid: u32,
    /// RFC 3339, UTC; null if it never started.
    pub started: Option<String>,
    pub ended: Option<String>,
    /// Null if a signal ended it.
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    /// `--timeout` ended it.
    pub timed_out: bool,
    /// The first signal to perfwatch, before or during the command, that asked it to end.
    pub interrupted_by: Option<i32>,
    pub cost: Option<Cost>,
    /// The program, and the files that the command line names, after the command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<NamedFile>,
}

/// A file that the command line names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamedFile {
    pub path: String,
    pub bytes: u64,
    /// XXH3 with 128 bits, as 32 hexadecimal digits.
    pub xxh3: String,
}

/// The cost of a command and all its descendants since exec. The kernel does not report children that are never waited
/// for (their parent ignores SIGCHLD); for these, the sampled values count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    pub wall_s: f64,
    pub user_s: f64,
    pub system_s: f64,
    /// Peak resident memory of a single process, reported by the kernel.
    pub max_rss_bytes: u64,
    /// Peak of the sum of resident memory, as sampled. Shared pages count once per process, so this is an upper bound.
    pub rss_sum_peak_bytes: u64,
    /// Peak memory charged to its control group, including file cache, reported by the kernel; null without a control
    /// group.
    pub cgroup_memory_peak_bytes: Option<u64>,
    /// CPU time of its control group.
    pub cgroup_cpu_s: Option<f64>,
    /// How long its threads could run and no CPU ran them, summed, as sampled; null if the kernel does not count it.
    pub cpu_wait_s: Option<f64>,
    /// What all processor packages and their memory consumed while it ran, whoever caused it; null without counters.
    pub energy_j: Option<f64>,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// From and to storage.
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub processes_peak: u64,
    /// Processes that were still running when it ended. Their cost until then is included above, except their context
    /// switches.
    pub left_running: u64,
    pub left_running_cpu_s: f64,
}

impl CommandFacts {
    /// As text. `is_over`: the recorder will not add anything.
    pub fn how_it_ended(&self, is_over: bool) -> String {
        match (self.timed_out, self.exit_code, self.signal) {
            (true, ..) => "timed out".into(),
            (_, Some(code), _) => format!("exit status {code}"),
            (_, None, Some(signal)) => format!("ended by {}", name(signal)),
            _ if self.started.is_none() && is_over => "did not run".into(),
            _ if !is_over => "still running, or how it ended is not known".into(),
            _ => "how it ended is not known".into(),
        }
    }

    /// The command and how it ended, on one line.
    pub fn in_a_line(&self, is_over: bool) -> String {
        const MAX: usize = 120;
        let words = self.argv.join(" ");
        let shown: String = words.chars().take(MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let more = if words.chars().nth(MAX).is_some() { " ..." } else { "" };
        let cost = self.cost.as_ref().map_or_else(String::new, |cost| {
            format!(" after {:.3} s, {:.3} s of CPU time", cost.wall_s, cost.user_s + cost.system_s)
        });
        format!("{shown}{more} ({}{cost})", self.how_it_ended(is_over))
    }
}
