//! Memory bandwidth and L3 cache as the CPU monitors them. Source: `mon_data` of the file system `resctrl`, described in
//! the kernel's `filesystems/resctrl`.
//!
//! For each of these files the kernel interrupts a CPU of the domain and reads a register there, so they are read at most
//! once per second, for a limited number of groups, and only on request.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use crate::linux::files::{Roots, names_in, read_once};
use crate::linux::mounts::MountList;
use crate::table::Unit::{Bytes, Count};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, counter, entity, entity_int, gauge, label_int};

pub const ENTRY: Entry = Entry {
    name: "resctrl",
    doc: "memory bandwidth and L3 cache of each resctrl group",
    groups: &[],
    tables: &[|| TABLE.def()],
    cadence: Duration::from_secs(1),
    open,
};

/// Rows per reading, with three files each.
const MOST_ROWS: usize = 64;

static TABLE: Table<Domain> = Table {
    name: "resctrl",
    source: "/sys/fs/resctrl",
    doc: "Memory bandwidth and L3 cache as the CPU monitors them (Intel RDT, AMD QoS): one row per group and L3 cache, at \
          most once per second and for 64 of them. Only on request (`--collectors +resctrl`), and only where resctrl is \
          mounted.",
    charts: Charts::Drawn(&[
        Chart::lines("Memory bandwidth", &["mbm_total_bytes_per_sec", "mbm_local_bytes_per_sec"]),
        Chart::lines("L3 cache in use", &["llc_occupancy_bytes"]),
    ]),
    columns: &[
        entity(
            "group",
            "The path of the group: `/` has the tasks of no other group, `/db` counts those of `/db/mon_groups/a` too.",
            |d: &Domain| d.group.as_str().into(),
        ),
        entity_int("domain", "The number of the L3 cache (`mon_L3_00`: 0).", |d: &Domain| d.domain.into()),
        label_int("since", Count, "The number of the reading at which the group appeared.", |d: &Domain| {
            d.since.into()
        })
        .tells_apart()
        .hidden(),
        counter(
            "mbm_total_bytes",
            Bytes,
            "Bytes between this cache and any memory; null if no counter was free, or the CPU has none.",
            |d: &Domain| d.total.into(),
        )
        .with_rate("mbm_total_bytes_per_sec"),
        counter("mbm_local_bytes", Bytes, "Bytes between this cache and memory of its own node.", |d: &Domain| {
            d.local.into()
        })
        .with_rate("mbm_local_bytes_per_sec"),
        gauge("llc_occupancy_bytes", Bytes, "What the group has in this cache.", |d: &Domain| d.occupancy.into()),
    ],
};

/// One row.
#[derive(Debug, PartialEq)]
struct Domain {
    group: String,
    domain: u32,
    since: u64,
    total: Option<u64>,
    local: Option<u64>,
    occupancy: Option<u64>,
}

struct Resctrl {
    root: PathBuf,
    /// When each group appeared, and when it was last seen.
    known: HashMap<String, (u64, u64)>,
    readings: u64,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let root = mounted(&setup.roots)?;
    if domains(&root.join("mon_data")).is_empty() {
        return Err(Unavailable::new(format!(
            "{} has no mon_data/mon_L3_*: this CPU does not monitor its L3 cache",
            root.display()
        )));
    }
    let rows: usize = groups(&root).iter().map(|(_, data)| domains(data).len()).sum();
    let note =
        (rows > MOST_ROWS).then(|| format!("{rows} groups and L3 caches, of which the first {MOST_ROWS} are recorded"));
    Ok(Opened::with_notes(Resctrl { root, known: HashMap::new(), readings: 0 }, note.into_iter().collect()))
}

