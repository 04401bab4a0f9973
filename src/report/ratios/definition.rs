//! The ratios there are.

use crate::events::bandwidth::{Traffic, bytes_of};
use crate::events::generic::usual_name;
use crate::events::name;
use crate::table::Unit;
use crate::table::human::{digits, scaled};

/// How a ratio is computed: numerator × `factor` ÷ denominator.
pub struct Definition {
    pub name: &'static str,
    pub above: Above,
    pub below: Below,
    pub factor: f64,
    pub unit: &'static str,
}

/// What is in the numerator.
#[derive(Clone, Copy, PartialEq)]
pub enum Above {
    Event(&'static str),
    /// The sum of all events that count bytes of memory in these directions.
    Memory(&'static [Traffic]),
}

/// What is in the denominator.
#[derive(Clone, Copy, PartialEq)]
pub enum Below {
    /// One of these events, the best one first.
    Events(&'static [&'static str]),
    /// The length of the interval.
    Seconds,
}

/// The unit of percentages.
pub const PERCENT: &str = "percent";
/// The unit of memory bandwidth, as the unit of columns is written.
pub const BYTES_PER_SEC: &str = Unit::BytesPerSec.word();

const fn percent(name: &'static str, above: &'static str, below: &'static [&'static str]) -> Definition {
    Definition { name, above: Above::Event(above), below: Below::Events(below), factor: 100.0, unit: PERCENT }
}

const fn per_thousand(name: &'static str, above: &'static str) -> Definition {
    Definition {
        name,
        above: Above::Event(above),
        below: Below::Events(&["instructions"]),
        factor: 1000.0,
        unit: "per 1000 instructions",
    }
}

const fn memory(name: &'static str, traffic: &'static [Traffic]) -> Definition {
    Definition { name, above: Above::Memory(traffic), below: Below::Seconds, factor: 1.0, unit: BYTES_PER_SEC }
}

pub static RATIOS: [Definition; 19] = [
    Definition {
        name: "instructions_per_cycle",
        above: Above::Event("instructions"),
        below: Below::Events(&["cycles"]),
        factor: 1.0,
        unit: "",
    },
    // Cycles per millisecond; one cycle per nanosecond is one gigahertz.
    Definition {
        name: "cycles_ghz",
        above: Above::Event("cycles"),
        below: Below::Events(&["cpu-clock", "task-clock"]),
        factor: 1e-6,
        unit: "GHz",
    },
    percent("branch_miss_percent", "branch-misses", &["branches"]),
    percent("cache_miss_percent", "cache-misses", &["cache-references"]),
    percent("l1d_miss_percent", "L1-dcache-load-misses", &["L1-dcache-loads"]),
    percent("l1i_miss_percent", "L1-icache-load-misses", &["L1-icache-loads"]),
    percent("llc_miss_percent", "LLC-load-misses", &["LLC-loads"]),
    percent("dtlb_miss_percent", "dTLB-load-misses", &["dTLB-loads"]),
    percent("itlb_miss_percent", "iTLB-load-misses", &["iTLB-loads"]),
    per_thousand("branch_mpki", "branch-misses"),
    per_thousand("cache_mpki", "cache-misses"),
    per_thousand("l1d_mpki", "L1-dcache-load-misses"),
    per_thousand("l1i_mpki", "L1-icache-load-misses"),
    per_thousand("llc_mpki", "LLC-load-misses"),
    per_thousand("dtlb_mpki", "dTLB-load-misses"),
    per_thousand("itlb_mpki", "iTLB-load-misses"),
    memory("memory_bytes_per_sec", &[Traffic::Read, Traffic::Write]),
    memory("memory_read_bytes_per_sec", &[Traffic::Read]),
    memory("memory_write_bytes_per_sec", &[Traffic::Write]),
];

/// The names of all ratios.
pub fn names() -> impl Iterator<Item = &'static str> {
    RATIOS.iter().map(|definition| definition.name)
}

/// The ratio that a user means: its name, `ipc`, `ghz` or `memory_bandwidth`.
pub fn named(word: &str) -> Option<&'static str> {
    let word = match word {
        "ipc" => "instructions_per_cycle",
        "ghz" => "cycles_ghz",
        "memory_bandwidth" | "memory-bandwidth" => "memory_bytes_per_sec",
        word => word,
    };
    names().find(|name| *name == word)
}

/// A ratio for people: `2.50 %`, `12.3 GiB/s`.
pub fn ratio_value(value: f64, unit: &str) -> String {
    match unit {
        PERCENT => digits(value) + " %",
        "GHz" => digits(value) + " GHz",
        BYTES_PER_SEC => scaled(value, Unit::BytesPerSec),
        // For others the name contains the unit: `branch_mpki`.
        _ => digits(value),
    }
}

impl Definition {
    /// The factor with which an event belongs to the numerator.
    pub fn above(&self, event: &str) -> Option<f64> {
        match self.above {
            Above::Event(above) => (usual_name(name::parts(event).base) == above).then_some(1.0),
            Above::Memory(traffic) => {
                bytes_of(event).filter(|bytes| traffic.contains(&bytes.traffic)).map(|bytes| bytes.factor)
            }
        }
    }

    /// The rank of an event among the possible denominators.
    pub fn below(&self, event: &str) -> Option<usize> {
        match self.below {
            Below::Events(below) => {
                let event = usual_name(name::parts(event).base);
                below.iter().position(|known| *known == event)
            }
            Below::Seconds => None,
        }
    }

    /// How many of these events of one PMU must be counted in an interval. Zero: there are too few for the whole
    /// numerator, which is all halves of all directions.
    pub fn expected(&self, events: &[&str]) -> u32 {
        let is_whole = |wanted: &Traffic| {
            let own = || events.iter().filter_map(|event| bytes_of(event)).filter(|b| b.traffic == *wanted);
            own().next().is_some_and(|first| own().count() as u32 == first.parts)
        };
        match self.above {
            // An event may have had several names.
            Above::Event(_) => u32::from(!events.is_empty()),
            Above::Memory(traffic) if traffic.iter().all(is_whole) => events.len() as u32,
            Above::Memory(_) => 0,
        }
    }
}
