//! In what order a report shows its tables: what people ask for first, and what the recorder tells of itself last.

const FIRST: [&str; 15] = [
    "command",
    "cpu",
    "memory",
    "disk",
    "network",
    "pressure",
    "process",
    "cgroup",
    "cpu_core",
    "paging",
    "socket",
    "filesystem",
    "sensor",
    "perf",
    "mark",
];

/// Of the recorder itself.
pub const OWN: [&str; 3] = ["perf_status", "collector", "tick"];

/// The smaller comes first. A table that is not named here stands before the recorder's own.
pub fn place(table: &str) -> usize {
    let own = || OWN.iter().position(|name| *name == table).map(|at| FIRST.len() + 1 + at);
    FIRST.iter().position(|name| *name == table).or_else(own).unwrap_or(FIRST.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_place() {
        for table in crate::collect::catalog::tables() {
            assert_ne!(place(table.name), FIRST.len(), "{}: between which tables is it shown?", table.name);
        }
        let mut names = ["tick", "perf", "new one", "cpu", "collector", "command"];
        names.sort_by_key(|name| place(name));
        assert_eq!(names, ["command", "cpu", "perf", "new one", "collector", "tick"]);
    }
}
