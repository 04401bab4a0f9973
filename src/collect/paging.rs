//! Paging, swapping and reclaim. Source: `/proc/vmstat`; its names are those of the kernel's `vm_event_item.h`.

use std::time::Duration;

use super::absent;
use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::HeldFile;
use crate::linux::scan::{ParseError, lines, number, split_once};
use crate::table::Unit::{Bytes, BytesPerSec, Count, Kibibytes, Pages};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Formula, Table, counter, derived};

pub const ENTRY: Entry = Entry {
    name: "paging",
    doc: "paging, swapping, page faults and reclaim",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

static TABLE: Table<Paging> = Table {
    name: "paging",
    source: "/proc/vmstat",
    doc: "Paging, swapping, page faults and reclaim: one row per tick.",
    charts: Charts::Drawn(&[
        Chart::lines("Memory activity: page and swap I/O", &["page_io_bytes_per_sec", "swap_io_bytes_per_sec"]),
        Chart::lines("Page faults", &["pgfault_per_sec", "pgmajfault_per_sec"]),
        Chart::lines("Reclaim", &["pgscan", "pgsteal", "pgscan_direct"]),
        Chart::lines("Waiting for memory", &["allocstall", "compact_stall"]),
        Chart::lines("Transparent huge pages", &["thp_fault_alloc", "thp_fault_fallback", "thp_collapse_alloc"]),
    ]),
    columns: &[
        counter(
            "pgpgin",
            Kibibytes,
            "Read from block devices since boot (KiB, regardless of the page size).",
            |p: &Paging| p.pgpgin.into(),
        )
        .with_rate("pgpgin_per_sec"),
        counter(
            "pgpgout",
            Kibibytes,
            "Written to block devices since boot (KiB, regardless of the page size).",
            |p: &Paging| p.pgpgout.into(),
        )
        .with_rate("pgpgout_per_sec"),
        counter("pswpin", Pages, "Pages read from swap since boot.", |p: &Paging| p.pswpin.into())
            .lower_is_better()
            .with_rate("pswpin_per_sec"),
        counter("pswpout", Pages, "Pages written to swap since boot.", |p: &Paging| p.pswpout.into())
            .lower_is_better()
            .with_rate("pswpout_per_sec"),
        counter("pgfault", Count, "Page faults since boot, including major ones.", |p: &Paging| p.pgfault.into())
            .with_rate("pgfault_per_sec"),
        counter("pgmajfault", Count, "Page faults that had to wait for a disk, since boot.", |p: &Paging| {
            p.pgmajfault.into()
        })
        .lower_is_better()
        .with_rate("pgmajfault_per_sec"),
        derived(
            "page_io_bytes_per_sec",
            BytesPerSec,
            "Read from and written to block devices: growth of pgpgin and pgpgout.",
            Formula::rate(&["pgpgin", "pgpgout"]).times(1024.0),
        ),
        derived(
            "swap_io_bytes_per_sec",
            BytesPerSec,
            "Read from and written to swap: growth of pswpin and pswpout, times the page size.",
            Formula::rate(&["swap_io_bytes"]),
        )
        .lower_is_better(),
        counter("swap_io_bytes", Bytes, "pswpin and pswpout in bytes.", |p: &Paging| p.swap_io_bytes().into()).hidden(),
        counter(
            "oom_kill",
            Count,
            "Processes killed because of lack of memory since boot; null before Linux 4.13.",
            |p: &Paging| p.oom_kill.into(),
        )
        .lower_is_better(),
        counter("pgscan", Pages, "Pages scanned for reclaim since boot, by all reclaimers.", |p: &Paging| {
            p.pgscan.into()
        })
        .lower_is_better(),
        counter("pgsteal", Pages, "Pages reclaimed since boot, by all reclaimers.", |p: &Paging| p.pgsteal.into())
            .lower_is_better(),
        counter("allocstall", Count, "Allocations that had to reclaim memory first, since boot.", |p: &Paging| {
            p.allocstall.into()
        })
        .lower_is_better(),
        counter(
            "pgscan_direct",
            Pages,
            "The part of pgscan by tasks that needed memory at once, since boot; the rest was in the background (kswapd).",
            |p: &Paging| p.pgscan_direct.into(),
        )
        .lower_is_better(),
        counter(
            "workingset_refault",
            Pages,
            "Pages that were needed again soon after they had been reclaimed, since boot: memory is too small for what \
             is used; null before Linux 3.15.",
            |p: &Paging| p.workingset_refault.into(),
        )
        .lower_is_better(),
        counter(
            "compact_stall",
            Count,
            "Allocations that had to wait until memory was moved to make room for large pages, since boot.",
            |p: &Paging| p.compact_stall.into(),
        )
        .lower_is_better(),
        counter("thp_fault_alloc", Count, "Page faults that got a transparent huge page, since boot.", |p: &Paging| {
            p.thp_fault_alloc.into()
        }),
        counter(
            "thp_fault_fallback",
            Count,
            "Page faults that were to get a transparent huge page and got small pages, since boot.",
            |p: &Paging| p.thp_fault_fallback.into(),
        )
        .lower_is_better(),
        counter(
            "thp_collapse_alloc",
            Count,
            "Transparent huge pages into which small pages were joined later (khugepaged), since boot.",
            |p: &Paging| p.thp_collapse_alloc.into(),
        ),
        counter(
            "numa_pages_migrated",
            Pages,
            "Pages moved to the node of the CPU that uses them (NUMA balancing), since boot.",
            |p: &Paging| p.numa_pages_migrated.into(),
        ),
    ],
};

/// The values read from `/proc/vmstat`; lines that this kernel does not print are `None`.
#[derive(Debug, Default, PartialEq)]
struct Paging {
    pgpgin: Option<u64>,
    pgpgout: Option<u64>,
    pswpin: Option<u64>,
    pswpout: Option<u64>,
    pgfault: Option<u64>,
    pgmajfault: Option<u64>,
    oom_kill: Option<u64>,
    pgscan: Option<u64>,
    pgsteal: Option<u64>,
    allocstall: Option<u64>,
    pgscan_direct: Option<u64>,
    workingset_refault: Option<u64>,
    compact_stall: Option<u64>,
    thp_fault_alloc: Option<u64>,
    thp_fault_fallback: Option<u64>,
    thp_collapse_alloc: Option<u64>,
    numa_pages_migrated: Option<u64>,
    /// Unit: bytes.
    page_size: u64,
}

impl Paging {
    fn swap_io_bytes(&self) -> Option<u64> {
        self.pswpin?.checked_add(self.pswpout?)?.checked_mul(self.page_size)
    }
}

struct PagingCollector {
    file: HeldFile,
    page_size: u64,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let file = HeldFile::open(setup.roots.proc("vmstat"))?;
    let mut collector = PagingCollector { file, page_size: procfs::page_size() };
    let first = collector.read().map_err(|e| Unavailable::new(e.to_string()))?;
    let notes = absent::note(&TABLE, &first).into_iter().collect();
    Ok(Opened::with_notes(collector, notes))
}

impl PagingCollector {
    fn read(&mut self) -> Result<Paging, CollectError> {
        let parsed = parse(self.file.read()?, self.page_size);
        parsed.map_err(|error| CollectError::Parse { path: self.file.path().to_path_buf(), error })
    }
}

impl Collector for PagingCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let paging = self.read()?;
        out.push(&TABLE, &[paging]);
        Ok(())
    }
}

