//! Names for whole lists of events: `--perf-events cache,tlb,r01c2`.

use super::bandwidth;
use super::generic::{self, GenericKind};
use super::pmu::Pmus;

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
pub const SETS: [(&str, &str); 7] = [
    ("default", "the 17 events that are counted by default"),
    ("cache", "caches of all levels, and instructions"),
    ("tlb", "address translation, and instructions"),
    ("branch", "branches and their prediction, and instructions"),
    ("software", "all events that the kernel itself counts"),
    (MEMORY_BANDWIDTH, "bytes read from memory and written to it, as memory controllers count them"),
    ("all-available", "every hardware, software and cache event that can be counted here"),
];

/// The set of the events that memory controllers have.
pub const MEMORY_BANDWIDTH: &str = "memory-bandwidth";

/// The set that depends on what can be counted.
pub const ALL_AVAILABLE: &str = "all-available";

/// The software events that never count on their own.
const IDLE: [&str; 2] = ["dummy", "bpf-output"];

/// Whether this is the name of a set.
pub fn is_set(name: &str) -> bool {
    SETS.iter().any(|(set, _)| *set == name)
}

/// The events of a set; `None` if `name` is not a set. `counts` is only called for [`ALL_AVAILABLE`]. On a machine
/// without events for [`MEMORY_BANDWIDTH`] its name is left, for which there is a reason instead of a counter.
pub fn members(name: &str, pmus: &Pmus, counts: &mut dyn FnMut(&generic::Generic) -> bool) -> Option<Vec<String>> {
    let listed = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
    let usual = |g: generic::Generic| g.names.into_iter().next().filter(|n| !IDLE.contains(&n.as_str()));
    match name {
        "default" => listed(&DEFAULT),
        "cache" => listed(&CACHE),
        "tlb" => listed(&TLB),
        "branch" => listed(&BRANCH),
        "software" => Some(generic::all().filter(|g| g.kind == GenericKind::Software).filter_map(usual).collect()),
        MEMORY_BANDWIDTH => match bandwidth::events(pmus) {
            none if none.is_empty() => None,
            events => Some(events),
        },
        ALL_AVAILABLE => Some(generic::all().filter(|g| counts(g)).filter_map(usual).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::pmu::tests::{roots, tree};
    use super::*;

    /// A machine without PMUs.
    fn none() -> Pmus {
        Pmus::new(&roots(&tree(&[])))
    }

    #[test]
    fn every_set_has_events_that_exist() {
        let pmus = none();
        for (name, _) in SETS.into_iter().filter(|(name, _)| *name != MEMORY_BANDWIDTH) {
            let events = members(name, &pmus, &mut |_| true).unwrap();
            assert!(!events.is_empty(), "{name}");
            for event in events {
                assert!(generic::id_of(&event).is_some(), "{name}: {event}");
            }
        }
        for name in ["cycles", MEMORY_BANDWIDTH] {
            assert_eq!(members(name, &pmus, &mut |_| true), None, "{name}");
        }
    }

    #[test]
    fn events_that_do_not_count_are_not_available() {
        let software = members(ALL_AVAILABLE, &none(), &mut |g| g.kind == GenericKind::Software).unwrap();
        assert!(software.contains(&"cpu-clock".to_string()) && !software.contains(&"cycles".to_string()));
        assert!(!software.contains(&"dummy".to_string()));
    }
}
