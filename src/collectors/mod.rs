//! One file per source of the kernel, and the list of them all.
//!
//! To add a collector, write a file that declares a [`Table`](crate::schema::Table) and a way to fill it, and add a line to
//! [`REGISTRY`]. A source that is one file of `/proc` needs only a parser ([`FileCollector`](crate::collector::FileCollector));
//! one with several files or state implements [`Collector`](crate::collector::Collector) itself.

use crate::collector::Entry;

mod absent;
mod attribute;
pub mod cgroup;
mod cpu;
mod cpu_core;
mod cpu_set;
mod disk;
mod filesystem;
mod frequency;
mod hwmon;
mod memory;
mod mounts;
mod name;
mod network;
mod paging;
mod pairs;
mod possible;
mod presence;
mod pressure;
pub mod process;
mod scan;
mod sensor;
mod sock_diag;
mod socket;
mod stat;
pub mod statvfs;
mod temperature;
mod thermal;

/// All collectors, in the order in which users meet them.
pub static REGISTRY: &[Entry] = &[
    cpu::ENTRY,
    cpu_core::ENTRY,
    sensor::ENTRY,
    memory::ENTRY,
    paging::ENTRY,
    network::ENTRY,
    socket::ENTRY,
    disk::ENTRY,
    filesystem::ENTRY,
    pressure::ENTRY,
    process::ENTRY,
    cgroup::ENTRY,
    crate::perf::ENTRY,
];
