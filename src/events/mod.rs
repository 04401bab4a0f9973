//! Events: what their names mean, which numbers the kernel has for them, and which of them this machine offers.
//!
//! | file | what it knows |
//! |---|---|
//! | [`generic`] | hardware, software and cache events, which have the same numbers everywhere |
//! | [`pmu`] | the events of this machine's PMUs, from sysfs: `uncore_imc_0/cas_count_read/` |
//! | [`tracepoint`] | tracepoints, from tracefs: `sched:sched_switch` |
//! | [`name`], [`modifier`] | the parts of a name; `:u`, `:k` |
//! | [`request`], [`set`] | the list that a user asked for; names for whole lists |
//! | [`terms`] | what stands between an event's slashes, quotes included |
//! | [`machine`] | a name → what to open for it here |
//! | [`near`] | "did you mean" |

pub mod generic;
pub mod machine;
pub mod modifier;
pub mod name;
pub mod near;
pub mod pmu;
pub mod request;
pub mod set;
pub mod terms;
pub mod tracepoint;

/// How `perf_event_open` knows an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventId {
    /// `perf_event_attr.type`.
    pub kind: u32,
    /// `perf_event_attr.config`, `config1` and `config2`.
    pub config: u64,
    pub config1: u64,
    pub config2: u64,
}

impl EventId {
    pub const fn new(kind: u32, config: u64) -> EventId {
        EventId { kind, config, config1: 0, config2: 0 }
    }
}
