//! Memory nodes: where memory was allocated. Sources: `numastat` and `meminfo` in `/sys/devices/system/node/node*`,
//! described in the kernel's `admin-guide/numastat`.

use std::time::Duration;

use super::absent;
use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::{HeldFile, SourceError, names_in};
use crate::linux::possible::{count, part};
use crate::linux::scan::{lines, number, words};
use crate::table::Unit::{Bytes, Count, Pages, Percent};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Formula, Table, counter, derived, entity_int, gauge, gauge_float, significant};

pub const ENTRY: Entry = Entry {
    name: "node",
    doc: "memory of each NUMA node, and where it was allocated",
    groups: &[Group::Default],
    tables: &[|| TABLE.def()],
    // Two files per node, at 30 us and 37 us.
    cadence: Duration::from_secs(5),
    open,
};

static TABLE: Table<Node> = Table {
    name: "node",
    source: "/sys/devices/system/node",
    doc: "Memory nodes (NUMA): one row per node every 5 s, on machines with two nodes or more. The names are those of \
          `numastat`.",
    charts: Charts::Drawn(&[
        Chart::lines("Memory in use", &["used_bytes"]),
        Chart::lines("Allocations on the wrong node", &["numa_miss_per_sec", "other_node_per_sec"]),
        Chart::lines("Allocations from the task's own node", &["local_percent"]),
    ]),
    columns: &[
        entity_int("node", "Its number.", |n: &Node| n.number.into()),
        counter("numa_hit", Pages, "Pages that were wanted on this node and came from it.", |n: &Node| {
            n.numa_hit.into()
        })
        .with_rate("numa_hit_per_sec"),
        counter("numa_miss", Pages, "Pages that came from this node and were wanted on another.", |n: &Node| {
            n.numa_miss.into()
        })
        .lower_is_better()
        .with_rate("numa_miss_per_sec"),
        counter("numa_foreign", Pages, "Pages that were wanted on this node and came from another.", |n: &Node| {
            n.numa_foreign.into()
        })
        .lower_is_better(),
        counter("local_node", Pages, "Pages of this node for tasks that ran on it.", |n: &Node| n.local_node.into()),
        counter("other_node", Pages, "Pages of this node for tasks that ran on another.", |n: &Node| {
            n.other_node.into()
        })
        .lower_is_better()
        .with_rate("other_node_per_sec"),
        derived(
            "local_percent",
            Percent,
            "Share of the pages of this node that tasks on it got.",
            Formula::ratio(&["local_node"], &["local_node", "other_node"]).times(100.0).at_most(100.0),
        )
        .higher_is_better(),
        gauge_float("usage_percent", Percent, "used / total.", |n: &Node| n.usage_percent().into()),
        gauge("total_bytes", Bytes, "Memory of this node (MemTotal).", |n: &Node| n.total.into()),
        gauge("used_bytes", Bytes, "total - free, with the page cache (MemUsed).", |n: &Node| {
            part(n.used, n.total).into()
        }),
        gauge("free_bytes", Bytes, "Memory not used at all (MemFree).", |n: &Node| part(n.free, n.total).into()),
        gauge("file_bytes", Bytes, "Page cache and shared memory (FilePages).", |n: &Node| {
            part(n.file, n.total).into()
        }),
        gauge("anon_bytes", Bytes, "Memory of programs that is not backed by files (AnonPages).", |n: &Node| {
            part(n.anon, n.total).into()
        }),
        gauge("slab_bytes", Bytes, "The kernel's own objects (Slab).", |n: &Node| part(n.slab, n.total).into()),
        gauge("hugepages_total", Count, "Huge pages of the default size.", |n: &Node| count(n.hugepages_total).into()),
        gauge("hugepages_free", Count, "Huge pages not allocated.", |n: &Node| count(n.hugepages_free).into()),
    ],
};

/// What the files of one node say; lines that this kernel does not print are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    number: i32,
    numa_hit: Option<u64>,
    numa_miss: Option<u64>,
    numa_foreign: Option<u64>,
    local_node: Option<u64>,
    other_node: Option<u64>,
    total: Option<u64>,
    used: Option<u64>,
    free: Option<u64>,
    file: Option<u64>,
    anon: Option<u64>,
    slab: Option<u64>,
    hugepages_total: Option<u64>,
    hugepages_free: Option<u64>,
}

impl Node {
    /// A node of CPUs without memory has no share.
    fn usage_percent(&self) -> Option<f64> {
        let total = self.total.filter(|total| *total > 0)?;
        Some(significant(100.0 * part(self.used, Some(total))? as f64 / total as f64))
    }

