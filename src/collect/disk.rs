//! Block devices. Source: `/proc/diskstats`, described in the kernel's `admin-guide/iostats`.
//!
//! Reading that one file also shows newly attached disks. Reading `/sys/block/*/stat` of the real disks would be
//! slightly cheaper, but the folder would have to be listed as well to notice new ones.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened};
use super::presence::Presence;
use crate::linux::files::HeldFile;
use crate::linux::name::Name;
use crate::linux::possible::count;
use crate::linux::scan::{ParseError, lines, number, words};
use crate::table::Unit::{Bytes, Count, Milliseconds, Percent};
use crate::table::sample::Sample;
use crate::table::{Formula, Table, counter, derived, entity, gauge, label_int};

pub const ENTRY: Entry = Entry {
    name: "disk",
    doc: "throughput, operations, latency and utilisation of each disk",
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open: |setup| {
        let file = HeldFile::open(setup.roots.proc("diskstats"))?;
        let choice = (!setup.options.disk.all_disks).then(|| WholeDisks::new(setup.roots.sys("block")));
        let class = setup.roots.sys("class/block");
        // A `/` in a name (cciss/c0d0) is a `!` in sysfs. A device that is created again has a new folder there.
        let inode = move |name: &str| Some(class.join(name.replace('/', "!")).metadata().ok()?.ino());
        let presence = Presence::new(inode);
        Ok(Opened::complete(Disks { file, choice, presence, all: Vec::new(), rows: Vec::new() }))
    },
};

static TABLE: Table<Disk> = Table {
    name: "disk",
    source: "/proc/diskstats",
    doc: "Block devices: one row per tick and whole disk, device-mapper or md device; partitions, loop, ram and zram \
          devices only with `--all-disks`.",
    columns: &[
        entity("device", "The kernel's name, for example `nvme0n1`.", |d: &Disk| d.name.as_str().into()),
        label_int("since", Count, "The number of the reading at which it appeared.", |d: &Disk| d.since.into())
            .tells_apart()
            .hidden(),
        counter("read_bytes", Bytes, "Bytes read (sectors of 512).", |d: &Disk| bytes(d.sectors_read))
            .with_rate("read_bytes_per_sec"),
        counter("write_bytes", Bytes, "Bytes written (sectors of 512).", |d: &Disk| bytes(d.sectors_written))
            .with_rate("write_bytes_per_sec"),
        counter("read_count", Count, "Reads completed.", |d: &Disk| d.reads.into()).with_rate("read_iops"),
        counter("write_count", Count, "Writes completed.", |d: &Disk| d.writes.into()).with_rate("write_iops"),
        counter("read_time_ms", Milliseconds, "Sum of the times of all reads, from queueing to completion.", |d| {
            d.read_ms.into()
        }),
        counter("write_time_ms", Milliseconds, "Sum of the times of all writes, from queueing to completion.", |d| {
            d.write_ms.into()
        }),
        derived(
            "read_latency_ms",
            Milliseconds,
            "Mean time of the reads completed in the interval; null if there were none.",
            Formula::ratio(&["read_time_ms"], &["read_count"]),
        )
        .lower_is_better(),
        derived(
            "write_latency_ms",
            Milliseconds,
            "Mean time of the writes completed in the interval; null if there were none.",
            Formula::ratio(&["write_time_ms"], &["write_count"]),
        )
        .lower_is_better(),
        gauge(
            "in_flight",
            Count,
            "Operations issued and not yet completed; null from 2^31 on, where the kernel's count went below zero.",
            |d: &Disk| count(d.in_flight).into(),
        ),
        counter("busy_ms", Milliseconds, "Time with at least one operation in flight.", |d: &Disk| d.busy_ms.into()),
        derived(
            "util_percent",
            Percent,
            "Share of the interval with at least one operation in flight; a disk that works in parallel can do more \
             even at 100.",
            Formula::rate(&["busy_ms"]).times(0.1).at_most(100.0),
        ),
        counter(
            "weighted_ms",
            Milliseconds,
            "Time in flight, summed over all operations, including those still in flight.",
            |d: &Disk| d.weighted_ms.into(),
        )
        .hidden(),
        derived(
            "queue_length",
            Count,
            "Mean number of operations in flight over the interval.",
            Formula::rate(&["weighted_ms"]).times(0.001),
        ),
    ],
};

