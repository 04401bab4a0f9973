//! The process table with real processes.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};

use super::process_table::*;
use crate::linux::files::Roots;
use crate::linux::process::clock::cpu_ns;
use crate::linux::process::stat::Stat;

fn processes(trunk: Trunk) -> ProcessTable {
    let mut processes = ProcessTable::open(&Roots::default(), trunk).unwrap();
    processes.list().unwrap();
    processes
}

#[test]
fn all_processes_of_proc_are_known() {
    let listed = || -> BTreeMap<u32, u64> {
        let stats = procfs::process::all_processes().unwrap().flatten().filter_map(|process| process.stat().ok());
        stats.map(|stat| (stat.pid as u32, stat.starttime)).collect()
    };
    let before = listed();
    let processes = processes(Trunk::default());
    let after = listed();
    assert!(processes.known.contains_key(&1) && processes.known.contains_key(&std::process::id()));
    // A process that existed before and after also existed in between.
    for (pid, start) in before.iter().filter(|(pid, start)| after.get(pid) == Some(start)) {
        assert_eq!(processes.known.get(pid).map(|known| known.stat.start_ticks), Some(*start), "{pid}");
    }
}

#[test]
fn children_and_their_children_are_in_the_tree() {
    let script = "sh -c 'sleep 60 & read x; kill $!'; :";
    let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
    let mut processes = processes(Trunk { others: vec![child.id()], ..Trunk::default() });
    let tree = |processes: &ProcessTable| -> Vec<(u32, String)> {
        processes
            .known
            .values()
            .filter(|p| p.kin.is_some())
            .map(|p| (p.stat.ppid, p.stat.comm.as_str().into()))
            .collect()
    };
    while tree(&processes).len() < 3 || !tree(&processes).iter().any(|(_, comm)| comm == "sleep") {
        processes.list().unwrap();
        processes.refresh(|p| p.kin.is_some(), 1, None);
    }
    assert_eq!(tree(&processes)[0].0, std::process::id());
    assert!(processes.known[&std::process::id()].kin.is_none(), "its parent is not part of it");
    drop(child.stdin.take());
    child.wait().unwrap();
    processes.refresh(|_| true, 2, None);
    assert!(!processes.known.contains_key(&child.id()));
}

/// Reads a line that a child writes.
fn line(out: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line.trim_end().to_string()
}

#[test]
fn a_sleeping_orphan_has_a_new_parent() {
    let script = "sh -c 'sleep 60 >&2 & echo $!; read x'; echo gone; read x";
    let pipes = |c: &mut Command| c.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = pipes(Command::new("sh").args(["-c", script])).unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), io::BufReader::new(child.stdout.take().unwrap()));
    let sleeper: u32 = line(&mut from).parse().unwrap();
    let mut processes = processes(Trunk { command: Some(child.id()), ..Trunk::default() });
    let before = processes.known[&sleeper].stat.ppid;
    assert_ne!(before, child.id());
    io::Write::write_all(&mut to, b"\n").unwrap();
    assert_eq!(line(&mut from), "gone");
    processes.list().unwrap();
    let text = std::fs::read(format!("/proc/{sleeper}/stat")).unwrap();
    let after = Stat::parse(&text).unwrap().ppid;
    assert_ne!(after, before);
    assert_eq!(processes.known[&sleeper].stat.ppid, after);
    assert_eq!(processes.known[&sleeper].kin, Some(Kin::Command));
    crate::linux::signal::send(sleeper, libc::SIGKILL).unwrap();
    drop(to);
    child.wait().unwrap();
}

