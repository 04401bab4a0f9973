//! Events: what their names mean, which numbers the kernel has for them, and which of them exist on this machine.
//!
//! | file | content |
//! |---|---|
//! | [`generic`] | hardware, software and cache events, which have the same numbers everywhere |
//! | [`pmu`] | the events of this machine's PMUs, from sysfs: `uncore_imc_0/cas_count_read/` |
//! | [`tracepoint`] | tracepoints, from tracefs: `sched:sched_switch` |
//! | [`name`], [`modifier`] | the parts of a name; `:u`, `:k` |
//! | [`bandwidth`] | the events that count bytes of memory, and their factors |
//! | [`request`], [`set`] | the list that a user requested; names for whole lists |
//! | [`terms`] | the text between an event's slashes, including quotes |
//! | [`machine`] | what to open here for a name |
//! | [`near`] | "did you mean" |

pub mod bandwidth;
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

/// An event as `perf_event_open` identifies it.
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