/// Of about 190 lines two to three dozen are needed. Checking the first bytes rules out most of the others.
fn parse(text: &[u8], page_size: u64) -> Result<Paging, ParseError> {
    let mut p = Paging { page_size, ..Paging::default() };
    for line in lines(text) {
        if !matches!(
            line,
            [b'p', b'g' | b's', ..]
                | [b'o' | b'w', b'o', ..]
                | [b'a', b'l', ..]
                | [b't', b'h', b'p', b'_', b'f' | b'c', ..]
                | [b'n', b'u', b'm', b'a', b'_', b'p', ..]
                | [b'c', b'o', b'm', b'p', b'a', b'c', b't', b'_', b's', ..]
        ) {
            continue;
        }
        let Some((key, value)) = split_once(line, b' ') else { continue };
        let value = number(value);
        match key {
            b"pgpgin" => p.pgpgin = value,
            b"pgpgout" => p.pgpgout = value,
            b"pswpin" => p.pswpin = value,
            b"pswpout" => p.pswpout = value,
            b"pgfault" => p.pgfault = value,
            b"pgmajfault" => p.pgmajfault = value,
            b"oom_kill" => p.oom_kill = value,
            b"allocstall" => add(&mut p.allocstall, value),
            // By kind of page since 5.9.
            b"workingset_refault" | b"workingset_refault_anon" | b"workingset_refault_file" => {
                add(&mut p.workingset_refault, value);
            }
            b"compact_stall" => p.compact_stall = value,
            b"thp_fault_alloc" => p.thp_fault_alloc = value,
            b"thp_fault_fallback" => p.thp_fault_fallback = value,
            b"thp_collapse_alloc" => p.thp_collapse_alloc = value,
            b"numa_pages_migrated" => p.numa_pages_migrated = value,
            _ => add_part(&mut p, key, value),
        }
    }
    if p.pgpgin.is_none() && p.pgfault.is_none() {
        return Err(ParseError { line: 1, what: "neither pgpgin nor pgfault (CONFIG_VM_EVENT_COUNTERS)".into() });
    }
    Ok(p)
}