/// The sector size used by the kernel, regardless of the disk's own.
const SECTOR: u64 = 512;

fn bytes(sectors: Option<u64>) -> crate::table::Value<'static> {
    sectors.and_then(|s| s.checked_mul(SECTOR)).into()
}

/// One line of `/proc/diskstats`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Disk {
    name: Name,
    reads: Option<u64>,
    sectors_read: Option<u64>,
    read_ms: Option<u64>,
    writes: Option<u64>,
    sectors_written: Option<u64>,
    write_ms: Option<u64>,
    in_flight: Option<u64>,
    busy_ms: Option<u64>,
    weighted_ms: Option<u64>,
    /// The number of the reading at which it appeared; not part of the line.
    since: u64,
}

impl Disk {
    fn without_values(name: Name) -> Disk {
        Disk {
            name,
            reads: None,
            sectors_read: None,
            read_ms: None,
            writes: None,
            sectors_written: None,
            write_ms: None,
            in_flight: None,
            busy_ms: None,
            weighted_ms: None,
            since: 0,
        }
    }

    fn was_used(&self) -> bool {
        self.reads.is_some_and(|n| n > 0) || self.writes.is_some_and(|n| n > 0)
    }
}

fn parse(text: &[u8], rows: &mut Vec<Disk>) -> Result<(), ParseError> {
    for (i, line) in lines(text).enumerate() {
        rows.push(disk(line).map_err(|what| ParseError { line: i + 1, what })?);
    }
    Ok(())
}

/// Parses `major minor name` followed by 11 numbers; 15 since Linux 4.18 (discards), 17 since 5.5 (flushes). Before
/// 2.6.25 a partition had only four.
fn disk(line: &[u8]) -> Result<Disk, String> {
    let mut words = words(line);
    let name = words.nth(2).and_then(Name::new).ok_or("no device name")?;
    let mut fields = [None; 11];
    let mut found = 0;
    for word in words {
        if let Some(field) = fields.get_mut(found) {
            *field = number(word);
        }
        found += 1;
    }
    match (found, fields) {
        (4, [reads, sectors_read, writes, sectors_written, ..]) => {
            Ok(Disk { reads, sectors_read, writes, sectors_written, ..Disk::without_values(name) })
        }
        (
            11..,
            [reads, _, sectors_read, read_ms, writes, _, sectors_written, write_ms, in_flight, busy_ms, weighted_ms],
        ) => Ok(Disk {
            name,
            reads,
            sectors_read,
            read_ms,
            writes,
            sectors_written,
            write_ms,
            in_flight,
            busy_ms,
            weighted_ms,
            since: 0,
        }),
        _ => Err(format!("expected at least 14 fields, found {}", found + 3)),
    }
}

struct Disks {
    file: HeldFile,
    /// `None` means every device.
    choice: Option<WholeDisks>,
    presence: Presence<()>,
    all: Vec<Disk>,
    rows: Vec<Disk>,
}

impl Collector for Disks {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.all.clear();
        let parsed = parse(self.file.read()?, &mut self.all);
        parsed.map_err(|error| CollectError::Parse { path: self.file.path().to_path_buf(), error })?;
        self.rows.clear();
        self.presence.follow(&mut self.all, |disk| disk.name, |disk, present, _| disk.since = present.since);
        match &mut self.choice {
            None => self.rows.extend_from_slice(&self.all),
            Some(choice) => self.rows.extend(self.all.iter().filter(|d| choice.takes(d, &self.all))),
        }
        out.push(&TABLE, &self.rows);
        Ok(())
    }

    fn lasts(&self) -> bool {
        true
    }
}

/// Tells whole disks from partitions and from devices that are not disks.
struct WholeDisks {
    /// `/sys/block` has an entry for each whole disk, and none for partitions.
    block: PathBuf,
    block_is_readable: bool,
    known: HashMap<Name, bool>,
}

impl WholeDisks {
    fn new(block: PathBuf) -> Self {
        WholeDisks { block_is_readable: block.is_dir(), block, known: HashMap::new() }
    }

