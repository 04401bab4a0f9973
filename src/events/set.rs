//! Names for whole lists of events: `--perf-events cache,tlb,r01c2`.

use super::generic::{self, GenericKind};

/// The events that are counted by default.
pub const DEFAULT: [&str; 17] = [
    "cpu-clock",
    "context-switches",
    "cpu-migrations",
    "page-faults",
    "cycles",
    "instructions",
    "branches",
    "branch-misses",
    "L1-dcache-loads",
    "L1-dcache-load-misses",
    "LLC-loads",
    "LLC-load-misses",
    "L1-icache-loads",
    "dTLB-loads",
    "dTLB-load-misses",
    "iTLB-loads",
    "iTLB-load-misses",
];

/// With the instructions, so that the report can compute rates per thousand instructions.
const CACHE: [&str; 10] = [
    "instructions",
    "cache-references",
    "cache-misses",
    "L1-dcache-loads",
    "L1-dcache-load-misses",
    "L1-dcache-stores",
    "L1-icache-loads",
    "L1-icache-load-misses",
    "LLC-loads",
    "LLC-load-misses",
];

const TLB: [&str; 7] = [
    "instructions",
    "dTLB-loads",
    "dTLB-load-misses",
    "dTLB-stores",
    "dTLB-store-misses",
    "iTLB-loads",
    "iTLB-load-misses",
];

const BRANCH: [&str; 5] = ["instructions", "branches", "branch-misses", "branch-loads", "branch-load-misses"];

/// The names of all sets, with descriptions.
pub const SETS: [(&str, &str); 6] = [
    ("default", "the 17 events that are counted by default"),
    ("cache", "caches of all levels, and instructions"),
    ("tlb", "address translation, and instructions"),
    ("branch", "branches and their prediction, and instructions"),
    ("software", "all events that the kernel itself counts"),
    ("all-available", "every hardware, software and cache event that can be counted here"),
];

/// The set that depends on this machine.
pub const ALL_AVAILABLE: &str = "all-available";

/// The software events that never count on their own.
const IDLE: [&str; 2] = ["dummy", "bpf-output"];

/// The events of a set; `None` if `name` is not a set. `counts` is only called for [`ALL_AVAILABLE`].
pub fn members(name: &str, counts: &mut dyn FnMut(&generic::Generic) -> bool) -> Option<Vec<String>> {
    let listed = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
    let usual = |g: generic::Generic| g.names.into_iter().next().filter(|n| !IDLE.contains(&n.as_str()));
    match name {
        "default" => listed(&DEFAULT),
        "cache" => listed(&CACHE),
        "tlb" => listed(&TLB),
        "branch" => listed(&BRANCH),
        "software" => Some(generic::all().filter(|g| g.kind == GenericKind::Software).filter_map(usual).collect()),
        ALL_AVAILABLE => Some(generic::all().filter(|g| counts(g)).filter_map(usual).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_has_events_that_exist() {
        for (name, _) in SETS {
            let events = members(name, &mut |_| true).unwrap();
            assert!(!events.is_empty(), "{name}");
            for event in events {
                assert!(generic::id_of(&event).is_some(), "{name}: {event}");
            }
        }
        assert_eq!(members("cycles", &mut |_| true), None);
    }

    #[test]
    fn events_that_do_not_count_are_not_available() {
        let software = members(ALL_AVAILABLE, &mut |g| g.kind == GenericKind::Software).unwrap();
        assert!(software.contains(&"cpu-clock".to_string()) && !software.contains(&"cycles".to_string()));
        assert!(!software.contains(&"dummy".to_string()));
    }
}