/// Where resctrl is mounted.
fn mounted(roots: &Roots) -> Result<PathBuf, Unavailable> {
    let mounts = MountList::open(roots.proc("self/mounts"))?.read()?;
    match mounts.iter().rev().find(|mount| mount.fstype == "resctrl") {
        Some(mount) => Ok(match mount.mountpoint.strip_prefix("/sys/") {
            Some(inside) => roots.sys(inside),
            None => PathBuf::from(&mount.mountpoint),
        }),
        // The kernel makes this folder if the CPU can do it.
        None if roots.sys("fs/resctrl").is_dir() => {
            Err(Unavailable::new("resctrl is not mounted")
                .advise("as root: `mount -t resctrl resctrl /sys/fs/resctrl`"))
        }
        None => Err(Unavailable::new(
            "the CPU does not monitor memory bandwidth or L3 cache, or the kernel has no resctrl (virtual machines \
             mostly have none)",
        )),
    }
}

/// The groups with their `mon_data`, the root first: each control group, then its monitoring groups.
fn groups(root: &Path) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    let mut add = |path: String, folder: &Path| {
        let monitoring = names_in(&folder.join("mon_groups")).unwrap_or_default();
        let own = monitoring.into_iter().map(|name| {
            let folder = folder.join("mon_groups").join(&name);
            (format!("{}/mon_groups/{name}", path.trim_end_matches('/')), folder.join("mon_data"))
        });
        let own: Vec<(String, PathBuf)> = own.collect();
        all.push((path, folder.join("mon_data")));
        all.extend(own);
    };
    add("/".into(), root);
    let names = names_in(root).unwrap_or_default();
    for name in names.iter().filter(|name| !matches!(name.as_str(), "info" | "mon_data" | "mon_groups")) {
        let folder = root.join(name);
        if folder.join("mon_data").is_dir() {
            add(format!("/{name}"), &folder);
        }
    }
    all
}

/// The domains of a group: `mon_L3_00` is 0.
fn domains(data: &Path) -> Vec<(u32, PathBuf)> {
    let names = names_in(data).unwrap_or_default();
    let domain = |name: String| Some((name.strip_prefix("mon_L3_")?.parse().ok()?, data.join(&name)));
    let mut all: Vec<(u32, PathBuf)> = names.into_iter().filter_map(domain).collect();
    all.sort();
    all
}

/// A number; `Unavailable`, `Error`, `Unassigned` and a file that does not exist are none.
fn number(path: &Path) -> Option<u64> {
    read_once(path).ok()?.trim().parse().ok()
}

