//! Tables of the kernel that can run full: tasks, files, inodes, names, terminals, connections. Sources: `/proc/sys`,
//! described in the kernel's `admin-guide/sysctl`, and `/proc/loadavg`.

use std::time::Duration;

use super::absent;
use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::HeldFile;
use crate::linux::possible::{count, tasks};
use crate::linux::scan::{number, split_once, words};
use crate::table::Unit::Count;
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, gauge};

pub const ENTRY: Entry = Entry {
    name: "kernel",
    doc: "tasks, open files, inodes, cached names, terminals and tracked connections, with their limits",
    groups: &[Group::Sar],
    tables: &[|| TABLE.def()],
    // They fill over minutes.
    cadence: Duration::from_secs(1),
    open,
};

static TABLE: Table<KernelTables> = Table {
    name: "kernel",
    source: "/proc/sys, /proc/loadavg",
    doc: "Tables of the kernel: one row, at most once per second. Only on request (`--collectors +kernel`).",
    charts: Charts::Drawn(&[
        Chart::lines("Tasks", &["tasks"]),
        Chart::lines("Open files", &["files_open"]),
        Chart::lines("Inodes and cached names", &["inodes", "dentries"]),
        Chart::lines("Tracked connections", &["conntrack"]),
    ]),
    columns: &[
        gauge("tasks", Count, "Processes and threads (loadavg).", |k: &KernelTables| tasks(k.tasks).into())
            .lower_is_better(),
        gauge(
            "tasks_max",
            Count,
            "How many there can be: the smaller of threads-max and pid_max.",
            |k: &KernelTables| count(k.tasks_max()).into(),
        ),
        gauge("files_open", Count, "Open files of all processes (file-nr).", |k: &KernelTables| k.files_open().into())
            .lower_is_better(),
        gauge(
            "files_max",
            Count,
            "How many can be open (file-max); null where that is no limit (2^31 or more).",
            |k: &KernelTables| count(k.files_max).into(),
        ),
        gauge("inodes", Count, "Inodes in memory that are in use (inode-state: all - free).", |k: &KernelTables| {
            k.inodes_used().into()
        }),
        gauge("dentries", Count, "Names of files in memory (dentry-state).", |k: &KernelTables| {
            count(k.dentries).into()
        }),
        gauge(
            "dentries_unused",
            Count,
            "Those that no open file needs, and that can be freed (dentry-state).",
            |k: &KernelTables| count(k.dentries_unused).into(),
        ),
        gauge("ptys", Count, "Pseudo-terminals in use (pty/nr).", |k: &KernelTables| count(k.ptys).into()),
        gauge("ptys_max", Count, "How many there can be (pty/max).", |k: &KernelTables| count(k.ptys_max).into()),
        gauge(
            "conntrack",
            Count,
            "Connections that the packet filter tracks (nf_conntrack_count), in the network of the recorder; null \
             without it.",
            |k: &KernelTables| count(k.conntrack).into(),
        )
        .lower_is_better(),
        gauge(
            "conntrack_max",
            Count,
            "How many it can track; beyond that, packets of new connections are dropped.",
            |k: &KernelTables| count(k.conntrack_max).into(),
        ),
    ],
};

/// The numbers of all files; what this kernel does not have is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
struct KernelTables {
    tasks: Option<u64>,
    threads_max: Option<u64>,
    pid_max: Option<u64>,
    files_allocated: Option<u64>,
    files_free: Option<u64>,
    files_max: Option<u64>,
    inodes_all: Option<u64>,
    inodes_free: Option<u64>,
    dentries: Option<u64>,
    dentries_unused: Option<u64>,
    ptys: Option<u64>,
    ptys_max: Option<u64>,
    conntrack: Option<u64>,
    conntrack_max: Option<u64>,
}

impl KernelTables {
    fn tasks_max(&self) -> Option<u64> {
        [self.threads_max, self.pid_max].into_iter().flatten().min()
    }

    /// Kernels before 2.6 kept closed ones; later ones say 0.
    fn files_open(&self) -> Option<u64> {
        count(self.files_allocated?.checked_sub(self.files_free?))
    }

    fn inodes_used(&self) -> Option<u64> {
        count(self.inodes_all?.checked_sub(self.inodes_free?))
    }
}

/// A file and what is in it.
struct Source {
    path: &'static str,
    put: fn(&mut KernelTables, &[u8]),
}

