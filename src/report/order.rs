//! The order of tables in a report: the order in which people ask. What ran and what it said of itself, then CPU,
//! memory, disk, network, waiting and perf, then the rest, and what is about the recorder itself last.

const FIRST: [&str; 36] = [
    "command",
    "metric",
    "cpu",
    "memory",
    "gpu",
    "disk",
    "network",
    "pressure",
    "perf",
    "process",
    "gpu_process",
    "cgroup",
    "cpu_core",
    "paging",
    "node",
    "zram",
    "resctrl",
    "hugepages",
    "buddy",
    "socket",
    "tcp",
    "udp",
    "ip",
    "icmp",
    "infiniband",
    "nfs",
    "nfs_server",
    "nfs_server_operation",
    "softirq",
    "interrupt",
    "filesystem",
    "kernel",
    "energy",
    "sensor",
    "battery",
    "mark",
];

/// Tables about the recorder itself.
pub const OWN: [&str; 3] = ["perf_status", "collector", "tick"];

/// A sort key for tables. A table that is not named here comes before those about the recorder.
pub fn place(table: &str) -> usize {
    let own = || OWN.iter().position(|name| *name == table).map(|at| FIRST.len() + 1 + at);
    FIRST.iter().position(|name| *name == table).or_else(own).unwrap_or(FIRST.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_place() {
        for table in crate::collect::catalog::tables() {
            assert_ne!(place(table.name), FIRST.len(), "{}: between which tables is it shown?", table.name);
        }
        let mut names = ["tick", "perf", "new one", "cpu", "collector", "command"];
        names.sort_by_key(|name| place(name));
        assert_eq!(names, ["command", "cpu", "perf", "new one", "collector", "tick"]);
    }
}
