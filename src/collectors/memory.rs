//! Memory, swap and huge pages. Source: `/proc/meminfo`, described in the kernel's `filesystems/proc`.

use std::time::Duration;

use super::scan::{lines, number, words};
use crate::collector::{Entry, FileCollector, Opened, ParseError};
use crate::schema::Unit::{Bytes, Count, Percent};
use crate::schema::{Table, gauge, gauge_float};

pub const ENTRY: Entry = Entry {
    name: "memory",
    doc: "memory, swap and huge pages",
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open: |setup| Ok(Opened::complete(FileCollector::open(setup.roots.proc("meminfo"), &TABLE, parse)?)),
};

static TABLE: Table<Memory> = Table {
    name: "memory",
    source: "/proc/meminfo",
    doc: "Memory, swap and huge pages: one row per tick.",
    columns: &[
        gauge_float(
            "usage_percent",
            Percent,
            "Memory that is not available: (total - available) / total.",
            |m: &Memory| m.usage_percent().into(),
        )
        .lower_is_better(),
        gauge("total_bytes", Bytes, "Memory that the kernel manages (MemTotal).", |m: &Memory| m.total.into()),
        gauge(
            "used_bytes",
            Bytes,
            "total - available; before Linux 3.14 total - free - buffers - cached.",
            |m: &Memory| m.used().into(),
        )
        .lower_is_better(),
        gauge("hugepages_total", Count, "Huge pages in the pool.", |m: &Memory| m.hugepages_total.into()),
    ],
};

/// `/proc/meminfo` in bytes; what this kernel does not print is `None`.
#[derive(Debug, Default, PartialEq)]
struct Memory {
    total: Option<u64>,
    free: Option<u64>,
    available: Option<u64>,
    hugepages_total: Option<u64>,
}

impl Memory {
    fn used(&self) -> Option<u64> {
        Some(self.total?.saturating_sub(self.available?))
    }
    fn usage_percent(&self) -> Option<f64> {
        let total = self.total.filter(|t| *t > 0)?;
        Some(100.0 * self.used()? as f64 / total as f64)
    }
}

fn parse(text: &[u8], rows: &mut Vec<Memory>) -> Result<(), ParseError> {
    let mut m = Memory::default();
    for line in lines(text) {
        let mut words = words(line);
        let (Some(key), Some(value)) = (words.next(), words.next().and_then(number)) else { continue };
        let kib = Some(value.saturating_mul(1024));
        match key {
            b"MemTotal:" => m.total = kib,
            b"MemFree:" => m.free = kib,
            b"MemAvailable:" => m.available = kib,
            b"HugePages_Total:" => m.hugepages_total = Some(value),
            _ => {}
        }
    }
    if m.total.is_none() {
        return Err(ParseError { line: 1, what: "no MemTotal".into() });
    }
    rows.push(m);
    Ok(())
}
