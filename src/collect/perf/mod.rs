//! Events counted by CPU and kernel: tables `perf` and `perf_status`.
//!
//! There are two ways to count. [`syscall`] opens the counters itself and reads them at the tick, so that their rows
//! have the same `ts` as all other tables. [`program`] reads the intervals printed by `perf stat`, which knows more
//! event names. [`choose`] uses the first if it can count what was requested, and the second if only perf can.
//!
//! | file | content |
//! |---|---|
//! | [`choose`] | which way is used, and the notes about it |
//! | [`events`](crate::events) | names, numbers, and what this machine offers |
//! | [`options`], [`requests`] | the options for users; the events they ask for |
//! | [`scope`] | what is counted: CPUs, processes, cgroups |
//! | [`offer`] | all events, and whether they can be counted: `perfwatch events` |
//! | [`facts`], [`reasons`] | why the kernel refuses, and what can be done about it |
//! | [`rows`], [`now`] | the two tables; the clocks |
//! | [`uncounted`] | the rows if nothing can be counted |

use std::time::Duration;

use super::collector::Entry;
use super::group::Group;

pub mod choose;
pub mod facts;
pub mod now;
pub mod offer;
pub mod options;
pub mod program;
pub mod reasons;
pub mod requests;
pub mod rows;
pub mod scope;
pub mod syscall;
#[cfg(test)]
pub mod testing;
pub mod uncounted;

pub const ENTRY: Entry = Entry {
    name: "perf",
    doc: "events counted by CPU and kernel: cycles, instructions, cache misses, context switches",
    groups: &[Group::Default],
    tables: &[|| rows::PERF.def(), || rows::PERF_STATUS.def()],
    cadence: Duration::ZERO,
    open: |setup| choose::open(setup, &syscall::open::kernel()),
};