    /// Lines like `numa_hit 509442543`.
    fn put_numastat(&mut self, text: &[u8]) {
        for line in lines(text) {
            let mut words = words(line);
            let (key, value) = (words.next(), words.next().and_then(number));
            match key {
                Some(b"numa_hit") => self.numa_hit = value,
                Some(b"numa_miss") => self.numa_miss = value,
                Some(b"numa_foreign") => self.numa_foreign = value,
                Some(b"local_node") => self.local_node = value,
                Some(b"other_node") => self.other_node = value,
                _ => {}
            }
        }
    }

    /// Lines like `Node 0 MemTotal:       24684092 kB`.
    fn put_meminfo(&mut self, text: &[u8]) {
        for line in lines(text) {
            let mut words = words(line).skip(2);
            let (Some(key), Some(value)) = (words.next(), words.next().and_then(number)) else { continue };
            let bytes = value.checked_mul(1024);
            match key {
                b"MemTotal:" => self.total = bytes,
                b"MemUsed:" => self.used = bytes,
                b"MemFree:" => self.free = bytes,
                b"FilePages:" => self.file = bytes,
                b"AnonPages:" => self.anon = bytes,
                b"Slab:" => self.slab = bytes,
                b"HugePages_Total:" => self.hugepages_total = Some(value),
                b"HugePages_Free:" => self.hugepages_free = Some(value),
                _ => {}
            }
        }
    }
}

/// The files of one node.
struct Files {
    number: i32,
    numastat: HeldFile,
    meminfo: HeldFile,
}

impl Files {
    fn read(&mut self) -> Result<Node, SourceError> {
        let mut node = Node { number: self.number, ..Node::default() };
        node.put_numastat(self.numastat.read()?);
        node.put_meminfo(self.meminfo.read()?);
        Ok(node)
    }
}

struct Nodes {
    files: Vec<Files>,
    rows: Vec<Node>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let folder = setup.roots.sys("devices/system/node");
    let number = |name: String| name.strip_prefix("node")?.parse::<i32>().ok();
    let numbers: Vec<i32> = names_in(&folder).unwrap_or_default().into_iter().filter_map(number).collect();
    if numbers.len() < 2 {
        let what = if numbers.is_empty() { "no memory nodes" } else { "only one memory node" };
        return Err(Unavailable::new(format!("{what} in {}", folder.display())));
    }
    let open = |number: i32| {
        let file = |name: &str| HeldFile::open(folder.join(format!("node{number}")).join(name));
        Ok(Files { number, numastat: file("numastat")?, meminfo: file("meminfo")? })
    };
    let mut nodes =
        Nodes { files: numbers.into_iter().map(open).collect::<Result<_, SourceError>>()?, rows: Vec::new() };
    let first = nodes.files.first_mut().map(Files::read).transpose()?;
    let notes = first.and_then(|node| absent::note(&TABLE, &node)).into_iter().collect();
    Ok(Opened::with_notes(nodes, notes))
}

