//! `--summary FILE`: the result of a recording, as JSON for scripts.

use serde::Serialize;

use crate::record::ended::Ended;
use crate::store::layout::Layout;
use crate::store::manifest::CommandFacts;

/// Raised when a key is removed or changes its meaning.
const VERSION: u32 = 1;

/// The values of the result line. Null means no value, for example because there was no command.
#[derive(Debug, Serialize)]
pub struct Summary {
    version: u32,
    recording: String,
    /// "command", "duration", "SIGINT", …
    end_reason: String,
    command: Option<Vec<String>>,
    /// As a shell returns it: 128+n if signal n ended it, 124 after `--timeout`.
    exit_status: Option<u8>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    timed_out: Option<bool>,
    wall_s: Option<f64>,
    cpu_s: Option<f64>,
    user_s: Option<f64>,
    system_s: Option<f64>,
    max_rss_bytes: Option<u64>,
    /// Peak of the command's control group, with file cache; null if it had none.
    cgroup_memory_peak_bytes: Option<u64>,
    /// How long its threads waited for a CPU, summed.
    cpu_wait_s: Option<f64>,
    /// What all processors and their memory consumed while it ran.
    energy_j: Option<f64>,
    ticks: u64,
    missed_ticks: u64,
    lost_ticks: u64,
    marks: u64,
    /// Number and size of all files of the recording; null if it no longer exists.
    files: Option<u64>,
    bytes: Option<u64>,
    problems: Vec<String>,
}

impl Summary {
    pub fn of(layout: &Layout, ended: &Ended) -> Summary {
        let command = ended.command.as_ref();
        let facts: Option<&CommandFacts> = command.map(|c| &c.facts);
        let cost = facts.and_then(|f| f.cost.as_ref());
        let size = layout.root.is_dir().then(|| layout.size());
        Summary {
            version: VERSION,
            recording: layout.root.display().to_string(),
            end_reason: ended.reason.clone(),
            command: facts.map(|f| f.argv.clone()),
            exit_status: command.map(|c| c.status),
            exit_code: facts.and_then(|f| f.exit_code),
            signal: facts.and_then(|f| f.signal),
            timed_out: facts.map(|f| f.timed_out),
            wall_s: cost.map(|c| c.wall_s),
            cpu_s: cost.map(|c| c.user_s + c.system_s),
            user_s: cost.map(|c| c.user_s),
            system_s: cost.map(|c| c.system_s),
            max_rss_bytes: cost.map(|c| c.max_rss_bytes),
            cgroup_memory_peak_bytes: cost.and_then(|c| c.cgroup_memory_peak_bytes),
            cpu_wait_s: cost.and_then(|c| c.cpu_wait_s),
            energy_j: cost.and_then(|c| c.energy_j),
            ticks: ended.ticks,
            missed_ticks: ended.missed,
            lost_ticks: ended.lost,
            marks: ended.marks,
            files: size.map(|(files, _)| files),
            bytes: size.map(|(_, bytes)| bytes),
            problems: ended.problems.clone(),
        }
    }
}
