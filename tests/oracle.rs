//! The crate `procfs` as an oracle: on every machine of the fixtures, and on this one, the collectors get the same values
//! from the same files as a reader written by others.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::files::fixture;
use perfwatch::collect::REGISTRY;
use perfwatch::collect::catalog::tables;
use perfwatch::collect::collector::Setup;
use perfwatch::collect::options::Options;
use perfwatch::linux::cgroup::Hierarchies;
use perfwatch::linux::files::Roots;
use perfwatch::linux::mounts::MountList;
use perfwatch::linux::process::kernel::{io_of, peak_of, switches_of, threads_and_last_number};
use perfwatch::linux::process::stat::Stat;
use perfwatch::table::sample::{Cell, Sample};
use procfs::prelude::*;
use procfs::process::{Io, Stat as TheirStat, Status};
use procfs::{CpuTime, DiskStats, KernelStats, LoadAverage, Meminfo, VmStat, net::InterfaceDeviceStatus};

/// A value that both sides can express; `None`: null.
type Number = Option<f64>;
type Row = BTreeMap<&'static str, Number>;

const MACHINES: [&str; 3] = ["vm2", "old310", "big64"];
/// Files that are the same for everyone who reads them at one instant.
const FILES: [&str; 9] =
    ["stat", "meminfo", "vmstat", "diskstats", "loadavg", "net/dev", "pressure/cpu", "pressure/memory", "pressure/io"];

/// Every machine: those of the fixtures, and this one as it is now, copied so that both sides read the same.
fn each_machine(check: impl Fn(&str, &Roots)) {
    for name in MACHINES {
        check(name, &Roots { proc: fixture(name).join("proc"), sys: fixture(name).join("sys") });
    }
    let copy = tempfile::tempdir().unwrap();
    for file in FILES {
        if let Ok(text) = fs::read(Path::new("/proc").join(file)) {
            fs::create_dir_all(copy.path().join(file).parent().unwrap()).unwrap();
            fs::write(copy.path().join(file), text).unwrap();
        }
    }
    check("this machine", &Roots { proc: copy.path().into(), sys: "/sys".into() });
}

/// The values that a collector reads: by entity (`""` if there is only one row), every column that is a number.
fn ours(collector: &str, roots: &Roots) -> BTreeMap<String, Row> {
    let mut options = Options::default();
    options.disk.all_disks = true;
    options.network.all_interfaces = true;
    let entry = REGISTRY.iter().find(|entry| entry.name == collector).unwrap();
    let mut opened = (entry.open)(&Setup::new(roots.clone(), options)).map_err(|e| e.reason).unwrap();
    let mut sample = Sample::new(tables());
    opened.collector.collect(1, &mut sample).unwrap();
    let mut rows = BTreeMap::new();
    for block in &sample.blocks {
        let raw = &tables()[block.table].raw;
        for cells in sample.cells_of(block).chunks(raw.len()) {
            let mut entity = String::new();
            let mut row = Row::new();
            for (column, cell) in raw.iter().zip(cells) {
                match cell {
                    Cell::Text(id) => entity = sample.texts.get(*id).unwrap().to_string(),
                    Cell::Null => drop(row.insert(column.name, None)),
                    Cell::Int(n) => drop(row.insert(column.name, Some(*n as f64))),
                    Cell::Float(n) => drop(row.insert(column.name, Some(*n))),
                    Cell::Bool(_) => {}
                }
            }
            rows.insert(entity, row);
        }
    }
    rows
}

