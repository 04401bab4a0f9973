//! CPU time and memory of a recorder, as the kernel reports them.
#![allow(unsafe_code, reason = "signals")]

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// Excludes the start, which is not part of the cost of a tick.
const SETTLE: Duration = Duration::from_millis(3500);

/// CPU microseconds per second of a child that ticks once per second, and its memory in bytes. Ends the child.
pub fn measure(mut child: Child, seconds: u64) -> (f64, u64) {
    std::thread::sleep(SETTLE);
    let before = cpu_ns(child.id());
    std::thread::sleep(Duration::from_secs(seconds));
    let spent = cpu_ns(child.id()) - before;
    let memory = rss(child.id());
    // Not SIGINT, which is ignored by what was started in the background of a script.
    // SAFETY: a plain system call on a child that is not reaped yet.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    let _ = child.wait();
    (spent as f64 / 1000.0 / seconds as f64, memory)
}

/// PIDs of a process and its children.
fn family(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|t| fs::read_to_string(t.path().join("children")).ok());
    let children: Vec<u32> =
        children.flat_map(|c| c.split_whitespace().map(str::parse).collect::<Vec<_>>()).flatten().collect();
    children.into_iter().flat_map(family).chain([pid]).collect()
}

/// CPU nanoseconds of a process and its children, all threads.
fn cpu_ns(pid: u32) -> u64 {
    let of = |path: &Path| -> u64 {
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let tasks = family(pid).into_iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")));
    tasks.flatten().flatten().map(|t| of(&t.path())).sum()
}

/// Resident bytes of a process and its children.
fn rss(pid: u32) -> u64 {
    let of = |pid: u32| {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
    };
    family(pid).into_iter().map(of).sum()
}