/// Kernels have split these counters in different ways; the parts that exist are summed.
fn add_part(p: &mut Paging, key: &[u8], value: Option<u64>) {
    let of = |prefix: &[u8]| key.strip_prefix(prefix);
    if let Some(who) = of(b"pgscan_").filter(|who| is_reclaimer(who)) {
        add(&mut p.pgscan, value);
        if who.starts_with(b"direct") {
            add(&mut p.pgscan_direct, value);
        }
    } else if of(b"pgsteal_").is_some_and(|who| is_reclaimer(who) || is_zone(who)) {
        add(&mut p.pgsteal, value);
    } else if of(b"allocstall_").is_some_and(is_zone) {
        add(&mut p.allocstall, value);
    }
}

fn add(sum: &mut Option<u64>, value: Option<u64>) {
    if let Some(value) = value {
        *sum = Some(sum.unwrap_or(0).saturating_add(value));
    }
}

/// What reclaimed the pages: `kswapd`, or before Linux 4.8 one counter per zone, `kswapd_normal`. Not `anon` and
/// `file`, which count the same pages again by type, nor `direct_throttle`, which counts waits.
fn is_reclaimer(name: &[u8]) -> bool {
    let end = name.iter().position(|b| *b == b'_').unwrap_or(name.len());
    let (who, zone) = name.split_at(end);
    matches!(who, b"kswapd" | b"direct" | b"khugepaged" | b"proactive")
        && (zone.is_empty() || zone.strip_prefix(b"_").is_some_and(is_zone))
}

