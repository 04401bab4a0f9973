//! One file per kernel source, and the list of all of them.
//!
//! To add a collector, write a file that declares a [`Table`](crate::table::Table) and a way to fill it, and add a line
//! to [`REGISTRY`]. A source that is one file of `/proc` only needs a parser
//! ([`FileCollector`](self::collector::FileCollector)); one with several files or state implements
//! [`Collector`](self::collector::Collector) itself.

use collector::Entry;

mod absent;
mod attribute;
pub mod catalog;
pub mod cgroup;
pub mod collector;
mod cpu;
mod cpu_core;
mod cpu_set;
mod disk;
mod filesystem;
mod frequency;
pub mod health;
mod memory;
mod network;
pub mod options;
mod paging;
mod pairs;
pub mod perf;
mod presence;
mod pressure;
pub mod process;
mod sensor;
mod socket;
mod stat;
mod temperature;
mod thermal;

/// All collectors, in the order in which users see them.
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
    self::perf::ENTRY,
];