    fn takes(&mut self, disk: &Disk, all: &[Disk]) -> bool {
        let name = disk.name.as_str();
        // The list also contains empty drives and unconnected network disks. They are left out until they are used.
        if is_numbered(name, &["sr", "fd", "nbd"]) && !disk.was_used() {
            return false;
        }
        if let Some(known) = self.known.get(&disk.name) {
            return *known;
        }
        if is_numbered(name, &["loop", "ram", "zram"]) {
            self.known.insert(disk.name, false);
            return false;
        }
        let looks_like_partition = is_partition_of_any(name, all);
        let whole = if self.block_is_readable {
            // A `/` in a name (cciss/c0d0) is a `!` in sysfs.
            self.block.join(name.replace('/', "!")).exists()
        } else {
            !looks_like_partition
        };
        // A new disk is listed shortly before it appears in `/sys/block`, so a negative answer is checked again.
        if whole || looks_like_partition {
            self.known.insert(disk.name, whole);
        }
        whole
    }
}

/// One of these words followed by a digit: `loop0`, `loop0p1`.
fn is_numbered(name: &str, words: &[&str]) -> bool {
    words.iter().any(|w| name.strip_prefix(w).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
}

/// A disk's name and a number, with a `p` in between if the disk's name ends with a digit: `sda1`, `nvme0n1p1`.
fn is_partition_of_any(name: &str, all: &[Disk]) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    let ends_with_digit = |disk: &&str| disk.ends_with(|c: char| c.is_ascii_digit());
    let disk = stem.strip_suffix('p').filter(ends_with_digit).unwrap_or(stem);
    all.iter().any(|d| d.name.as_str() == disk)
}

#[cfg(test)]
mod tests {
    use super::super::options::{DiskOptions, Options};
    use super::*;
    use crate::linux::files::read_records;
    use crate::linux::files::tests::Pieces;
    use crate::table::sample::Cell;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Result<Vec<Disk>, ParseError> {
        let mut rows = Vec::new();
        parse(text.as_bytes(), &mut rows).map(|()| rows)
    }

    fn line_of(name: &str) -> String {
        format!("   8       0 {name} 1 0 8 1 1 0 8 1 0 1 1\n")
    }

    fn chosen(choice: &mut WholeDisks, names: &[&str]) -> Vec<String> {
        let all = parsed(&names.iter().map(|n| line_of(n)).collect::<String>()).unwrap();
        all.iter().filter(|d| choice.takes(d, &all)).map(|d| d.name.as_str().to_string()).collect()
    }

    #[test]
    fn each_number_finds_its_column_on_every_kernel() {
        let sda = Disk {
            name: Name::new(b"sda").unwrap(),
            reads: Some(101),
            sectors_read: Some(103),
            read_ms: Some(104),
            writes: Some(105),
            sectors_written: Some(107),
            write_ms: Some(108),
            in_flight: Some(109),
            busy_ms: Some(110),
            weighted_ms: Some(111),
            since: 0,
        };
        let base = "   8       0 sda 101 102 103 104 105 106 107 108 109 110 111";
        for (kernel, more) in
            [("2.6.32, 3.10, 4.4", ""), ("4.18", " 112 113 114 115"), ("5.5, 6.x", " 112 113 114 115 116 117")]
        {
            assert_eq!(parsed(&format!("{base}{more}\n")).unwrap(), [sda], "Linux {kernel}");
        }
    }

