//! The events that have a number in every kernel, for any CPU: hardware, software and cache events.
//!
//! Source: the kernel's `include/uapi/linux/perf_event.h` for the numbers; `perf list` for the names.

use std::fmt;

use super::EventId;

/// What counts an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GenericKind {
    /// A counter of the CPU.
    Hardware,
    /// The kernel itself.
    Software,
    /// A counter of the CPU, in the kernel's grid of caches, operations and results.
    Cache,
}

impl GenericKind {
    pub const fn number(self) -> u32 {
        match self {
            GenericKind::Hardware => 0,
            GenericKind::Software => 1,
            GenericKind::Cache => 3,
        }
    }
}

impl fmt::Display for GenericKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            GenericKind::Hardware => "hardware",
            GenericKind::Software => "software",
            GenericKind::Cache => "cache",
        })
    }
}

/// The event that counts wherever the system call is allowed.
pub const CPU_CLOCK: &str = "cpu-clock";

/// An event with its names, the usual one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generic {
    pub names: Vec<String>,
    pub kind: GenericKind,
    pub id: EventId,
    pub doc: String,
}

type Numbered = (u64, &'static [&'static str], &'static str);

static HARDWARE: &[Numbered] = &[
    (0, &["cycles", "cpu-cycles"], "Cycles of the CPU while it is not halted, at its current frequency"),
    (1, &["instructions"], "Completed instructions"),
    (2, &["cache-references"], "Accesses to the last cache level, as counted by the CPU"),
    (3, &["cache-misses"], "Accesses that missed the last cache level"),
    (4, &["branches", "branch-instructions"], "Executed branches"),
    (5, &["branch-misses"], "Mispredicted branches"),
    (6, &["bus-cycles"], "Cycles of the bus"),
    (7, &["stalled-cycles-frontend", "idle-cycles-frontend"], "Cycles in which no instruction could be fetched"),
    (8, &["stalled-cycles-backend", "idle-cycles-backend"], "Cycles in which instructions waited for resources"),
    (9, &["ref-cycles"], "Cycles at a constant frequency while the CPU is not halted"),
];

static SOFTWARE: &[Numbered] = &[
    (0, &["cpu-clock"], "Time of the CPUs, whether idle or not"),
    (1, &["task-clock"], "Time of the CPUs on tasks; system-wide it is the same as cpu-clock"),
    (2, &["page-faults", "faults"], "Page faults, minor and major"),
    (3, &["context-switches", "cs"], "Switches from one task to another"),
    (4, &["cpu-migrations", "migrations"], "Tasks that moved to another CPU"),
    (5, &["minor-faults"], "Page faults that needed no disk"),
    (6, &["major-faults"], "Page faults that had to read from disk"),
    (7, &["alignment-faults"], "Unaligned accesses that the kernel had to repair; never on x86"),
    (8, &["emulation-faults"], "Instructions that the kernel had to emulate; never on x86"),
    (9, &["dummy"], "Counts nothing; a placeholder for tools"),
    (10, &["bpf-output"], "Output of BPF programs; counts nothing on its own"),
    (11, &["cgroup-switches"], "Switches to a task of another cgroup (Linux 5.13)"),
];

/// The spellings that perf accepts for a word of a cache event; the usual one first.
type Spellings = &'static [&'static str];

const READ: usize = 0;
const WRITE: usize = 1;
const PREFETCH: usize = 2;

/// Caches with their spellings, their operations, and a description.
static CACHES: &[(Spellings, &[usize], &str)] = &[
    (&["L1-dcache", "l1-d", "l1d", "L1-data"], &[READ, WRITE, PREFETCH], "of the first level's data cache"),
    (&["L1-icache", "l1-i", "l1i", "L1-instruction"], &[READ, PREFETCH], "of the first level's instruction cache"),
    (&["LLC", "L2"], &[READ, WRITE, PREFETCH], "of the last cache level"),
    (&["dTLB", "d-tlb", "Data-TLB"], &[READ, WRITE, PREFETCH], "of the address translation for data"),
    (&["iTLB", "i-tlb", "Instruction-TLB"], &[READ], "of the address translation for instructions"),
    (&["branch", "branches", "bpu", "btb", "bpc"], &[READ], "of the branch prediction"),
    (&["node"], &[READ, WRITE, PREFETCH], "of the memory of the local NUMA node"),
];

/// For each operation: the spellings, the endings of the usual names (access, miss), and the words for it.
static OPERATIONS: [(Spellings, [&str; 2], &str); 3] = [
    (&["load", "loads", "read"], ["loads", "load-misses"], "Reads"),
    (&["store", "stores", "write"], ["stores", "store-misses"], "Writes"),
    (
        &["prefetch", "prefetches", "speculative-read", "speculative-load"],
        ["prefetches", "prefetch-misses"],
        "Prefetches",
    ),
];

static RESULTS: [Spellings; 2] = [&["refs", "Reference", "ops", "access"], &["misses", "miss"]];

const fn cache_id(cache: usize, operation: usize, result: usize) -> EventId {
    EventId::new(GenericKind::Cache.number(), cache as u64 | (operation as u64) << 8 | (result as u64) << 16)
}

