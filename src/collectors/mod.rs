//! One file per source of the kernel, and the list of them all.
//!
//! To add a collector, write a file that declares a [`Table`](crate::schema::Table) and a way to fill it, and add a line to
//! [`REGISTRY`]. A source that is one file of `/proc` needs only a parser ([`FileCollector`](crate::collector::FileCollector));
//! one with several files or state implements [`Collector`](crate::collector::Collector) itself.

use crate::collector::Entry;

mod memory;
mod scan;

/// All collectors, in the order in which users meet them.
pub static REGISTRY: &[Entry] = &[
    memory::ENTRY,
    crate::perf::ENTRY,
    // `process` and `mark` take their places here.
];