#[test]
fn usage_that_no_parent_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let put = |pid: u32, state: &str, ppid: u32, ignored: &str| {
        let folder = dir.path().join(pid.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let stat = format!("{pid} (p) {state} {ppid} 1 1 0 -1 0 0 0 0 0 {pid} 0 0 0 20 0 1 0 50 4096 7 0\n");
        std::fs::write(folder.join("stat"), stat).unwrap();
        std::fs::write(folder.join("status"), format!("Name:\tp\nSigIgn:\t{ignored}\n")).unwrap();
    };
    // The command; one that ignores SIGCHLD with two children; one that does not, with one; and another that does, and
    // ends.
    for (pid, ppid, ignored) in [
        (10, 1, "0"),
        (20, 10, "0000000000010000"),
        (21, 20, "0"),
        (22, 20, "0"),
        (30, 10, "0"),
        (31, 30, "0"),
        (40, 10, "10000"),
        (41, 40, "0"),
    ] {
        put(pid, "S", ppid, ignored);
    }
    let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
    let mut processes = ProcessTable::open(&roots, Trunk { command: Some(10), ..Trunk::default() }).unwrap();
    let mut refresh = |now| {
        processes.list().unwrap();
        processes.refresh(|p| p.kin.is_some(), now, now.checked_sub(1));
        let ticks = |p: KnownProcess| (p.stat.pid, p.stat.own.user_ticks);
        std::mem::take(&mut processes.disowned).into_iter().map(ticks).collect::<Vec<_>>()
    };
    assert_eq!(refresh(1), []);
    put(40, "Z", 10, "10000");
    for gone in [21, 31, 41] {
        std::fs::remove_dir_all(dir.path().join(gone.to_string())).unwrap();
    }
    assert_eq!(refresh(2), [(21, 21), (41, 41)], "the end of 40 is seen a moment later");
    put(41, "S", 40, "0");
    assert_eq!(refresh(3), []);
    std::fs::remove_dir_all(dir.path().join("41")).unwrap();
    assert_eq!(refresh(4), [], "they are not children of an ended process");
    std::fs::remove_dir_all(dir.path().join("20")).unwrap();
    std::fs::remove_dir_all(dir.path().join("22")).unwrap();
    assert_eq!(refresh(5), [], "it is unknown which ended first");
}

