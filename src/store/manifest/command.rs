//! The recorded command in the manifest: how it ended, and what it used.

use serde::{Deserialize, Serialize};

use crate::linux::signal::name;

/// The recorded command, in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandFacts {
    pub argv: Vec<String>,
    pub pid: u32,
    /// RFC 3339, UTC; null where it never began.
    pub started: Option<String>,
    pub ended: Option<String>,
    /// Null where a signal ended it.
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    /// `--timeout` ended it.
    pub timed_out: bool,
    /// The first signal that came to perfwatch while it ran, or before, and asked to end.
    pub interrupted_by: Option<i32>,
    pub cost: Option<Cost>,
}

/// What a command and all that came of it used up, from its exec on. Of children that nobody waits for (their parent ignores SIGCHLD), the
/// kernel tells nobody: what the samples saw counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    pub wall_s: f64,
    pub user_s: f64,
    pub system_s: f64,
    /// The most that a single process of it was resident, as the kernel noted it.
    pub max_rss_bytes: u64,
    /// The most that all were together, as the samples saw it: pages that they share are counted for each, so this is an
    /// upper bound.
    pub rss_sum_peak_bytes: u64,
    /// The most that its control group was charged with, file cache included, as the kernel noted it; null where it had none.
    pub cgroup_memory_peak_bytes: Option<u64>,
    /// CPU time by the account of its control group.
    pub cgroup_cpu_s: Option<f64>,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// From and to storage.
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub processes_peak: u64,
    /// Processes that it left running. What they used up until then is part of the sums above, but for their switches.
    pub left_running: u64,
    pub left_running_cpu_s: f64,
}

impl CommandFacts {
    /// In words. `is_over`: the recorder has noted all that it will ever know.
    pub fn how_it_ended(&self, is_over: bool) -> String {
        match (self.timed_out, self.exit_code, self.signal) {
            (true, ..) => "timed out".into(),
            (_, Some(code), _) => format!("exit status {code}"),
            (_, None, Some(signal)) => format!("ended by {}", name(signal)),
            _ if self.started.is_none() && is_over => "did not run".into(),
            _ if !is_over => "not ended yet, or its end is not known".into(),
            _ => "its end is not known".into(),
        }
    }

    /// The command and what became of it, in a line.
    pub fn in_a_line(&self, is_over: bool) -> String {
        const MOST: usize = 120;
        let words = self.argv.join(" ");
        let shown: String = words.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let more = if words.chars().nth(MOST).is_some() { " ..." } else { "" };
        let cost = self.cost.as_ref().map_or_else(String::new, |cost| {
            format!(" after {:.3} s, {:.3} s of CPU time", cost.wall_s, cost.user_s + cost.system_s)
        });
        format!("{shown}{more} ({}{cost})", self.how_it_ended(is_over))
    }
}