impl Collector for Resctrl {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.readings += 1;
        let readings = self.readings;
        let mut rows = Vec::new();
        for (group, data) in groups(&self.root) {
            let (since, seen) = self.known.entry(group.clone()).or_insert((readings, readings));
            *seen = readings;
            let row = |(domain, folder): (u32, PathBuf)| Domain {
                group: group.clone(),
                domain,
                since: *since,
                total: number(&folder.join("mbm_total_bytes")),
                local: number(&folder.join("mbm_local_bytes")),
                occupancy: number(&folder.join("llc_occupancy")),
            };
            // Only the directory is read of groups for which there is no room.
            let left = MOST_ROWS.saturating_sub(rows.len());
            if left > 0 {
                rows.extend(domains(&data).into_iter().take(left).map(row));
            }
        }
        self.known.retain(|_, (_, seen)| *seen == readings);
        out.push(&TABLE, &rows);
        Ok(())
    }

    fn lasts(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::linux::hwmon::tests::tree;
    use crate::table::sample::Cell;

    const MOUNTS: (&str, &str) =
        ("proc/self/mounts", "sysfs /sys sysfs rw 0 0\nresctrl /sys/fs/resctrl resctrl rw,relatime 0 0\n");

    fn open_in(dir: &tempfile::TempDir) -> Result<Opened, Unavailable> {
        let roots = Roots { proc: dir.path().join("proc"), sys: dir.path().join("sys") };
        open(&Setup::new(roots, Options::default()))
    }

    /// The files of a domain: total, local, occupancy.
    fn put(dir: &tempfile::TempDir, folder: &str, texts: [&str; 3]) {
        for (file, text) in ["mbm_total_bytes", "mbm_local_bytes", "llc_occupancy"].iter().zip(texts) {
            tree(dir.path(), &[(&format!("sys/fs/resctrl/{folder}/{file}"), text)]);
        }
    }

    /// The rows as `group domain since total local occupancy`.
    fn rows(collector: &mut dyn Collector) -> Vec<String> {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        collector.collect(1, &mut sample).unwrap();
        let shown = |cell: &Cell| match cell {
            Cell::Null => "-".to_string(),
            Cell::Text(id) => sample.texts.get(*id).unwrap().to_string(),
            Cell::Int(n) => n.to_string(),
            other => panic!("{other:?}"),
        };
        let row = |row: &[Cell]| row.iter().map(shown).collect::<Vec<_>>().join(" ");
        sample.cells.chunks(catalog[0].raw.len()).map(row).collect()
    }

    #[test]
    fn every_group_and_cache_has_a_row() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), &[MOUNTS, ("sys/fs/resctrl/info/last_cmd_status", "ok\n")]);
        put(&dir, "mon_data/mon_L3_00", ["98765432100\n", "91000000000\n", "16252928\n"]);
        put(&dir, "mon_data/mon_L3_01", ["Unavailable\n", "Error\n", "0\n"]);
        put(&dir, "db/mon_data/mon_L3_00", ["7\n", "Unassigned\n", "\n"]);
        put(&dir, "db/mon_groups/a \u{1f600}/mon_data/mon_L3_00", ["5\n", "4\n", "3\n"]);
        // Without monitoring, and of something else.
        tree(dir.path(), &[("sys/fs/resctrl/p1/schemata", "L3:0=ff\n")]);
        put(&dir, "mon_data/mon_PERF_PKG_00", ["1\n", "1\n", "1\n"]);
        let mut opened = open_in(&dir).ok().unwrap();
        assert_eq!(opened.notes, [""; 0]);
        let expected = [
            "/ 0 1 98765432100 91000000000 16252928",
            "/ 1 1 - - 0",
            "/db 0 1 7 - -",
            "/db/mon_groups/a \u{1f600} 0 1 5 4 3",
        ];
        assert_eq!(rows(&mut *opened.collector), expected);
        // A group that is made again is another one, although its number may go on.
        std::fs::remove_dir_all(dir.path().join("sys/fs/resctrl/db")).unwrap();
        assert_eq!(rows(&mut *opened.collector), expected[..2]);
        put(&dir, "db/mon_data/mon_L3_00", ["9\n", "8\n", "7\n"]);
        assert_eq!(rows(&mut *opened.collector)[2..], ["/db 0 3 9 8 7"]);
    }

    #[test]
    fn the_number_of_rows_is_limited() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), &[MOUNTS]);
        put(&dir, "mon_data/mon_L3_00", ["1\n", "1\n", "1\n"]);
        for n in 0..70 {
            put(&dir, &format!("g{n:02}/mon_data/mon_L3_00"), ["1\n", "1\n", "1\n"]);
        }
        let mut opened = open_in(&dir).ok().unwrap();
        assert_eq!(opened.notes, ["71 groups and L3 caches, of which the first 64 are recorded"]);
        let rows = rows(&mut *opened.collector);
        assert_eq!((rows.len(), rows[0].as_str(), rows[63].as_str()), (64, "/ 0 1 1 1 1", "/g62 0 1 1 1 1"));
    }

    #[test]
    fn why_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let why = || open_in(&dir).err().unwrap();
        assert!(why().reason.contains("self/mounts"), "{}", why().reason);
        tree(dir.path(), &[("proc/self/mounts", "sysfs /sys sysfs rw 0 0\n")]);
        assert!(why().reason.starts_with("the CPU does not monitor"), "{}", why().reason);
        std::fs::create_dir_all(dir.path().join("sys/fs/resctrl")).unwrap();
        assert_eq!(why().reason, "resctrl is not mounted");
        assert!(why().advice.unwrap().contains("mount -t resctrl resctrl /sys/fs/resctrl"));
        tree(dir.path(), &[MOUNTS, ("sys/fs/resctrl/schemata", "L3:0=ff\n")]);
        assert!(why().reason.ends_with("this CPU does not monitor its L3 cache"), "{}", why().reason);
    }
}
