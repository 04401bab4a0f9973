//! What the kernel counts for a control group, and in which files, for both versions.
//!
//! Described in the kernel's `admin-guide/cgroup-v2` and `admin-guide/cgroup-v1/{cpuacct,memory,blkio-controller}`. Sums
//! include the groups below.

use super::{Folder, Version};
use crate::linux::files::HeldFile;
use crate::linux::scan::{lines, number, split_once, words};

/// `None`: this kernel does not report it, or not for this group (the root has no limits, for example).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub usage_us: Option<u64>,
    pub user_us: Option<u64>,
    pub system_us: Option<u64>,
    pub periods: Option<u64>,
    pub throttled_periods: Option<u64>,
    pub throttled_us: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub memory_peak_bytes: Option<u64>,
    pub memory_limit_bytes: Option<u64>,
    pub anon_bytes: Option<u64>,
    pub file_bytes: Option<u64>,
    pub swap_bytes: Option<u64>,
    pub low_events: Option<u64>,
    pub high_events: Option<u64>,
    pub max_events: Option<u64>,
    pub oom_events: Option<u64>,
    pub oom_kills: Option<u64>,
    pub read_bytes: Option<u64>,
    pub write_bytes: Option<u64>,
    pub read_count: Option<u64>,
    pub write_count: Option<u64>,
    pub pids: Option<u64>,
    pub cpu_some_us: Option<u64>,
    pub memory_some_us: Option<u64>,
    pub memory_full_us: Option<u64>,
    pub io_some_us: Option<u64>,
    pub io_full_us: Option<u64>,
}

type Parse = fn(&[u8], &mut Account);

/// No group has more files than this: if version 1 counts, version 2 only has the four that need no controller.
pub const MOST_FILES: usize = ONE.len() + 4;

const TWO: &[(&str, Parse)] = &[
    ("cpu.stat", |text, a| {
        for (name, value) in fields(text) {
            match name {
                b"usage_usec" => a.usage_us = value,
                b"user_usec" => a.user_us = value,
                b"system_usec" => a.system_us = value,
                b"nr_periods" => a.periods = value,
                b"nr_throttled" => a.throttled_periods = value,
                b"throttled_usec" => a.throttled_us = value,
                _ => {}
            }
        }
    }),
    ("memory.current", |text, a| a.memory_bytes = one(text)),
    ("memory.peak", |text, a| a.memory_peak_bytes = one(text)),
    // Without a limit it says `max`, which is not a number.
    ("memory.max", |text, a| a.memory_limit_bytes = one(text)),
    ("memory.swap.current", |text, a| a.swap_bytes = one(text)),
    ("memory.stat", |text, a| {
        for (name, value) in fields(text) {
            match name {
                b"anon" => a.anon_bytes = value,
                b"file" => {
                    a.file_bytes = value;
                    // The rest of a long text.
                    break;
                }
                _ => {}
            }
        }
    }),
    ("memory.events", |text, a| {
        for (name, value) in fields(text) {
            match name {
                b"low" => a.low_events = value,
                b"high" => a.high_events = value,
                b"max" => a.max_events = value,
                b"oom" => a.oom_events = value,
                b"oom_kill" => a.oom_kills = value,
                _ => {}
            }
        }
    }),
    ("io.stat", |text, a| {
        // A file without a line: nothing was read or written.
        (a.read_bytes, a.write_bytes, a.read_count, a.write_count) = (Some(0), Some(0), Some(0), Some(0));
        for word in lines(text).flat_map(words) {
            let Some((name, value)) = split_once(word, b'=') else { continue };
            let sum = match name {
                b"rbytes" => &mut a.read_bytes,
                b"wbytes" => &mut a.write_bytes,
                b"rios" => &mut a.read_count,
                b"wios" => &mut a.write_count,
                _ => continue,
            };
            *sum = sum.zip(number(value)).and_then(|(sum, n)| sum.checked_add(n));
        }
    }),
    ("pids.current", |text, a| a.pids = one(text)),
    ("cpu.pressure", |text, a| a.cpu_some_us = stalls(text).0),
    ("memory.pressure", |text, a| (a.memory_some_us, a.memory_full_us) = stalls(text)),
    ("io.pressure", |text, a| (a.io_some_us, a.io_full_us) = stalls(text)),
];

const ONE: &[(&str, Parse)] = &[
    ("cpuacct.usage", |text, a| a.usage_us = a.usage_us.or(one(text).map(|ns| ns / 1000))),
    ("cpuacct.stat", |text, a| {
        let us = |ticks: u64| ticks.checked_mul(1_000_000 / procfs::ticks_per_second().max(1));
        for (name, value) in fields(text) {
            match name {
                b"user" => a.user_us = a.user_us.or(value.and_then(us)),
                b"system" => a.system_us = a.system_us.or(value.and_then(us)),
                _ => {}
            }
        }
    }),
    ("cpu.stat", |text, a| {
        for (name, value) in fields(text) {
            match name {
                b"nr_periods" => a.periods = value,
                b"nr_throttled" => a.throttled_periods = value,
                b"throttled_time" => a.throttled_us = value.map(|ns| ns / 1000),
                _ => {}
            }
        }
    }),
    ("memory.usage_in_bytes", |text, a| a.memory_bytes = one(text)),
    ("memory.max_usage_in_bytes", |text, a| a.memory_peak_bytes = one(text)),
    // "No limit" is the largest multiple of a page.
    ("memory.limit_in_bytes", |text, a| a.memory_limit_bytes = one(text).filter(|v| *v < 1 << 62)),
    ("memory.failcnt", |text, a| a.max_events = one(text)),
    ("memory.oom_control", |text, a| {
        a.oom_kills = fields(text).find(|(name, _)| *name == b"oom_kill").and_then(|(_, value)| value);
    }),
    ("memory.stat", |text, a| {
        for (name, value) in fields(text) {
            match name {
                b"total_rss" => a.anon_bytes = value,
                b"total_cache" => a.file_bytes = value,
                b"total_swap" => a.swap_bytes = value,
                _ => {}
            }
        }
    }),
    ("blkio.throttle.io_service_bytes_recursive", |text, a| (a.read_bytes, a.write_bytes) = directions(text)),
    ("blkio.throttle.io_serviced_recursive", |text, a| (a.read_count, a.write_count) = directions(text)),
    ("pids.current", |text, a| a.pids = one(text)),
];