#[test]
fn processes_that_slept_or_ran() {
    let mut processes = processes(Trunk::default());
    let me = std::process::id();
    let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
    // Asleep when its clock does not change.
    let mut clock = None;
    while clock.is_none() || clock != cpu_ns(sleeper.id()) {
        clock = cpu_ns(sleeper.id());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    processes.list().unwrap();
    let sleeping = sleeper.id();
    let both = |p: &KnownProcess| [me, sleeping].contains(&p.stat.pid);
    processes.refresh(both, 1_000_000_000, None);
    assert_eq!(processes.known[&me].usage_percent, None, "nothing to compare with");
    let before = cpu_ns(me).unwrap();
    while cpu_ns(me).unwrap() < before + 50_000_000 {}
    processes.refresh(both, 2_000_000_000, None);
    let mine = processes.known[&me].usage_percent.unwrap();
    assert!(mine >= 5.0, "50 ms and more of a second: {mine} %");
    assert_eq!(processes.known[&sleeper.id()].usage_percent, Some(0.0));
    assert_eq!(processes.known[&sleeper.id()].stale, 1, "its files were not read");
    let gone = sleeper.id();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    processes.refresh(|p| p.stat.pid == gone, 3_000_000_000, None);
    assert!(!processes.known.contains_key(&gone));
}

/// A sleeping process left a CPU as often as it was given one: `status` counts the one, `schedstat` the other.
#[test]
fn waits_are_those_of_schedstat_and_status() {
    let read = |pid: u32, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let number = |text: &str, at: usize| -> u64 { text.split_whitespace().nth(at).unwrap().parse().unwrap() };
    if number(&read(std::process::id(), "schedstat"), 2) == 0 {
        println!("skipped: the kernel does not count waits");
        return;
    }
    let mut child = Command::new("sh").args(["-c", "sleep 0.01; exec sleep 60"]).spawn().unwrap();
    let mut processes = processes(Trunk { command: Some(child.id()), ..Trunk::default() });
    // Its exec was seen, and it sleeps again.
    while !read(child.id(), "stat").contains("(sleep) S") {
        std::thread::yield_now();
    }
    processes.refresh(|p| p.kin.is_some(), 1_000_000_000, None);
    processes.read_command_lines([child.id()]);
    let known = &processes.known[&child.id()];
    let (schedstat, status) = (read(child.id(), "schedstat"), read(child.id(), "status"));
    let switches: u64 = status.lines().filter(|line| line.contains("ctxt_switches")).map(|line| number(line, 1)).sum();
    let waited = known.waits.now.unwrap();
    assert_eq!((waited.cpu_ns, waited.runs), (number(&schedstat, 1), switches));
    assert_eq!(known.command_line.as_deref(), Some("sleep 60"));
    assert_eq!(known.pss_bytes, None, "only on request");
    processes.pss = Some(std::time::Duration::from_secs(10));
    processes.read_pss(1_000_000_000, false);
    let known = processes.known[&child.id()].clone();
    assert!(known.pss_bytes.unwrap() <= known.peak_rss_bytes.unwrap(), "{known:?}");
    processes.read_pss(2_000_000_000, false);
    assert_eq!(processes.known[&child.id()].pss_bytes, None, "it is not time");
    processes.read_pss(10_900_000_000, false);
    assert!(processes.known[&child.id()].pss_bytes.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    processes.refresh(|_| true, 12_000_000_000, Some(1_000_000_000));
    assert_eq!(processes.by_ended.cpu_ns, waited.cpu_ns);
}

#[test]
fn a_process_started_since_the_previous_refresh_starts_from_zero() {
    let mut processes = processes(Trunk::default());
    let me = std::process::id();
    processes.list().unwrap();
    let used = cpu_ns(me).unwrap();
    processes.refresh(|p| p.stat.pid == me, 11_000_000_000, Some(1_000_000_000));
    let percent = processes.known[&me].usage_percent.unwrap();
    assert!(percent >= used as f64 / 1e8, "{percent}");
}

#[test]
fn new_processes_are_noticed_by_number_and_threads_are_ignored() {
    let mut processes = processes(Trunk::default());
    // From the third check on, and as long as only a few are started.
    for _ in 0..2 {
        Command::new("true").status().unwrap();
        processes.list().unwrap();
    }
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let number = rustix::thread::gettid().as_raw_pid() as u32;
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let _ = wait.recv();
        (number, child)
    });
    let mine = |processes: &ProcessTable| {
        let me = std::process::id();
        processes.known.values().filter(|p| p.stat.ppid == me && p.stat.comm.as_str() == "sleep").count()
    };
    let before = mine(&processes);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while mine(&processes) == before {
        assert!(std::time::Instant::now() < until, "not noticed");
        processes.list().unwrap();
        processes.refresh(|_| true, 1, None);
    }
    assert!(processes.since_whole > 0, "without listing the whole /proc");
    drop(stop);
    let (number, mut child) = thread.join().unwrap();
    assert!(!processes.known.contains_key(&number), "a thread");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// For another machine only ticks are known, and they may once show zero, like other counters.
#[test]
fn ticks_that_show_zero_once_are_not_cpu_usage() {
    let tree = crate::facts::machine::testing::Tree::new(&[("proc/7/stat", "")]);
    let put = |ticks: u64| {
        let line = format!("7 (worker) S 1 7 7 0 -1 0 5 0 0 0 {ticks} 0 0 0 20 0 1 0 500 10000 9 0\n");
        std::fs::write(tree.roots().proc("7/stat"), line).unwrap();
    };
    put(1000);
    let mut processes = ProcessTable::open(&tree.roots(), Trunk::default()).unwrap();
    processes.list().unwrap();
    let mut usage = Vec::new();
    for (second, ticks) in [1000, 1010, 0, 1030, 1040, 1090].into_iter().enumerate() {
        put(ticks);
        processes.refresh(|_| true, 1_000_000_000 * (second as u64 + 1), None);
        usage.push(processes.known[&7].usage_percent);
    }
    // Percent of a second.
    let percent = |ticks: f64| Some(ticks * 100.0 / procfs::ticks_per_second() as f64);
    assert_eq!(usage, [None, percent(10.0), None, None, percent(10.0), percent(50.0)]);
}
