//! The kernel's side: files under roots, clocks, processes, control groups, system calls.

// What the kernel prints may be cut off, unusual, or from a later kernel.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice))]

pub mod cgroup;
pub mod clock;
pub mod cpus;
pub mod descriptors;
pub mod energy;
pub mod files;
pub mod gpu;
pub mod helper;
pub mod helper_process;
pub mod hwmon;
pub mod inherit;
pub mod lock;
pub mod memory;
pub mod mounts;
pub mod name;
pub mod perf_event;
pub mod pidfd;
pub mod poll;
pub mod possible;
pub mod pressure;
pub mod process;
pub mod scan;
pub mod signal;
pub mod sock_diag;
#[cfg_attr(
    not(test),
    allow(clippy::indexing_slicing, reason = "places in its own lists, and in messages of a constant length")
)]
pub mod statvfs;
