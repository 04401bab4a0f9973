//! Memory, swap and huge pages. Source: `/proc/meminfo`, described in the kernel's `filesystems/proc`.

use std::time::Duration;

use super::absent;
use super::collector::{Entry, FileCollector, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::HeldFile;
use crate::linux::possible::{count, part};
use crate::linux::scan::{ParseError, lines, number, words};
use crate::table::Unit::{Bytes, Count, Percent};
use crate::table::{Chart, Charts, Table, gauge, gauge_float, significant};

pub const ENTRY: Entry = Entry {
    name: "memory",
    doc: "memory, swap and huge pages",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

static TABLE: Table<MemoryRow> = Table {
    name: "memory",
    source: "/proc/meminfo",
    doc: "Memory, swap and huge pages: one row per tick. A part that is larger than total_bytes is null: containers \
          show some lines of the host.",
    charts: Charts::Drawn(&[
        Chart::lines("Memory", &["used_bytes", "anon_bytes", "cached_bytes", "slab_bytes", "shmem_bytes"]),
        Chart::lines("Waiting to be written", &["dirty_bytes", "writeback_bytes"]),
        Chart::lines("Swap in use", &["swap_used_bytes", "zswapped_bytes"]),
        Chart::lines(
            "Memory of the kernel",
            &["sunreclaim_bytes", "page_tables_bytes", "kernel_stack_bytes", "percpu_bytes"],
        ),
    ]),
    columns: &[
        gauge_float("usage_percent", Percent, "used / total.", |m: &MemoryRow| m.usage_percent().into())
            .lower_is_better(),
        gauge("total_bytes", Bytes, "Memory that the kernel manages (MemTotal).", |m: &MemoryRow| m.total.into()),
        gauge(
            "used_bytes",
            Bytes,
            "total - available, the same as in free since procps 4. If the kernel reports more available than total \
             (in some containers): total - free, as free does. Before Linux 3.14: total - free - buffers - cached - \
             reclaimable slab, the same as in free at that time.",
            |m: &MemoryRow| m.used().into(),
        )
        .lower_is_better(),
        gauge(
            "available_bytes",
            Bytes,
            "Memory that programs could still get without swapping (MemAvailable); null before Linux 3.14, and where \
             it is more than total_bytes.",
            |m: &MemoryRow| m.within(m.available).into(),
        )
        .higher_is_better(),
        gauge("free_bytes", Bytes, "Memory not used at all (MemFree).", |m: &MemoryRow| m.within(m.free).into()),
        gauge(
            "cached_bytes",
            Bytes,
            "Page cache and shared memory (Cached), without sreclaimable_bytes, which free and psutil add: \
             `buff/cache` of free is buffers_bytes + cached_bytes + sreclaimable_bytes.",
            |m: &MemoryRow| m.within(m.cached).into(),
        ),
        gauge("buffers_bytes", Bytes, "Cache of block devices (Buffers).", |m: &MemoryRow| m.within(m.buffers).into()),
        gauge("swap_total_bytes", Bytes, "Swap space; zero if there is none (SwapTotal).", |m: &MemoryRow| {
            m.swap_total.into()
        }),
        gauge("swap_used_bytes", Bytes, "SwapTotal - SwapFree.", |m: &MemoryRow| m.swap_used().into())
            .lower_is_better(),
        gauge("swap_free_bytes", Bytes, "Unused swap space (SwapFree).", |m: &MemoryRow| {
            part(m.swap_free, m.swap_total).into()
        }),
        gauge("hugepages_total", Count, "Huge pages of the default size in the pool.", |m: &MemoryRow| {
            count(m.hugepages_total).into()
        }),
        gauge("hugepages_free", Count, "Huge pages not allocated.", |m: &MemoryRow| count(m.hugepages_free).into()),
        gauge(
            "hugepages_reserved",
            Count,
            "Huge pages reserved but not yet allocated (HugePages_Rsvd).",
            |m: &MemoryRow| count(m.hugepages_reserved).into(),
        ),
        gauge("hugepage_size_bytes", Bytes, "The default size of a huge page.", |m: &MemoryRow| m.hugepage_size.into()),
        gauge("dirty_bytes", Bytes, "Waiting to be written to a disk (Dirty).", |m: &MemoryRow| {
            m.within(m.dirty).into()
        }),
        gauge("writeback_bytes", Bytes, "Being written to a disk (Writeback).", |m: &MemoryRow| {
            m.within(m.writeback).into()
        }),
        gauge("slab_bytes", Bytes, "The kernel's own objects, including reclaimable ones (Slab).", |m: &MemoryRow| {
            m.within(m.slab).into()
        }),
        gauge(
            "sreclaimable_bytes",
            Bytes,
            "The part of slab_bytes that the kernel can free, such as cached file names (SReclaimable); null before \
             Linux 2.6.19.",
            |m: &MemoryRow| m.within(m.slab_reclaimable).into(),
        ),
        gauge(
            "shmem_bytes",
            Bytes,
            "Shared memory and tmpfs, also in cached_bytes (Shmem); null before Linux 2.6.32.",
            |m: &MemoryRow| m.within(m.shmem).into(),
        ),
        gauge("anon_bytes", Bytes, "Memory of programs that is not backed by files (AnonPages).", |m: &MemoryRow| {
            m.within(m.anon).into()
        }),
        gauge("mapped_bytes", Bytes, "Files mapped into programs (Mapped).", |m: &MemoryRow| m.within(m.mapped).into()),
        gauge(
            "committed_bytes",
            Bytes,
            "Memory that programs requested, used or not (Committed_AS).",
            |m: &MemoryRow| m.committed.into(),
        ),
        gauge(
            "sunreclaim_bytes",
            Bytes,
            "The part of slab_bytes that the kernel cannot free (SUnreclaim); null before Linux 2.6.19.",
            |m: &MemoryRow| m.within(m.slab_unreclaimable).into(),
        ),
        gauge(
            "active_bytes",
            Bytes,
            "Used recently, and reclaimed last: of programs and of the page cache (Active).",
            |m: &MemoryRow| m.within(m.active).into(),
        ),
        gauge("inactive_bytes", Bytes, "Not used recently, and reclaimed first (Inactive).", |m: &MemoryRow| {
            m.within(m.inactive).into()
        }),
        gauge("page_tables_bytes", Bytes, "Page tables of all processes (PageTables).", |m: &MemoryRow| {
            m.within(m.page_tables).into()
        }),
        gauge("kernel_stack_bytes", Bytes, "Stacks of all threads in the kernel (KernelStack).", |m: &MemoryRow| {
            m.within(m.kernel_stack).into()
        }),
        gauge(
            "percpu_bytes",
            Bytes,
            "Memory that the kernel holds once per CPU (Percpu); null before Linux 4.20.",
            |m: &MemoryRow| m.within(m.percpu).into(),
        ),
        gauge(
            "anon_hugepages_bytes",
            Bytes,
            "The part of anon_bytes in transparent huge pages (AnonHugePages).",
            |m: &MemoryRow| m.within(m.anon_hugepages).into(),
        ),
        gauge(
            "zswap_bytes",
            Bytes,
            "Memory that compressed swap needs (Zswap); null before Linux 5.19.",
            |m: &MemoryRow| m.within(m.zswap).into(),
        ),
        gauge(
            "zswapped_bytes",
            Bytes,
            "Memory of programs that is in compressed swap, as large as it was (Zswapped); null before Linux 5.19.",
            |m: &MemoryRow| m.zswapped.into(),
        ),
    ],
};

/// `/proc/meminfo` in bytes and pages; lines that this kernel does not print are `None`.
#[derive(Debug, Default, PartialEq)]
struct MemoryRow {
    total: Option<u64>,
    free: Option<u64>,
    available: Option<u64>,
    buffers: Option<u64>,
    cached: Option<u64>,
    slab_reclaimable: Option<u64>,
    swap_total: Option<u64>,
    swap_free: Option<u64>,
    hugepages_total: Option<u64>,
    hugepages_free: Option<u64>,
    hugepages_reserved: Option<u64>,
    hugepage_size: Option<u64>,
    dirty: Option<u64>,
    writeback: Option<u64>,
    slab: Option<u64>,
    shmem: Option<u64>,
    anon: Option<u64>,
    mapped: Option<u64>,
    committed: Option<u64>,
    slab_unreclaimable: Option<u64>,
    active: Option<u64>,
    inactive: Option<u64>,
    page_tables: Option<u64>,
    kernel_stack: Option<u64>,
    percpu: Option<u64>,
    anon_hugepages: Option<u64>,
    zswap: Option<u64>,
    zswapped: Option<u64>,
}

impl MemoryRow {
    /// A part of the memory; `None` if it is larger than the total, because it then belongs to the host.
    fn within(&self, bytes: Option<u64>) -> Option<u64> {
        part(bytes, self.total)
    }
    fn used(&self) -> Option<u64> {
        let total = self.total?;
        match self.available {
            // In a container `available` may be the value of the host.
            Some(available) if available > total => total.checked_sub(self.free?),
            Some(available) => Some(total - available),
            None => [self.free, self.buffers, self.cached, Some(self.slab_reclaimable.unwrap_or(0))]
                .into_iter()
                .try_fold(total, |rest, part| rest.checked_sub(part?)),
        }
    }
    fn usage_percent(&self) -> Option<f64> {
        let total = self.total.filter(|t| *t > 0)?;
        Some(significant(100.0 * self.used()? as f64 / total as f64))
    }
    fn swap_used(&self) -> Option<u64> {
        self.swap_total?.checked_sub(self.swap_free?)
    }
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let path = setup.roots.proc("meminfo");
    let mut first = Vec::new();
    parse(HeldFile::open(&path)?.read()?, &mut first)
        .map_err(|error| Unavailable::new(format!("{}: {error}", path.display())))?;
    let notes = first.iter().filter_map(|row| absent::note(&TABLE, row)).collect();
    Ok(Opened::with_notes(FileCollector::open(path, &TABLE, parse)?, notes))
}

fn parse(text: &[u8], rows: &mut Vec<MemoryRow>) -> Result<(), ParseError> {
    let mut m = MemoryRow::default();
    for line in lines(text) {
        let mut words = words(line);
        let (Some(key), Some(value)) = (words.next(), words.next().and_then(number)) else { continue };
        // The kernel says kB and means 1024 bytes. A product that overflows is `None`.
        let bytes = value.checked_mul(1024);
        match key {
            b"MemTotal:" => m.total = bytes,
            b"MemFree:" => m.free = bytes,
            b"MemAvailable:" => m.available = bytes,
            b"Buffers:" => m.buffers = bytes,
            b"Cached:" => m.cached = bytes,
            b"SwapTotal:" => m.swap_total = bytes,
            b"SwapFree:" => m.swap_free = bytes,
            b"Dirty:" => m.dirty = bytes,
            b"Writeback:" => m.writeback = bytes,
            b"AnonPages:" => m.anon = bytes,
            b"Mapped:" => m.mapped = bytes,
            b"Shmem:" => m.shmem = bytes,
            b"Slab:" => m.slab = bytes,
            b"SReclaimable:" => m.slab_reclaimable = bytes,
            b"Committed_AS:" => m.committed = bytes,
            b"SUnreclaim:" => m.slab_unreclaimable = bytes,
            b"Active:" => m.active = bytes,
            b"Inactive:" => m.inactive = bytes,
            b"PageTables:" => m.page_tables = bytes,
            b"KernelStack:" => m.kernel_stack = bytes,
            b"Percpu:" => m.percpu = bytes,
            b"AnonHugePages:" => m.anon_hugepages = bytes,
            b"Zswap:" => m.zswap = bytes,
            b"Zswapped:" => m.zswapped = bytes,
            b"HugePages_Total:" => m.hugepages_total = Some(value),
            b"HugePages_Free:" => m.hugepages_free = Some(value),
            b"HugePages_Rsvd:" => m.hugepages_reserved = Some(value),
            b"Hugepagesize:" => m.hugepage_size = bytes,
            _ => {}
        }
    }
    if m.total.is_none() {
        return Err(ParseError { line: 1, what: "no MemTotal".into() });
    }
    rows.push(m);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::{Cell, Sample};

    fn one(text: &str) -> MemoryRow {
        let mut rows = Vec::new();
        parse(text.as_bytes(), &mut rows).unwrap();
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }

    const LINUX_6: &str = "\
MemTotal:       16000000 kB
MemFree:         2000000 kB
MemAvailable:    9000000 kB
Buffers:          100000 kB
Cached:          6000000 kB
SwapCached:            8 kB
Active:          3500000 kB
Inactive:        7600000 kB
Active(anon):       1536 kB
SwapTotal:       4000000 kB
SwapFree:        3999000 kB
Zswap:               250 kB
Zswapped:            990 kB
Dirty:               648 kB
Writeback:             4 kB
AnonPages:       5000000 kB
Mapped:           700000 kB
Shmem:            300000 kB
KReclaimable:     420000 kB
Slab:             500000 kB
SReclaimable:     400000 kB
SUnreclaim:       100000 kB
KernelStack:       18000 kB
PageTables:        61000 kB
SecPageTables:         5 kB
WritebackTmp:          1 kB
CommitLimit:    12000000 kB
Committed_AS:   11000000 kB
VmallocTotal:   34359738367 kB
Percpu:             8300 kB
AnonHugePages:   2048000 kB
FileHugePages:         6 kB
HugePages_Total:      10
HugePages_Free:        7
HugePages_Rsvd:        2
HugePages_Surp:        3
Hugepagesize:       2048 kB
DirectMap4k:       28672 kB
";

    #[test]
    fn a_recent_kernel() {
        let kb = |n: u64| Some(n * 1024);
        let m = one(LINUX_6);
        let expected = MemoryRow {
            total: kb(16_000_000),
            free: kb(2_000_000),
            available: kb(9_000_000),
            buffers: kb(100_000),
            cached: kb(6_000_000),
            slab_reclaimable: kb(400_000),
            swap_total: kb(4_000_000),
            swap_free: kb(3_999_000),
            hugepages_total: Some(10),
            hugepages_free: Some(7),
            hugepages_reserved: Some(2),
            hugepage_size: Some(2_097_152),
            dirty: kb(648),
            writeback: kb(4),
            slab: kb(500_000),
            shmem: kb(300_000),
            anon: kb(5_000_000),
            mapped: kb(700_000),
            committed: kb(11_000_000),
            slab_unreclaimable: kb(100_000),
            active: kb(3_500_000),
            inactive: kb(7_600_000),
            page_tables: kb(61_000),
            kernel_stack: kb(18_000),
            percpu: kb(8300),
            anon_hugepages: kb(2_048_000),
            zswap: kb(250),
            zswapped: kb(990),
        };
        assert_eq!(m, expected);
        assert_eq!(m.used(), kb(7_000_000));
        assert_eq!(m.usage_percent(), Some(43.75));
        assert_eq!(m.swap_used(), kb(1000));
        assert_eq!(absent::note(&TABLE, &m), None);
    }

    #[test]
    fn before_3_14_used_is_computed_as_in_free() {
        let m = one(&LINUX_6.replace("MemAvailable", "Unknown"));
        // 16000000 - 2000000 - 100000 - 6000000 - 400000
        assert_eq!((m.available, m.used()), (None, Some(7_500_000 * 1024)));
        let m = one("MemTotal: 100 kB\nMemFree: 60 kB\nBuffers: 10 kB\nCached: 20 kB\n");
        assert_eq!(m.used(), Some(10 * 1024), "no slab line");
        assert_eq!(m.swap_used(), None);
        let m = one("MemTotal: 100 kB\nMemFree: 60 kB\nBuffers: 30 kB\nCached: 20 kB\n");
        assert_eq!(m.used(), None, "more cached than total");
        let m = one("MemTotal: 100 kB\nMemFree: 60 kB\n");
        assert_eq!((m.used(), m.usage_percent()), (None, None), "values missing");
    }

    fn cell(m: MemoryRow, column: &str) -> Cell {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        sample.push(&TABLE, &[m]);
        sample.cells[catalog[0].raw.iter().position(|c| c.name == column).unwrap()]
    }

    /// A container with lxcfs; `free` of procps 4 prints 417,828,864 used.
    #[test]
    fn more_available_than_total() {
        let text = "MemTotal: 1048576 kB\nMemFree: 640540 kB\nMemAvailable: 1331691 kB\nCached: 360324 kB\nDirty: 2000000 kB\n";
        assert_eq!(one(text).used(), Some(417_828_864));
        // 408,036 of 1,048,576 kB.
        let percent = one(text).usage_percent().unwrap();
        assert!((percent - 38.913_345).abs() < 1e-4, "{percent}");
        assert_eq!(cell(one(text), "available_bytes"), Cell::Null);
        assert_eq!(cell(one(text), "dirty_bytes"), Cell::Null, "the value of the host");
        assert_eq!(cell(one(text), "cached_bytes"), Cell::Int(360_324 * 1024));
        let m = one("MemTotal: 100 kB\nMemAvailable: 101 kB\n");
        assert_eq!((m.used(), m.usage_percent()), (None, None), "never 0");
        let m = one("MemTotal: 100 kB\nMemFree: 150 kB\nMemAvailable: 101 kB\n");
        assert_eq!((m.used(), cell(m, "free_bytes")), (None, Cell::Null));
        assert_eq!(one("MemTotal: 100 kB\nMemFree: 50 kB\nMemAvailable: 100 kB\n").used(), Some(0), "all of it is");
    }

    #[test]
    fn buff_cache_of_free_can_be_summed() {
        assert_eq!(cell(one(LINUX_6), "sreclaimable_bytes"), Cell::Int(400_000 * 1024));
        assert_eq!(cell(one("MemTotal: 100 kB\n"), "sreclaimable_bytes"), Cell::Null);
    }

    #[test]
    fn other_impossible_values() {
        let text = "MemTotal: 100 kB\nSwapTotal: 10 kB\nSwapFree: 11 kB\nHugePages_Rsvd: 4294967295\n";
        for column in ["swap_free_bytes", "swap_used_bytes", "hugepages_reserved"] {
            assert_eq!(cell(one(text), column), Cell::Null, "{column}");
        }
    }

    #[test]
    fn no_swap_is_zero_and_not_null() {
        let m = one("MemTotal: 100 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
        assert_eq!((m.swap_total, m.swap_used(), m.swap_free), (Some(0), Some(0), Some(0)));
    }

    #[test]
    fn damaged_text() {
        for bad in ["", "hello\n", "MemTotal:", "MemTotal: x kB\n", "MemTotal: 99999999999999999999 kB\n"] {
            let error = parse(bad.as_bytes(), &mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), "line 1: no MemTotal", "{bad:?}");
        }
        let m = one("MemTotal: 100 kB\nMemFree: 18446744073709551615 kB\nDirty:\nCached: -4 kB\nShme");
        assert_eq!((m.free, m.dirty, m.cached, m.shmem), (None, None, None, None));
        assert_eq!(one("MemTotal: 0 kB\nMemAvailable: 0 kB\n").usage_percent(), None);
    }

    #[test]
    fn fields_missing_on_an_old_kernel_are_reported_once() {
        let dir = tempfile::tempdir().unwrap();
        let text: String = LINUX_6.lines().filter(|l| !l.starts_with("MemAvail")).map(|l| format!("{l}\n")).collect();
        std::fs::write(dir.path().join("meminfo"), text).unwrap();
        let setup = Setup::new(Roots { proc: dir.path().into(), sys: dir.path().into() }, Options::default());
        let opened = open(&setup).ok().unwrap();
        assert_eq!(opened.notes, ["no value on this kernel for available_bytes (/proc/meminfo)"]);
    }

    #[test]
    fn columns_are_in_the_documented_order() {
        let def = TABLE.def();
        let names: Vec<_> = def.stored.iter().map(|c| c.name).collect();
        let expected = "usage_percent total_bytes used_bytes available_bytes free_bytes cached_bytes buffers_bytes \
                        swap_total_bytes swap_used_bytes swap_free_bytes hugepages_total hugepages_free \
                        hugepages_reserved hugepage_size_bytes dirty_bytes writeback_bytes slab_bytes sreclaimable_bytes shmem_bytes \
                        anon_bytes mapped_bytes committed_bytes sunreclaim_bytes active_bytes inactive_bytes \
                        page_tables_bytes kernel_stack_bytes percpu_bytes anon_hugepages_bytes zswap_bytes zswapped_bytes";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, numbers: [u64; 4]) {
            let _ = parse(&text, &mut Vec::new());
            let [a, b, c, d] = numbers;
            let text = format!("MemTotal: {a}\nMemFree: {b}\nBuffers: {c}\nCached: {d}\nSwapTotal: {b}\nSwapFree: {a}\n");
            let mut rows = Vec::new();
            if parse(text.as_bytes(), &mut rows).is_ok() {
                rows.iter().for_each(|m| { m.usage_percent(); m.swap_used(); });
            }
        }
    }
}