const SOURCES: [Source; 10] = [
    Source { path: "loadavg", put: |k, text| k.tasks = all_tasks(text) },
    Source { path: "sys/kernel/threads-max", put: |k, text| [k.threads_max] = numbers(text) },
    Source { path: "sys/kernel/pid_max", put: |k, text| [k.pid_max] = numbers(text) },
    Source { path: "sys/fs/file-nr", put: |k, text| [k.files_allocated, k.files_free, k.files_max] = numbers(text) },
    Source { path: "sys/fs/inode-state", put: |k, text| [k.inodes_all, k.inodes_free] = numbers(text) },
    Source { path: "sys/fs/dentry-state", put: |k, text| [k.dentries, k.dentries_unused] = numbers(text) },
    Source { path: "sys/kernel/pty/nr", put: |k, text| [k.ptys] = numbers(text) },
    Source { path: "sys/kernel/pty/max", put: |k, text| [k.ptys_max] = numbers(text) },
    Source { path: "sys/net/netfilter/nf_conntrack_count", put: |k, text| [k.conntrack] = numbers(text) },
    Source { path: "sys/net/netfilter/nf_conntrack_max", put: |k, text| [k.conntrack_max] = numbers(text) },
];

struct Kernel {
    files: Vec<(HeldFile, &'static Source)>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    // One of them may be missing: terminals in a container, connections without a packet filter.
    let file = |source: &'static Source| Some((HeldFile::open_attribute(setup.roots.proc(source.path)).ok()?, source));
    let mut kernel = Kernel { files: SOURCES.iter().filter_map(file).collect() };
    if kernel.files.is_empty() {
        return Err(Unavailable::new(format!("nothing to read below {}", setup.roots.proc("sys").display())));
    }
    let first = kernel.read();
    let notes = absent::note(&TABLE, &first).into_iter().collect();
    Ok(Opened::with_notes(kernel, notes))
}

impl Kernel {
    fn read(&mut self) -> KernelTables {
        let mut found = KernelTables::default();
        for (file, source) in &mut self.files {
            if let Ok(text) = file.read() {
                (source.put)(&mut found, text);
            }
        }
        found
    }
}

/// The first numbers of a file.
fn numbers<const N: usize>(text: &[u8]) -> [Option<u64>; N] {
    let mut found = [None; N];
    for (word, place) in words(text.trim_ascii()).zip(&mut found) {
        *place = number(word);
    }
    found
}

/// The second number of `3/512` in `0.42 1.50 12.00 3/512 99`.
fn all_tasks(text: &[u8]) -> Option<u64> {
    split_once(words(text).nth(3)?, b'/').and_then(|(_, all)| number(all))
}

impl Collector for Kernel {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let row = self.read();
        if row == KernelTables::default() {
            return Err(CollectError::Other("none of the files of /proc/sys has a number".into()));
        }
        out.push(&TABLE, &[row]);
        Ok(())
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

    fn row(opened: &mut Opened) -> Vec<Option<i64>> {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        sample.cells.iter().map(|cell| if let Cell::Int(n) = cell { Some(*n) } else { None }).collect()
    }

    /// The texts are those of Linux 6.18 in their form.
    #[test]
    fn each_number_finds_its_column() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("loadavg", "7.78 6.03 2.91 8/364 27000\n"),
                ("sys/kernel/threads-max", "192742\n"),
                ("sys/kernel/pid_max", "4194304\n"),
                ("sys/fs/file-nr", "794\t0\t2466177\n"),
                ("sys/fs/inode-state", "359994\t4445\t0\t0\t0\t0\t0\n"),
                ("sys/fs/dentry-state", "520905\t503619\t45\t0\t146720\t0\n"),
                ("sys/kernel/pty/nr", "3\n"),
                ("sys/kernel/pty/max", "4096\n"),
                ("sys/net/netfilter/nf_conntrack_count", "17\n"),
                ("sys/net/netfilter/nf_conntrack_max", "262144\n"),
            ],
        );
        let mut all = opened(dir.path()).ok().unwrap();
        assert_eq!(all.notes, [""; 0]);
        let expected = [364, 192_742, 794, 2_466_177, 355_549, 520_905, 503_619, 3, 4096, 17, 262_144].map(Some);
        assert_eq!(row(&mut all), expected);
        // systemd sets the largest number there is.
        tree(dir.path(), &[("sys/fs/file-nr", "1024 0 9223372036854775807\n")]);
        assert_eq!(row(&mut all)[2..4], [Some(1024), None]);
    }

    #[test]
    fn what_a_container_does_not_have_is_null_and_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(opened(dir.path()).err().unwrap().reason.starts_with("nothing to read below "));
        tree(dir.path(), &[("sys/fs/file-nr", "6 0 99\n"), ("sys/fs/inode-state", "5 7\n")]);
        let mut some = opened(dir.path()).ok().unwrap();
        let lacks = "tasks, tasks_max, inodes, dentries, dentries_unused, ptys, ptys_max, conntrack, conntrack_max";
        assert_eq!(some.notes, [format!("no value on this kernel for {lacks} (/proc/sys, /proc/loadavg)")]);
        assert_eq!(row(&mut some)[2..5], [Some(6), Some(99), None], "more free than there are");
        tree(dir.path(), &[("sys/fs/file-nr", "many\n"), ("sys/fs/inode-state", "")]);
        let catalog = [TABLE.def()];
        assert!(some.collector.collect(1, &mut Sample::new(&catalog)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>) {
            let _: [Option<u64>; 3] = numbers(&text);
            all_tasks(&text);
        }
    }
}