fn is_zone(name: &[u8]) -> bool {
    matches!(name, b"dma" | b"dma32" | b"normal" | b"high" | b"movable" | b"device")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn one(text: &str) -> Paging {
        parse(text.as_bytes(), PAGE).unwrap()
    }

    #[test]
    fn linux_6() {
        let p = one("nr_free_pages 1296757\nnr_dirty 162\npgpromote_success 9\npgdemote_kswapd 9\npgpgin 2298725\n\
                     pgpgout 3463460\npswpin 11\npswpout 22\npgalloc_dma 9\nallocstall_dma 1\nallocstall_dma32 2\n\
                     allocstall_normal 30\nallocstall_movable 400\nallocstall_device 5000\npgskip_dma 9\npgfree 9\n\
                     pgfault 9542030\npgmajfault 1041\npgsteal_kswapd 100\npgsteal_direct 20\npgsteal_khugepaged 3\n\
                     pgsteal_proactive 4000\npgscan_kswapd 200\npgscan_direct 40\npgscan_khugepaged 6\n\
                     pgscan_proactive 8000\npgscan_direct_throttle 77\npgscan_anon 8000\npgscan_file 246\n\
                     pgsteal_anon 4000\npgsteal_file 123\npginodesteal 5\nslabs_scanned 293\noom_kill 7\nswap_ra 1\n\
                     workingset_nodes 9\nworkingset_refault_anon 5\nworkingset_refault_file 60\n\
                     workingset_activate_file 9\nnuma_hit 9\nnuma_pte_updates 9\nnuma_pages_migrated 44\n\
                     compact_stall 55\ncompact_success 9\nthp_fault_alloc 66\nthp_fault_fallback 7\n\
                     thp_fault_fallback_charge 9\nthp_collapse_alloc 8\nthp_collapse_alloc_failed 9\nthp_file_alloc 9\n");
        let expected = Paging {
            pgpgin: Some(2_298_725),
            pgpgout: Some(3_463_460),
            pswpin: Some(11),
            pswpout: Some(22),
            pgfault: Some(9_542_030),
            pgmajfault: Some(1041),
            oom_kill: Some(7),
            pgscan: Some(8246),
            pgsteal: Some(4123),
            allocstall: Some(5433),
            pgscan_direct: Some(40),
            workingset_refault: Some(65),
            compact_stall: Some(55),
            thp_fault_alloc: Some(66),
            thp_fault_fallback: Some(7),
            thp_collapse_alloc: Some(8),
            numa_pages_migrated: Some(44),
            page_size: PAGE,
        };
        assert_eq!(p, expected);
        assert_eq!(p.swap_io_bytes(), Some(33 * 4096));
        assert_eq!(absent::note(&TABLE, &p), None);
    }

    #[test]
    fn linux_4_4_counts_by_zone() {
        let p = one("pgpgin 1\npgfault 2\npgsteal_kswapd_dma 1\npgsteal_kswapd_dma32 20\npgsteal_kswapd_normal 300\n\
                     pgsteal_kswapd_movable 4000\npgsteal_direct_normal 50000\npgscan_kswapd_dma 2\n\
                     pgscan_kswapd_normal 30\npgscan_direct_dma32 400\npgscan_direct_throttle 9\n\
                     zone_reclaim_failed 9\nkswapd_inodesteal 9\nallocstall 12\noom_kill_x 5\n");
        assert_eq!((p.pgsteal, p.pgscan, p.allocstall, p.oom_kill), (Some(54_321), Some(432), Some(12), None));
        assert_eq!((p.pgscan_direct, p.workingset_refault), (Some(400), None));
    }

    #[test]
    fn linux_2_6_32_counts_steals_by_zone_only() {
        let p = one("pgpgin 1\npgfault 2\npgrefill_normal 9\npgsteal_dma 1\npgsteal_dma32 20\npgsteal_normal 300\n\
                     pgscan_kswapd_normal 40\npgscan_direct_normal 2\nkswapd_steal 321\nallocstall 3\n");
        assert_eq!((p.pgsteal, p.pgscan, p.allocstall), (Some(321), Some(42), Some(3)));
        assert_eq!(p.pgscan_direct, Some(2));
        let note = absent::note(&TABLE, &p).unwrap();
        let expected = "pgpgout, pswpin, pswpout, pgmajfault, oom_kill, workingset_refault, compact_stall, \
                        thp_fault_alloc, thp_fault_fallback, thp_collapse_alloc, numa_pages_migrated";
        assert_eq!(note, format!("no value on this kernel for {expected} (/proc/vmstat)"));
    }

    #[test]
    fn other_pages_than_4096() {
        let p = parse(b"pgpgin 1\npswpin 2\npswpout 3\n", 65_536).unwrap();
        assert_eq!(p.swap_io_bytes(), Some(5 * 65_536));
        let p = parse(b"pgpgin 1\npswpin 18446744073709551615\npswpout 3\n", 65_536).unwrap();
        assert_eq!(p.swap_io_bytes(), None, "the sum does not wrap");
    }

    #[test]
    fn damaged_text() {
        let message = "line 1: neither pgpgin nor pgfault (CONFIG_VM_EVENT_COUNTERS)";
        for bad in
            ["", "hello\n", "nr_free_pages 1\n", "pgpgin", "pgpgin x\npgfault -1\n", "pgpgin 99999999999999999999"]
        {
            assert_eq!(parse(bad.as_bytes(), PAGE).unwrap_err().to_string(), message, "{bad:?}");
        }
        let p = one("pgpgin 5\npgscan_kswapd x\npgsteal_ 4\npgscan_kswapd_ 4\nallocstall_ 1\npswpin \npg");
        assert_eq!(p, Paging { pgpgin: Some(5), page_size: PAGE, ..Paging::default() });
        let p = one("pgpgin 5\nallocstall_dma 18446744073709551615\nallocstall_normal 18446744073709551615\n");
        assert_eq!(p.allocstall, Some(u64::MAX));
    }

    #[test]
    fn columns_are_in_the_documented_order() {
        let def = TABLE.def();
        let names: Vec<_> = def.stored.iter().map(|c| c.name).collect();
        let expected = "pgpgin pgpgin_per_sec pgpgout pgpgout_per_sec pswpin pswpin_per_sec pswpout pswpout_per_sec \
                        pgfault pgfault_per_sec pgmajfault pgmajfault_per_sec page_io_bytes_per_sec \
                        swap_io_bytes_per_sec oom_kill pgscan pgsteal allocstall pgscan_direct \
                        workingset_refault compact_stall thp_fault_alloc thp_fault_fallback thp_collapse_alloc \
                        numa_pages_migrated";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, key in "(pgscan|pgsteal|allocstall)_[a-z_]{0,12}", value: u64) {
            let _ = parse(&text, PAGE);
            let _ = parse(format!("pgpgin 1\n{key} {value}\n{key} {value}\n").as_bytes(), PAGE);
        }
    }
}
