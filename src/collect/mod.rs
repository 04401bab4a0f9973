//! One file per kernel source, and the list of all of them.
//!
//! To add a collector, write a file that declares a [`Table`](crate::table::Table) and a way to fill it, and add a line
//! to [`REGISTRY`]. A source that is one file of `/proc` only needs a parser
//! ([`FileCollector`](self::collector::FileCollector)); one with several files or state implements
//! [`Collector`](self::collector::Collector) itself.

// What the kernel prints may be cut off, unusual, or from a later kernel.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice))]

use collector::Entry;

mod absent;
mod attribute;
mod battery;
mod buddy;
pub mod catalog;
pub mod cgroup;
pub mod collector;
mod cpu;
mod cpu_core;
mod cpu_set;
mod disk;
mod energy;
#[cfg_attr(not(test), allow(clippy::indexing_slicing, reason = "places in its own lists"))]
mod filesystem;
mod frequency;
pub mod gpu;
pub mod group;
pub mod health;
mod hugepages;
mod infiniband;
mod interrupt;
mod kernel;
mod memory;
pub mod metric;
mod network;
mod nfs;
mod nfs_server;
mod node;
pub mod options;
mod paging;
mod pairs;
#[cfg_attr(
    not(test),
    allow(
        clippy::indexing_slicing,
        clippy::string_slice,
        reason = "places in its own plans, and in text where something was found"
    )
)]
pub mod perf;
mod presence;
mod pressure;
#[cfg_attr(not(test), allow(clippy::indexing_slicing, reason = "places in arrays of the same length"))]
pub mod process;
mod protocol;
mod resctrl;
mod run_queue;
#[cfg_attr(not(test), allow(clippy::indexing_slicing, reason = "places in its own lists"))]
mod sensor;
mod socket;
mod softirq;
mod stat;
mod temperature;
mod thermal;
mod zram;

/// All collectors, in the order in which users see them.
pub static REGISTRY: &[Entry] = &[
    cpu::ENTRY,
    cpu_core::ENTRY,
    softirq::ENTRY,
    interrupt::ENTRY,
    sensor::ENTRY,
    battery::ENTRY,
    energy::ENTRY,
    memory::ENTRY,
    node::ENTRY,
    zram::ENTRY,
    resctrl::ENTRY,
    hugepages::ENTRY,
    buddy::ENTRY,
    paging::ENTRY,
    network::ENTRY,
    socket::ENTRY,
    protocol::ip::ENTRY,
    protocol::tcp::ENTRY,
    protocol::udp::ENTRY,
    protocol::icmp::ENTRY,
    infiniband::ENTRY,
    disk::ENTRY,
    filesystem::ENTRY,
    nfs::ENTRY,
    nfs_server::ENTRY,
    pressure::ENTRY,
    kernel::ENTRY,
    process::ENTRY,
    gpu::ENTRY,
    cgroup::ENTRY,
    metric::ENTRY,
    perf::ENTRY,
];
