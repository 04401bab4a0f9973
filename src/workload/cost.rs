//! The cost of a command, from the accounts of its processes and of its control group.

use super::command::{RecordedCommand, Used};
use super::start::End;
use crate::linux::cgroup::account;
use crate::linux::lock::lock;
use crate::store::manifest::Cost;

/// The cost of a command that has ended this way.
pub fn measure(command: &RecordedCommand, end: &End, wall_s: f64) -> Cost {
    let (seen, adopted) = (lock(&command.seen), lock(&command.adopted));
    let (mut left_running, mut by_left) = (0, Used::default());
    // Processes that ended since the last tick have been reaped.
    for (_, used) in seen.living.iter().filter(|(pid, _)| !adopted.since_tick.contains(pid)) {
        left_running += 1;
        by_left.add(used);
    }
    let before = command.before().copied().unwrap_or_default();
    let mut used = end.used.without(&before.process);
    for more in [&adopted.used, &seen.by_disowned, &by_left] {
        used.add(more);
    }
    let seconds = |us: u64| us as f64 / 1e6;
    let cpu = |used: &Used| seconds(used.user_us + used.system_us);
    let cgroup = account::read(&command.cgroup.folders);
    let max_rss_bytes = used.max_rss_bytes.max(seen.max_rss_bytes);
    Cost {
        wall_s,
        user_s: seconds(used.user_us),
        system_s: seconds(used.system_us),
        max_rss_bytes,
        rss_sum_peak_bytes: seen.rss_sum_peak_bytes.max(max_rss_bytes),
        cgroup_memory_peak_bytes: cgroup.memory_peak_bytes,
        cgroup_cpu_s: cgroup.usage_us.map(|us| seconds(us.saturating_sub(before.cgroup_us[0].unwrap_or(0)))),
        cpu_wait_s: seen.wait_us.map(seconds),
        energy_j: seen.energy_uj.map(|uj| uj as f64 / 1e6),
        minor_faults: used.minor_faults,
        major_faults: used.major_faults,
        voluntary_switches: used.voluntary_switches,
        involuntary_switches: used.involuntary_switches,
        read_bytes: used.read_bytes,
        write_bytes: used.write_bytes,
        processes_peak: seen.processes_peak,
        left_running,
        left_running_cpu_s: cpu(&by_left),
    }
}