/// All generic events, in the kernel's order.
pub fn all() -> impl Iterator<Item = Generic> {
    let numbered = |kind: GenericKind, table: &'static [Numbered]| {
        table.iter().map(move |(config, names, doc)| Generic {
            names: names.iter().map(ToString::to_string).collect(),
            kind,
            id: EventId::new(kind.number(), *config),
            doc: doc.to_string(),
        })
    };
    let cache = CACHES.iter().enumerate().flat_map(|(cache, (names, operations, of))| {
        operations.iter().flat_map(move |&op| {
            (0..RESULTS.len()).map(move |result| {
                let (_, endings, what) = &OPERATIONS[op];
                Generic {
                    names: vec![format!("{}-{}", names[0], endings[result])],
                    kind: GenericKind::Cache,
                    id: cache_id(cache, op, result),
                    doc: format!("{what} {of}{}", if result == 1 { " that missed" } else { "" }),
                }
            })
        })
    });
    numbered(GenericKind::Hardware, HARDWARE).chain(numbered(GenericKind::Software, SOFTWARE)).chain(cache)
}

/// The kernel's number of a generic event in any spelling; `None` for names that only a PMU, tracefs or perf knows.
pub fn id_of(name: &str) -> Option<EventId> {
    let numbered = |kind: GenericKind, table: &[Numbered]| {
        table
            .iter()
            .find(|(_, names, _)| names.contains(&name))
            .map(|(config, ..)| EventId::new(kind.number(), *config))
    };
    numbered(GenericKind::Hardware, HARDWARE)
        .or_else(|| numbered(GenericKind::Software, SOFTWARE))
        .or_else(|| cache_event(name))
}

/// `CACHE[-OPERATION][-RESULT]`: without an operation it is a read, without a result an access.
fn cache_event(name: &str) -> Option<EventId> {
    CACHES.iter().enumerate().find_map(|(cache, (spellings, operations, _))| {
        spellings.iter().find_map(|spelling| {
            let rest = name.strip_prefix(spelling)?;
            let words = |list: Spellings, rest: &str| -> Vec<usize> {
                let after = |word: &str| rest.strip_prefix('-').and_then(|r| r.strip_prefix(word));
                list.iter().filter_map(|word| after(word).map(|r| rest.len() - r.len())).collect()
            };
            // All ways of splitting the rest are tried, because there are only a few.
            let mut ways = vec![(READ, rest)];
            for op in operations.iter().copied() {
                ways.extend(words(OPERATIONS[op].0, rest).into_iter().map(|n| (op, &rest[n..])));
            }
            ways.into_iter().find_map(|(op, rest)| {
                let result = match rest {
                    "" => Some(0),
                    _ => RESULTS.iter().position(|list| words(list, rest).contains(&rest.len())),
                };
                // A cache alone, such as `node` or `branch`, is not an event name.
                result.filter(|_| name != *spelling).map(|result| cache_id(cache, op, result))
            })
        })
    })
}

/// The usual name of an event: `cycles` for `cpu-cycles`, `LLC-loads` for `L2-read`.
pub fn usual_name(name: &str) -> String {
    let Some(id) = id_of(name) else { return name.to_string() };
    all().find(|g| g.id == id).and_then(|g| g.names.into_iter().next()).unwrap_or_else(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_generic_names() {
        let id = |name: &str| id_of(name).map(|id| (id.kind, id.config));
        assert_eq!(id("cpu-cycles"), Some((0, 0)));
        assert_eq!(id("branches"), Some((0, 4)), "a hardware event, not the cache `branches`");
        assert_eq!(id("cs"), Some((1, 3)));
        // From the kernel's header: cache | operation << 8 | result << 16.
        assert_eq!(id("L1-dcache-loads"), Some((3, 0)));
        assert_eq!(id("L1-dcache-load-misses"), Some((3, 0x10000)));
        assert_eq!(id("LLC-store-misses"), Some((3, 0x10102)));
        assert_eq!(id("L1-icache-prefetches"), Some((3, 0x00201)));
        assert_eq!(id("iTLB-load-misses"), Some((3, 0x10004)));
        assert_eq!(id("node-prefetch-misses"), Some((3, 0x10206)));
        assert_eq!(id("branch-loads"), Some((3, 5)));
        for unknown in
            ["L1-icache-stores", "iTLB-stores", "cycels", "", "cpu/cycles/", "node", "branch", "LLC-", "LLC-x"]
        {
            assert_eq!(id_of(unknown), None, "{unknown}");
        }
        assert_eq!(all().filter(|g| g.kind == GenericKind::Cache).count(), 32);
    }

    #[test]
    fn other_spellings() {
        for (odd, usual) in [
            ("l1d-load-misses", "L1-dcache-load-misses"),
            ("L1-data-read-miss", "L1-dcache-load-misses"),
            ("L2-misses", "LLC-load-misses"),
            ("d-tlb-refs", "dTLB-loads"),
            ("Data-TLB-store", "dTLB-stores"),
            ("LLC-speculative-read-misses", "LLC-prefetch-misses"),
            ("node-load", "node-loads"),
            ("cpu-cycles", "cycles"),
            ("cs", "context-switches"),
            ("r01c2", "r01c2"),
        ] {
            assert_eq!(usual_name(odd), usual, "{odd}");
        }
    }

    #[test]
    fn each_name_exists_once_and_finds_its_event() {
        let mut seen = std::collections::HashSet::new();
        for event in all() {
            for name in &event.names {
                assert!(seen.insert(name.clone()), "{name} twice");
                assert_eq!(id_of(name), Some(event.id), "{name}");
            }
        }
    }
}