impl Collector for Nodes {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.rows.clear();
        let mut error = None;
        for files in &mut self.files {
            // A node whose memory is removed loses its files; the others stay.
            match files.read() {
                Ok(node) => self.rows.push(node),
                Err(why) => error = Some(why),
            }
        }
        match error {
            Some(error) if self.rows.is_empty() => Err(error.into()),
            _ => {
                out.push(&TABLE, &self.rows);
                Ok(())
            }
        }
    }

    fn lasts(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::linux::hwmon::tests::tree;
    use crate::table::sample::Cell;

    fn opened(dir: &Path) -> Result<Opened, Unavailable> {
        open(&Setup::new(Roots { proc: dir.into(), sys: dir.into() }, Options::default()))
    }

    /// Two sockets of 64 GiB and a node of memory alone, in the form of Linux 6.
    fn server(dir: &Path) {
        let numastat = |node: &str, n: [u64; 6]| {
            let names = ["numa_hit", "numa_miss", "numa_foreign", "interleave_hit", "local_node", "other_node"];
            let text: String = names.iter().zip(n).map(|(name, n)| format!("{name} {n}\n")).collect();
            tree(dir, &[(&format!("devices/system/node/{node}/numastat"), &text)]);
        };
        let meminfo = |node: u32, total: u64, free: u64| {
            let used = total - free;
            let text = format!(
                "\nNode {node} MemTotal:       {total} kB\nNode {node} MemFree:        {free} kB\n\
                 Node {node} MemUsed:        {used} kB\nNode {node} SwapCached:            0 kB\n\
                 Node {node} Active:          1738836 kB\nNode {node} FilePages:       6815000 kB\n\
                 Node {node} AnonPages:       1716468 kB\nNode {node} Slab:            726492 kB\n\
                 Node {node} HugePages_Total:     8\nNode {node} HugePages_Free:      5\n\
                 Node {node} HugePages_Surp:      0\n"
            );
            tree(dir, &[(&format!("devices/system/node/node{node}/meminfo"), &text)]);
        };
        numastat("node0", [1000, 10, 20, 9, 900, 110]);
        numastat("node1", [2000, 20, 10, 9, 1500, 520]);
        numastat("node10", [0, 0, 0, 0, 0, 0]);
        meminfo(0, 67_108_864, 16_777_216);
        meminfo(1, 67_108_864, 33_554_432);
        meminfo(10, 0, 0);
        tree(dir, &[("devices/system/node/online", "0-1,10\n"), ("devices/system/node/has_cpu", "0-1\n")]);
    }

    #[test]
    fn a_server_with_two_sockets() {
        let dir = tempfile::tempdir().unwrap();
        server(dir.path());
        let mut opened = opened(dir.path()).ok().unwrap();
        assert_eq!(opened.notes, [""; 0]);
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        let at = |name: &str| catalog[0].raw.iter().position(|c| c.name == name).unwrap();
        let of = |name: &str| sample.cells.chunks(catalog[0].raw.len()).map(|row| row[at(name)]).collect::<Vec<Cell>>();
        let ints = |values: [i64; 3]| values.map(Cell::Int).to_vec();
        assert_eq!(of("node"), ints([0, 1, 10]));
        assert_eq!(of("numa_hit"), ints([1000, 2000, 0]));
        assert_eq!(of("numa_miss"), ints([10, 20, 0]));
        assert_eq!(of("numa_foreign"), ints([20, 10, 0]));
        assert_eq!(of("local_node"), ints([900, 1500, 0]));
        assert_eq!(of("other_node"), ints([110, 520, 0]));
        assert_eq!(of("used_bytes"), ints([48 << 30, 32 << 30, 0]));
        assert_eq!(of("usage_percent"), [Cell::Float(75.0), Cell::Float(50.0), Cell::Null]);
        assert_eq!(of("anon_bytes")[0], Cell::Int(1_716_468 * 1024));
        assert_eq!(of("anon_bytes")[2], Cell::Null, "more than there is");
        assert_eq!((of("hugepages_total"), of("hugepages_free")), (ints([8; 3]), ints([5; 3])));
    }

    #[test]
    fn one_node_is_no_subject() {
        let dir = tempfile::tempdir().unwrap();
        let reason = || opened(dir.path()).err().unwrap().reason;
        assert!(reason().starts_with("no memory nodes in "), "{}", reason());
        tree(dir.path(), &[("devices/system/node/node0/numastat", "numa_hit 1\n")]);
        assert!(reason().starts_with("only one memory node in "), "{}", reason());
        tree(dir.path(), &[("devices/system/node/node1/numastat", "numa_hit 1\n")]);
        assert!(reason().contains("node0/meminfo"), "{}", reason());
    }

    #[test]
    fn a_node_that_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        server(dir.path());
        let mut nodes = Nodes { files: Vec::new(), rows: Vec::new() };
        for number in [0, 1] {
            let file = |name: &str| dir.path().join(format!("devices/system/node/node{number}/{name}"));
            // Reading a folder is an error, like reading a file whose device is gone.
            let meminfo = if number == 1 { dir.path().to_path_buf() } else { file("meminfo") };
            nodes.files.push(Files {
                number,
                numastat: HeldFile::open(file("numastat")).unwrap(),
                meminfo: HeldFile::open(meminfo).unwrap(),
            });
        }
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        nodes.collect(0, &mut sample).unwrap();
        assert_eq!(nodes.rows.iter().map(|node| node.number).collect::<Vec<_>>(), [0]);
        nodes.files.remove(0);
        assert!(nodes.collect(1, &mut sample).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, lines in "(Node 0 |MemUsed:|MemTotal:|numa_hit| |[0-9]{1,30}| kB|\n){0,30}") {
            for text in [&text[..], lines.as_bytes()] {
                let mut node = Node::default();
                node.put_numastat(text);
                node.put_meminfo(text);
                node.usage_percent();
            }
        }
    }
}
