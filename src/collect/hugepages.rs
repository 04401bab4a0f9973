//! Huge pages of each size. Source: `/sys/kernel/mm/hugepages`, described in the kernel's `admin-guide/mm/hugetlbpage`.
//! Those of the default size are also in `memory`.

use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use crate::linux::files::{HeldFile, names_in};
use crate::linux::possible::count;
use crate::linux::scan::number;
use crate::table::Unit::Count;
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, entity, gauge};

pub const ENTRY: Entry = Entry {
    name: "hugepages",
    doc: "huge pages of each size: in the pool, free, reserved",
    groups: &[],
    tables: &[|| TABLE.def()],
    // Four files per size, which administrators change.
    cadence: Duration::from_secs(10),
    open,
};

static TABLE: Table<Pool> = Table {
    name: "hugepages",
    source: "/sys/kernel/mm/hugepages",
    doc: "Huge pages: one row per size every 10 s. Only on request (`--collectors +hugepages`).",
    charts: Charts::Drawn(&[Chart::lines("Huge pages", &["pages", "pages_free", "pages_reserved"])]),
    columns: &[
        entity("size", "The size of a page as the kernel writes it: `2048kB`, `1048576kB`.", |p: &Pool| {
            p.size.as_str().into()
        }),
        gauge("pages", Count, "Pages of this size, with those above the size of the pool.", |p: &Pool| {
            count(p.numbers[0]).into()
        }),
        gauge("pages_free", Count, "Those that are not allocated.", |p: &Pool| count(p.numbers[1]).into()),
        gauge("pages_reserved", Count, "Those that are promised and not yet allocated.", |p: &Pool| {
            count(p.numbers[2]).into()
        }),
        gauge("pages_surplus", Count, "Those above the size of the pool.", |p: &Pool| count(p.numbers[3]).into()),
    ],
};

/// In the order of the columns.
const FILES: [&str; 4] = ["nr_hugepages", "free_hugepages", "resv_hugepages", "surplus_hugepages"];

/// The pages of one size.
struct Pool {
    size: String,
    files: [Option<HeldFile>; 4],
    numbers: [Option<u64>; 4],
}

struct Pools {
    all: Vec<Pool>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let folder = setup.roots.sys("kernel/mm/hugepages");
    let pool = |name: String| {
        let size = name.strip_prefix("hugepages-")?.to_string();
        let files = FILES.map(|file| HeldFile::open_attribute(folder.join(&name).join(file)).ok());
        Some(Pool { size, files, numbers: [None; 4] })
    };
    let all: Vec<Pool> = names_in(&folder).unwrap_or_default().into_iter().filter_map(pool).collect();
    if all.is_empty() {
        return Err(Unavailable::new(format!("no sizes in {}", folder.display()))
            .advise("a kernel without CONFIG_HUGETLBFS has none"));
    }
    Ok(Opened::complete(Pools { all }))
}

impl Collector for Pools {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        for pool in &mut self.all {
            for (file, place) in pool.files.iter_mut().zip(&mut pool.numbers) {
                *place = file.as_mut().and_then(|file| number(file.read().ok()?.trim_ascii()));
            }
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
    fn a_row_per_size() {
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup::new(Roots { proc: dir.path().into(), sys: dir.path().into() }, Options::default());
        assert!(open(&setup).err().unwrap().reason.starts_with("no sizes in "));
        tree(
            dir.path(),
            &[
                ("kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n"),
                ("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "12\n"),
                ("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "10\n"),
                ("kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "3\n"),
                ("kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages", "2\n"),
                ("kernel/mm/hugepages/other", ""),
            ],
        );
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        open(&setup).ok().unwrap().collector.collect(0, &mut sample).unwrap();
        let rows: Vec<_> = sample.cells.chunks(5).collect();
        let text = |cell: &Cell| if let Cell::Text(id) = cell { sample.texts.get(*id).unwrap() } else { "?" };
        assert_eq!(rows.len(), 2);
        assert_eq!((text(&rows[0][0]), &rows[0][1..]), ("2048kB", &[12, 10, 3, 2].map(Cell::Int)[..]));
        assert_eq!((text(&rows[1][0]), &rows[1][1..3]), ("1048576kB", &[Cell::Int(0), Cell::Null][..]));
    }
}