    /// dm-3 is removed and another device gets its name: what that device wrote is not growth of the first.
    #[test]
    fn a_device_that_is_created_again_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let class = dir.path().join("class/block");
        let put = |lines: &[(&str, u64)]| {
            let line = |(name, n): &(&str, u64)| format!(" 253 3 {name} {n} 0 {n} 1 {n} 0 {n} 1 0 1 1\n");
            std::fs::write(dir.path().join("diskstats"), lines.iter().map(line).collect::<String>()).unwrap();
        };
        for name in ["dm-3", "sda"] {
            std::fs::create_dir_all(class.join(name)).unwrap();
        }
        put(&[("dm-3", 100), ("sda", 7)]);
        let roots = crate::linux::files::Roots { proc: dir.path().into(), sys: dir.path().into() };
        let options = Options { disk: DiskOptions { all_disks: true }, ..Options::default() };
        let mut opened = (ENTRY.open)(&super::super::collector::Setup::new(roots, options)).ok().unwrap();
        let mut reads = || {
            let catalog = [TABLE.def()];
            let mut sample = Sample::new(&catalog);
            opened.collector.collect(0, &mut sample).unwrap();
            let at = |name| catalog[0].raw.iter().position(|c| c.name == name).unwrap();
            let int = |cell| if let crate::table::sample::Cell::Int(v) = cell { v } else { panic!("{cell:?}") };
            let values = |row: &[_]| ["read_count", "since"].map(|name| int(row[at(name)]));
            sample.cells.chunks(catalog[0].raw.len()).map(values).collect::<Vec<_>>()
        };
        assert_eq!(reads(), [[100, 1], [7, 1]]);
        // Another disk is added and removed: the others keep their identity.
        put(&[("dm-3", 101), ("sda", 8), ("sdb", 1)]);
        assert_eq!(reads(), [[101, 1], [8, 1], [1, 2]]);
        // The kernel lists the newest last.
        std::fs::rename(class.join("dm-3"), dir.path().join("gone")).unwrap();
        std::fs::create_dir(class.join("dm-3")).unwrap();
        put(&[("sda", 9), ("dm-3", 5_000_000)]);
        assert_eq!(reads(), [[9, 1], [5_000_000, 3]]);
        put(&[("sda", 9), ("dm-3", 5_000_001)]);
        assert_eq!(reads(), [[9, 1], [5_000_001, 3]]);
    }

    #[test]
    fn partitions_of_early_2_6_have_four_numbers() {
        let rows = parsed("   3    0 hda 446216 784926 9550688 4382310 424847 312726 5922052 19310380 0 3376340 23705160\n   3    1 hda1 35486 38030 38031 38032\n").unwrap();
        let hda1 = rows[1];
        assert_eq!(hda1.name.as_str(), "hda1");
        assert_eq!(
            (hda1.reads, hda1.sectors_read, hda1.writes, hda1.sectors_written),
            (Some(35486), Some(38030), Some(38031), Some(38032))
        );
        assert_eq!((hda1.read_ms, hda1.busy_ms, hda1.weighted_ms, hda1.in_flight), (None, None, None, None));
    }

    #[test]
    fn sectors_have_512_bytes() {
        assert_eq!(bytes(Some(3)), 1536i64.into());
        assert_eq!(bytes(Some(u64::MAX)), crate::table::Value::Null);
        assert_eq!(bytes(None), crate::table::Value::Null);
    }

    #[test]
    fn sys_block_decides_what_is_a_whole_disk() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["sda", "nvme0n1", "dm-0", "md127", "cciss!c0d0", "xvda1", "loop0", "md_home", "md_home1"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let mut choice = WholeDisks::new(dir.path().to_path_buf());
        let names = [
            "loop0",
            "loop0p1",
            "ram0",
            "zram0",
            "sda",
            "sda1",
            "nvme0n1",
            "nvme0n1p1",
            "dm-0",
            "md127",
            "md127p1",
            "cciss/c0d0",
            "cciss/c0d0p1",
            "xvda1",
            "md_home",
            "md_home1",
        ];
        let whole = ["sda", "nvme0n1", "dm-0", "md127", "cciss/c0d0", "xvda1", "md_home", "md_home1"];
        assert_eq!(chosen(&mut choice, &names), whole);
        assert_eq!(chosen(&mut choice, &names), whole, "the same from the cache");
    }

    #[test]
    fn a_disk_that_is_plugged_in_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sda")).unwrap();
        let mut choice = WholeDisks::new(dir.path().to_path_buf());
        assert_eq!(chosen(&mut choice, &["sda", "sda1"]), ["sda"]);
        // Already listed, but not yet in /sys/block.
        assert_eq!(chosen(&mut choice, &["sda", "sda1", "sdb"]), ["sda"]);
        std::fs::create_dir(dir.path().join("sdb")).unwrap();
        assert_eq!(chosen(&mut choice, &["sda", "sda1", "sdb", "sdb1"]), ["sda", "sdb"]);
        assert_eq!(chosen(&mut choice, &["sda", "sda1"]), ["sda"], "and removed again");
    }

    #[test]
    fn without_sys_block_the_names_decide() {
        let mut choice = WholeDisks::new("/nonexistent/block".into());
        let names = [
            "sda",
            "sda1",
            "sda15",
            "sdp",
            "sdp1",
            "hda",
            "hda2",
            "nvme0n1",
            "nvme0n1p1",
            "nvme10n2",
            "mmcblk0",
            "mmcblk0p2",
            "mmcblk0boot0",
            "md0",
            "md1",
            "md0p1",
            "dm-0",
            "dm-12",
            "xvdf1",
            "cciss/c0d0",
            "cciss/c0d0p3",
            "pmem0",
            "pmem0p1",
            "nbd1",
            "sr0",
            "loop3",
            "ram15",
        ];
        let whole = [
            "sda",
            "sdp",
            "hda",
            "nvme0n1",
            "nvme10n2",
            "mmcblk0",
            "mmcblk0boot0",
            "md0",
            "md1",
            "dm-0",
            "dm-12",
            "xvdf1",
            "cciss/c0d0",
            "pmem0",
            "nbd1",
            "sr0",
        ];
        assert_eq!(chosen(&mut choice, &names), whole);
    }

    #[test]
    fn empty_drives_are_left_out_until_they_are_used() {
        let mut choice = WholeDisks::new("/nonexistent/block".into());
        let mut named = |text: &str| {
            let all = parsed(text).unwrap();
            all.iter().filter(|d| choice.takes(d, &all)).map(|d| d.name.as_str().to_string()).collect::<Vec<_>>()
        };
        let unused = "  11 0 sr0 0 0 0 0 0 0 0 0 0 0 0\n   2 0 fd0 0 0 0 0 0 0 0 0 0 0 0\n  43 0 nbd0 0 0 0 0 0 0 0 0 0 0 0\n   8 0 sda 0 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(named(unused), ["sda"]);
        assert_eq!(named(&unused.replace("sr0 0", "sr0 7")), ["sr0", "sda"]);
    }

    /// Three unused devices, then a disk with 75 partitions. The disk is one record of the kernel and does not fit into
    /// the rest of the first page.
    #[test]
    fn a_disk_of_75_partitions_is_read_whole() {
        let unused = |name: &str| format!("   7       0 {name} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
        let head: String = ["loop0", "loop1", "loop2"].map(unused).concat();
        let disk: String =
            std::iter::once(line_of("vda")).chain((1..=75).map(|i| line_of(&format!("vda{i}")))).collect();
        let text = format!("{head}{disk}{}", line_of("vdb"));
        let pieces = Pieces::new(text.as_bytes(), &[head.len(), disk.len(), line_of("vdb").len()]);
        let mut buffer = Vec::new();
        let length = read_records(&pieces, &mut buffer).unwrap();
        let mut rows = Vec::new();
        parse(&buffer[..length], &mut rows).unwrap();
        assert_eq!(rows.len(), 3 + 76 + 1);
        assert_eq!(rows[3].name.as_str(), "vda");
        assert_eq!(rows[79].name.as_str(), "vdb");
    }

    #[test]
    fn in_flight_below_zero_is_null() {
        let catalog = [TABLE.def()];
        let in_flight = |text: &str| {
            let mut sample = Sample::new(&catalog);
            sample.push(&TABLE, &parsed(&line_of("sda").replace(" 0 1 1\n", &format!(" {text} 1 1\n"))).unwrap());
            sample.cells[catalog[0].raw.iter().position(|c| c.name == "in_flight").unwrap()]
        };
        for wrapped in ["4294967295", "4294967290", "18446744073709551615", "-1"] {
            assert_eq!(in_flight(wrapped), Cell::Null, "{wrapped}");
        }
        assert_eq!(in_flight("1024"), Cell::Int(1024));
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(parsed("").unwrap(), [], "a machine without block devices");
        let error = parsed("   8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8 16 sdb 1 2 3 4 5\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: expected at least 14 fields, found 8");
        assert_eq!(parsed("   8 0\n").unwrap_err().what, "no device name");
        // Some drivers let the number in flight fall below zero.
        let rows = parsed("   8 0 sda 1 2 3 4 5 6 7 8 -1 10 11\n").unwrap();
        assert_eq!((rows[0].in_flight, rows[0].busy_ms), (None, Some(10)));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, text in "[a-z0-9/ \n-]{0,200}") {
            let mut choice = WholeDisks::new("/nonexistent/block".into());
            for text in [&bytes[..], text.as_bytes()] {
                let mut rows = Vec::new();
                let _ = parse(text, &mut rows);
                for row in &rows {
                    choice.takes(row, &rows);
                }
            }
        }
    }
}