fn parsed<T: FromRead>(roots: &Roots, file: &str) -> T {
    T::from_read(fs::File::open(roots.proc.join(file)).unwrap()).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn int(n: u64) -> Number {
    Some(n as f64)
}

/// Compares the columns that the oracle has; each of them must exist.
fn same(machine: &str, entity: &str, ours: &Row, theirs: &[(&'static str, Number)]) {
    for (column, expected) in theirs {
        let found = ours.get(column).unwrap_or_else(|| panic!("{machine}: no column {column} in {ours:?}"));
        let is_same = match (found, expected) {
            // procfs keeps averages in 32 bits.
            (Some(found), Some(expected)) => (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
            (found, expected) => found == expected,
        };
        assert!(is_same, "{machine}, {entity} {column}: {found:?}, and procfs says {expected:?}");
    }
}

#[test]
fn cpu_times_and_the_other_counters_of_proc_stat() {
    each_machine(|machine, roots| {
        let stat: KernelStats = {
            let text = fs::read(roots.proc.join("stat")).unwrap();
            KernelStats::from_read(&*text, procfs::current_system_info()).unwrap()
        };
        let load: LoadAverage = parsed(roots, "loadavg");
        let t: &CpuTime = &stat.total;
        let row = &ours("cpu", roots)[""];
        let theirs = [
            ("user_ms", int(t.user_ms())),
            ("nice_ms", int(t.nice_ms())),
            ("system_ms", int(t.system_ms())),
            ("idle_ms", int(t.idle_ms())),
            ("iowait_ms", t.iowait_ms().and_then(int)),
            ("irq_ms", t.irq_ms().and_then(int)),
            ("softirq_ms", t.softirq_ms().and_then(int)),
            ("steal_ms", t.steal_ms().and_then(int)),
            ("guest_ms", t.guest_ms().and_then(int)),
            ("context_switches", int(stat.ctxt)),
            ("forks", int(stat.processes)),
            ("procs_blocked", stat.procs_blocked.map(f64::from)),
            ("load1", Some(load.one.into())),
            ("load5", Some(load.five.into())),
            ("load15", Some(load.fifteen.into())),
        ];
        same(machine, "", row, &theirs);
        let (threads, last) = threads_and_last_number(&fs::read(roots.proc.join("loadavg")).unwrap()).unwrap();
        assert_eq!((threads, last), (load.max.into(), load.latest_pid.into()), "{machine}");
    });
}

#[test]
fn memory() {
    each_machine(|machine, roots| {
        let mut text = fs::read_to_string(roots.proc.join("meminfo")).unwrap();
        // procfs reads all of it or nothing, and these fixtures leave out what we do not read.
        for unread in ["SwapCached", "Active", "Inactive", "VmallocTotal", "VmallocUsed", "VmallocChunk"] {
            if !text.contains(&format!("{unread}:")) {
                text += &format!("{unread}: 0 kB\n");
            }
        }
        let m = Meminfo::from_read(text.as_bytes()).unwrap();
        let row = &ours("memory", roots)[""];
        let theirs = [
            ("total_bytes", int(m.mem_total)),
            ("free_bytes", int(m.mem_free)),
            ("cached_bytes", int(m.cached)),
            ("buffers_bytes", int(m.buffers)),
            ("swap_total_bytes", int(m.swap_total)),
            ("swap_free_bytes", int(m.swap_free)),
            ("hugepages_total", m.hugepages_total.and_then(int)),
            ("hugepages_free", m.hugepages_free.and_then(int)),
            ("hugepages_reserved", m.hugepages_rsvd.and_then(int)),
            ("hugepage_size_bytes", m.hugepagesize.and_then(int)),
            ("dirty_bytes", int(m.dirty)),
            ("writeback_bytes", int(m.writeback)),
            ("slab_bytes", int(m.slab)),
            ("sreclaimable_bytes", m.s_reclaimable.and_then(int)),
            ("shmem_bytes", m.shmem.and_then(int)),
            ("anon_bytes", m.anon_pages.and_then(int)),
            ("mapped_bytes", int(m.mapped)),
            ("committed_bytes", int(m.committed_as)),
        ];
        same(machine, "", row, &theirs);
        // Old kernels do not report it.
        if let Some(available) = m.mem_available {
            same(machine, "", row, &[("available_bytes", int(available))]);
        }
    });
}

#[test]
fn paging() {
    each_machine(|machine, roots| {
        let VmStat(all) = parsed(roots, "vmstat");
        let names = ["pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault", "oom_kill"];
        let theirs = names.map(|name| (name, all.get(name).map(|n| *n as f64)));
        same(machine, "", &ours("paging", roots)[""], &theirs);
    });
}

#[test]
fn disks() {
    /// The sector of `/proc/diskstats`, independent of that of the device.
    const SECTOR: u64 = 512;
    each_machine(|machine, roots| {
        let DiskStats(disks) = parsed(roots, "diskstats");
        let rows = ours("disk", roots);
        let mut compared = 0;
        for disk in &disks {
            // The oracle does not decide which devices have a row.
            let Some(row) = rows.get(&disk.name) else { continue };
            compared += 1;
            let theirs = [
                ("read_bytes", int(disk.sectors_read * SECTOR)),
                ("write_bytes", int(disk.sectors_written * SECTOR)),
                ("read_count", int(disk.reads)),
                ("write_count", int(disk.writes)),
                ("read_time_ms", int(disk.time_reading)),
                ("write_time_ms", int(disk.time_writing)),
                ("in_flight", int(disk.in_progress)),
                ("busy_ms", int(disk.time_in_progress)),
            ];
            same(machine, &disk.name, row, &theirs);
        }
        assert_eq!(compared, rows.len(), "{machine}: {:?}", rows.keys());
        assert!(compared > 0 || machine == "this machine");
    });
}

#[test]
fn network() {
    each_machine(|machine, roots| {
        let InterfaceDeviceStatus(interfaces) = parsed(roots, "net/dev");
        let rows = ours("network", roots);
        assert_eq!(interfaces.len(), rows.len(), "{machine}: {:?}", rows.keys());
        for (name, i) in interfaces {
            let theirs = [
                ("bytes_sent", int(i.sent_bytes)),
                ("bytes_recv", int(i.recv_bytes)),
                ("packets_sent", int(i.sent_packets)),
                ("packets_recv", int(i.recv_packets)),
                ("errors_in", int(i.recv_errs)),
                ("errors_out", int(i.sent_errs)),
                ("drops_in", int(i.recv_drop)),
                ("drops_out", int(i.sent_drop)),
            ];
            same(machine, &name, &rows[&name], &theirs);
        }
    });
}

#[test]
fn pressure() {
    each_machine(|machine, roots| {
        if !roots.proc.join("pressure").exists() {
            return;
        }
        let rows = ours("pressure", roots);
        for resource in ["cpu", "memory", "io"] {
            let text = fs::read(roots.proc.join("pressure").join(resource)).unwrap();
            let (some, full) = procfs::get_pressure(&*text).unwrap();
            let theirs =
                [("some_avg10", Some(some.avg10.into())), ("some_us", int(some.total)), ("full_us", int(full.total))];
            same(machine, resource, &rows[resource], &theirs);
        }
    });
}

#[test]
fn mounts() {
    let live = ("this machine", std::path::PathBuf::from("/proc/self/mounts"));
    for (machine, path) in MACHINES.map(|m| (m, fixture(m).join("proc/self/mounts"))).into_iter().chain([live]) {
        let Ok(text) = fs::read(&path) else { continue };
        let theirs: Vec<procfs::MountEntry> = FromRead::from_read(&*text).unwrap();
        // Version 0.18 leaves an escaped blank as it is.
        let theirs: Vec<_> =
            theirs.into_iter().map(|m| (m.fs_spec, m.fs_file.replace("\\040", " "), m.fs_vfstype)).collect();
        let ours = MountList::open(path).unwrap().read().unwrap();
        let ours: Vec<_> = ours.into_iter().map(|m| (m.device, m.mountpoint, m.fstype)).collect();
        assert_eq!(ours, theirs, "{machine}");
    }
}

#[test]
fn control_groups_of_this_machine() {
    let text = fs::read("/proc/self/mountinfo").unwrap();
    let procfs::process::MountInfos(mounts) = FromRead::from_read(&*text).unwrap();
    let groups = procfs::process::Process::myself().unwrap().cgroups().unwrap().0;
    let found = Hierarchies::read(&Roots::default());
    let second = mounts.iter().filter(|m| m.fs_type == "cgroup2").map(|m| m.mount_point.clone()).collect::<Vec<_>>();
    match found.unified() {
        None => assert!(second.is_empty()),
        Some(unified) => {
            assert!(second.contains(&unified.mount));
            if let (Some(own), Some(group)) = (&unified.own, groups.iter().find(|g| g.controllers.is_empty())) {
                assert!(group.pathname.ends_with(own.as_str()), "{own} in {}", group.pathname);
            }
        }
    }
    for mount in mounts.iter().filter(|m| m.fs_type == "cgroup") {
        // Every option of the mount that is a controller has its hierarchy.
        for group in groups.iter().filter(|g| !g.controllers.is_empty()) {
            let controller = &group.controllers[0];
            if mount.super_options.contains_key(controller) {
                assert!(found.with(controller).is_some(), "{controller}");
            }
        }
    }
}

/// Files of one process, read one after the other: what they have in common does not change.
#[test]
fn every_process_of_this_machine() {
    let mut compared = 0;
    for process in procfs::process::all_processes().unwrap().flatten() {
        let read = |file: &str| fs::read(format!("/proc/{}/{file}", process.pid)).ok().filter(|text| !text.is_empty());
        if let Some(text) = read("stat") {
            let theirs = TheirStat::from_read(&*text).unwrap();
            let stat = Stat::parse(&text).unwrap();
            let numbers = (stat.pid as i32, stat.ppid as i32, stat.pgrp as i32, char::from(stat.state));
            assert_eq!(numbers, (theirs.pid, theirs.ppid, theirs.pgrp, theirs.state));
            let own = (stat.own.user_ticks, stat.own.system_ticks, stat.own.minor_faults, stat.own.major_faults);
            assert_eq!(own, (theirs.utime, theirs.stime, theirs.minflt, theirs.majflt));
            let children = &stat.children;
            assert_eq!((children.user_ticks as i64, children.system_ticks as i64), (theirs.cutime, theirs.cstime));
            assert_eq!((children.minor_faults, children.major_faults), (theirs.cminflt, theirs.cmajflt));
            let rest = (stat.threads as i64, stat.start_ticks, stat.rss_pages);
            assert_eq!(rest, (theirs.num_threads, theirs.starttime, theirs.rss));
            if !theirs.comm.starts_with("kworker/") {
                assert_eq!(stat.comm.as_str(), theirs.comm);
            }
            compared += 1;
        }
        if let Some(text) = read("status") {
            let theirs = Status::from_read(&*text).unwrap();
            assert_eq!(peak_of(&text), theirs.vmhwm.map(|kib| kib * 1024));
            let switches = (theirs.voluntary_ctxt_switches.unwrap(), theirs.nonvoluntary_ctxt_switches.unwrap());
            assert_eq!(switches_of(&text), switches);
        }
        if let Some(text) = read("io") {
            let theirs = Io::from_read(&*text).unwrap();
            let io = io_of(&text).unwrap();
            assert_eq!((io.read_bytes, io.write_bytes), (theirs.read_bytes, theirs.write_bytes));
        }
    }
    assert!(compared > 0);
}