/// Files that contain one number, which the kernel prints whole; the others have one line per item or device.
fn is_one_number(name: &str) -> bool {
    name.ends_with(".current")
        || matches!(name, "memory.peak" | "memory.max" | "cpuacct.usage" | "memory.failcnt")
        || name.ends_with("_in_bytes")
}

/// The files of one group, held open.
pub struct Files(Vec<(HeldFile, Parse)>);

impl Files {
    /// Opens those that this kernel has.
    pub fn open(folders: &[Folder]) -> Files {
        Files::open_those(folders, |_| true)
    }

    /// … and that are wanted.
    pub fn open_those(folders: &[Folder], is_wanted: fn(&str) -> bool) -> Files {
        let mut files = Vec::new();
        // Version 2 first; version 1 then fills in what is missing.
        for version in [Version::Two, Version::One] {
            for folder in folders.iter().filter(|f| f.version == version) {
                let known = if version == Version::Two { TWO } else { ONE };
                let open = |name: &str| {
                    let path = folder.path.join(name);
                    if is_one_number(name) { HeldFile::open_attribute(path) } else { HeldFile::open(path) }.ok()
                };
                let wanted = known.iter().filter(|(name, _)| is_wanted(name));
                files.extend(wanted.filter_map(|(name, parse)| Some((open(name)?, *parse))));
            }
        }
        Files(files)
    }

    /// `None` if the group is gone, or nothing is known about it.
    pub fn read(&mut self) -> Option<Account> {
        if self.0.is_empty() {
            return None;
        }
        let mut account = Account::default();
        for (file, parse) in &mut self.0 {
            match file.read() {
                Ok(text) => parse(text, &mut account),
                Err(e) if e.error.raw_os_error() == Some(libc::ENODEV) => return None,
                // What this kernel does not count (for example pressure, if it is switched off) has no value.
                Err(_) => {}
            }
        }
        Some(account)
    }
}

/// The only number of a file.
fn one(text: &[u8]) -> Option<u64> {
    number(text.trim_ascii())
}

/// Lines of a name and a number.
fn fields(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<u64>)> {
    lines(text).filter_map(|line| {
        let mut words = words(line);
        Some((words.next()?, words.next().and_then(number)))
    })
}

/// `some` and `full` of a pressure file.
fn stalls(text: &[u8]) -> (Option<u64>, Option<u64>) {
    crate::linux::pressure::parse(text).map_or((None, None), |(some, full)| (some.total_us, full.total_us))
}

/// Reads and writes of `8:0 Read 4096`, summed over the devices; the other lines are parts of these, or sums.
fn directions(text: &[u8]) -> (Option<u64>, Option<u64>) {
    let (mut read, mut written) = (Some(0u64), Some(0u64));
    for line in lines(text) {
        let mut words = words(line).skip(1);
        let sum = match words.next() {
            Some(b"Read") => &mut read,
            Some(b"Write") => &mut written,
            _ => continue,
        };
        *sum = sum.zip(words.next().and_then(number)).and_then(|(sum, n)| sum.checked_add(n));
    }
    (read, written)
}

/// The CPU time of a group so far: total, in user mode, in the kernel.
pub fn cpu_us(folders: &[Folder]) -> [Option<u64>; 3] {
    CpuTime::open(folders).read()
}

/// The files with a group's CPU time, held open.
pub struct CpuTime(Files);

impl CpuTime {
    pub fn open(folders: &[Folder]) -> CpuTime {
        CpuTime(Files::open_those(folders, |name| name == "cpu.stat" || name.starts_with("cpuacct.")))
    }

    /// Total, in user mode, in the kernel. (In version 1 the parts have steps of 10 ms.)
    pub fn read(&mut self) -> [Option<u64>; 3] {
        self.0.read().map_or([None; 3], |account| [account.usage_us, account.user_us, account.system_us])
    }
}

/// What the kernel has counted for a group so far.
pub fn read(folders: &[Folder]) -> Account {
    Files::open(folders).read().unwrap_or_default()
}

#[cfg(test)]
pub fn parse_all(text: &[u8]) {
    for (_, parse) in TWO.iter().chain(ONE) {
        parse(text, &mut Account::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_one_number_are_read_as_attributes() {
        let names = TWO.iter().chain(ONE).map(|(name, _)| *name).filter(|name| is_one_number(name));
        let expected = [
            "memory.current",
            "memory.peak",
            "memory.max",
            "memory.swap.current",
            "pids.current",
            "cpuacct.usage",
            "memory.usage_in_bytes",
            "memory.max_usage_in_bytes",
            "memory.limit_in_bytes",
            "memory.failcnt",
            "pids.current",
        ];
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }
}
