//! Events of CPU and kernel: tables `perf` and `perf_status`.
//!
//! Two ways lead to a count. [`syscall`] opens the counters itself and reads them at the tick, so that their rows share
//! `ts` with all other tables; [`program`] reads the intervals that `perf stat` prints, which knows more names of events.
//! [`choose`] takes the first where it is able to count what was asked for, and the second where only perf is.
//!
//! | file | what it knows |
//! |---|---|
//! | [`choose`] | which way, and what is said about it |
//! | [`events`](crate::events) | names, numbers, and what this machine offers |
//! | [`scope`], [`cpus`](crate::linux::cpus) | whose events: CPUs, processes, cgroups; lists of CPUs |
//! | [`facts`], [`reasons`] | why the kernel refuses, and what can be done about it |
//! | [`rows`], [`now`] | the two tables; the clocks |
//! | [`offer`] | everything there is, and whether it can be counted: `perfwatch events` |
//! | [`uncounted`] | what stands in the tables where nothing can be counted |

use std::time::Duration;

use super::collector::Entry;

pub mod choose;
pub mod facts;
pub mod now;
pub mod offer;
pub mod options;
pub mod program;
pub mod reasons;
pub mod rows;
pub mod scope;
pub mod syscall;
#[cfg(test)]
pub mod testing;
pub mod uncounted;

pub const ENTRY: Entry = Entry {
    name: "perf",
    doc: "events counted by CPU and kernel: cycles, instructions, cache misses, context switches",
    tables: &[|| rows::PERF.def(), || rows::PERF_STATUS.def()],
    cadence: Duration::ZERO,
    open: |setup| choose::open(setup, &syscall::open::kernel()),
};
