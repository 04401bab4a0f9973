//! Compressed memory disks. Source: `/sys/block/zram*/mm_stat`, described in the kernel's `admin-guide/blockdev/zram`.

use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::{HeldFile, names_in, read_once};
use crate::linux::scan::{number, words};
use crate::table::Unit::{Bytes, Count, None as Pure};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, entity, gauge, gauge_float, significant};

pub const ENTRY: Entry = Entry {
    name: "zram",
    doc: "compressed memory disks: what is stored, and the memory it needs",
    groups: &[Group::Default],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

static TABLE: Table<Zram> = Table {
    name: "zram",
    source: "/sys/block/zram*/mm_stat",
    doc: "Compressed memory disks (zram), mostly for swap: one row per tick and disk that had a size when the recorder \
          started. Their operations are in `disk` with `--all-disks`.",
    charts: Charts::Drawn(&[
        Chart::lines("Stored, and the memory for it", &["stored_bytes", "memory_bytes"]),
        Chart::lines("Compression", &["compression_ratio"]),
    ]),
    columns: &[
        entity("device", "The disk, for example `zram0`.", |z: &Zram| z.device.as_str().into()),
        gauge("stored_bytes", Bytes, "What is stored, as large as it was (orig_data_size).", |z: &Zram| {
            z.stored().into()
        }),
        gauge("compressed_bytes", Bytes, "The same, compressed (compr_data_size).", |z: &Zram| z.compressed().into()),
        gauge(
            "memory_bytes",
            Bytes,
            "Memory that it needs, with what is lost between the pieces (mem_used_total).",
            |z: &Zram| z.numbers[2].into(),
        )
        .lower_is_better(),
        gauge("memory_limit_bytes", Bytes, "The limit of that; null if there is none (mem_limit).", |z: &Zram| {
            z.numbers[3].filter(|limit| *limit > 0).into()
        }),
        gauge_float("compression_ratio", Pure, "stored / memory; null while nothing is stored.", |z: &Zram| {
            z.ratio().into()
        })
        .higher_is_better(),
        gauge("same_pages", Count, "Pages filled with one value, which need no memory (same_pages).", |z: &Zram| {
            z.numbers[5].into()
        }),
        gauge(
            "huge_pages",
            Count,
            "Pages that could not be compressed (huge_pages); null before Linux 4.19.",
            |z: &Zram| z.numbers[7].into(),
        )
        .lower_is_better(),
    ],
};

/// A disk, and the numbers of its file in their order.
struct Zram {
    device: String,
    file: HeldFile,
    numbers: [Option<u64>; 8],
}

impl Zram {
    fn stored(&self) -> Option<u64> {
        self.numbers[0]
    }

    fn compressed(&self) -> Option<u64> {
        self.numbers[1]
    }

    fn ratio(&self) -> Option<f64> {
        let memory = self.numbers[2].filter(|memory| *memory > 0)?;
        Some(significant(self.stored().filter(|stored| *stored > 0)? as f64 / memory as f64))
    }
}

struct Disks {
    all: Vec<Zram>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let block = setup.roots.sys("block");
    let names = names_in(&block).unwrap_or_default();
    let names: Vec<String> = names.into_iter().filter(|name| name.starts_with("zram")).collect();
    if names.is_empty() {
        return Err(Unavailable::new(format!("no zram disk in {}", block.display())));
    }
    let has_size = |name: &String| read_once(&block.join(name).join("disksize")).is_ok_and(|size| size != "0");
    let in_use: Vec<&String> = names.iter().filter(|name| has_size(name)).collect();
    if in_use.is_empty() {
        return Err(Unavailable::new(format!("{} is not set up", names.join(", "))));
    }
    let (mut all, mut notes) = (Vec::new(), Vec::new());
    for name in in_use {
        match HeldFile::open(block.join(name).join("mm_stat")) {
            Ok(file) => all.push(Zram { device: name.clone(), file, numbers: [None; 8] }),
            // Linux before 4.1 has a file per number.
            Err(error) => notes.push(error.to_string()),
        }
    }
    if all.is_empty() {
        return Err(Unavailable::new(notes.join("; ")));
    }
    Ok(Opened::with_notes(Disks { all }, notes))
}

fn numbers(text: &[u8]) -> [Option<u64>; 8] {
    let mut found = [None; 8];
    for (word, place) in words(text.trim_ascii()).zip(&mut found) {
        *place = number(word);
    }
    found
}

impl Collector for Disks {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        // A disk that was removed answers ENODEV.
        let mut error = None;
        for disk in &mut self.all {
            disk.numbers = match disk.file.read() {
                Ok(text) => numbers(text),
                Err(why) => {
                    error = Some(why);
                    [None; 8]
                }
            };
        }
        if let Some(error) = error.filter(|_| self.all.iter().all(|disk| disk.stored().is_none())) {
            return Err(error.into());
        }
        out.push(&TABLE, &self.all);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::linux::hwmon::tests::tree;
    use crate::table::sample::Cell;

    #[test]
    fn disks_that_are_set_up() {
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup::new(Roots { proc: dir.path().into(), sys: dir.path().into() }, Options::default());
        let reason = || open(&setup).err().unwrap().reason;
        assert!(reason().starts_with("no zram disk in "), "{}", reason());
        tree(dir.path(), &[("block/zram0/disksize", "0\n"), ("block/zram0/mm_stat", "0 0 0 0 0 0 0 0 0\n")]);
        assert_eq!(reason(), "zram0 is not set up");
        // The second is of Linux 4.4, with a limit, and empty.
        tree(
            dir.path(),
            &[
                ("block/zram1/disksize", "4294967296\n"),
                (
                    "block/zram1/mm_stat",
                    "  536870912 134217728 143165576        0 200000000     1234        0       56        7\n",
                ),
                ("block/zram2/disksize", "4294967296\n"),
                ("block/zram2/mm_stat", "       0        0        0  1073741824        0        0        0\n"),
            ],
        );
        let mut opened = open(&setup).ok().unwrap();
        assert_eq!(opened.notes, [""; 0]);
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        let rows: Vec<_> = sample.cells.chunks(8).map(|row| &row[1..]).collect();
        let first = [536_870_912, 134_217_728, 143_165_576].map(Cell::Int);
        assert_eq!((rows.len(), &rows[0][..3], rows[0][3]), (2, &first[..], Cell::Null));
        // 536870912 / 143165576
        assert!(matches!(rows[0][4], Cell::Float(ratio) if (ratio - 3.750_000_2).abs() < 1e-5), "{:?}", rows[0]);
        assert_eq!(rows[0][5..], [1234, 56].map(Cell::Int));
        assert_eq!(rows[1][..4], [0, 0, 0, 1 << 30].map(Cell::Int));
        assert_eq!(rows[1][4..], [Cell::Null, Cell::Int(0), Cell::Null]);
    }

    #[test]
    fn old_kernels_have_other_files() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), &[("block/zram0/disksize", "99\n"), ("block/zram0/orig_data_size", "0\n")]);
        let setup = Setup::new(Roots { proc: dir.path().into(), sys: dir.path().into() }, Options::default());
        assert!(open(&setup).err().unwrap().reason.contains("mm_stat"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>) {
            numbers(&text);
        }
    }
}
