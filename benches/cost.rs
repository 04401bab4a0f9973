//! The cost of recording: CPU time per tick of `perfwatch record` at 1 s with all default collectors except perf,
//! compared with
//!
//! - the floor: a loop that only reads the same facts from the cheapest source, with open descriptors, and discards the
//!   data;
//! - the same without the dump of TCP sockets, which `perfwatch` skips while there is no TCP activity;
//! - `sadc` of sysstat, if it is installed; and all collectors, compared with all its activities.
//!
//! It also measures the additional cost of counting four events: with `perf_event_open` at the tick, and with `perf
//! stat` including its child.
//!
//! The programs alternate for several rounds. CPU time is the kernel's time of all threads
//! (`/proc/PID/task/*/schedstat`) over the ticks in the middle of each turn. `cargo bench --bench cost [-- SECONDS]`.
#![allow(unsafe_code, reason = "the cheapest way to the same facts")]

mod account;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use account::measure;

const ROUNDS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    match arguments.next().as_deref() {
        Some("floor") => floor(true),
        Some("floor-without-dump") => floor(false),
        seconds => compare(seconds.and_then(|s| s.parse().ok()).unwrap_or(20)),
    }
}

const EVENTS: &str = "cpu-clock,context-switches,cpu-migrations,page-faults";

fn compare(seconds: u64) {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let floor = |name| Command::new(std::env::current_exe().expect("this program")).arg(name).spawn();
    let sadc =
        ["/usr/lib/sysstat/sadc", "/usr/lib64/sa/sadc", "/usr/lib/sa/sadc"].into_iter().find(|p| Path::new(p).exists());
    let mut number = 0;
    let mut record = |options: &[&str]| {
        number += 1;
        Command::new(env!("CARGO_BIN_EXE_perfwatch"))
            .args(["record", "-qq"])
            .args(options)
            .arg("-o")
            .arg(scratch.path().join(number.to_string()))
            .stderr(Stdio::null())
            .spawn()
    };
    const LINES: [&str; 9] = [
        "floor",
        "floor-without-dump",
        "perfwatch",
        "sadc",
        "perfwatch all",
        "sadc -S XALL",
        "cpu alone",
        "cpu + syscall",
        "cpu + perf stat",
    ];
    let mut results: Vec<(&str, Vec<f64>, u64)> = LINES.into_iter().map(|line| (line, vec![], 0)).collect();
    for _ in 0..ROUNDS {
        for (name, costs, memory) in &mut results {
            let child = match *name {
                "floor" | "floor-without-dump" => floor(*name),
                "perfwatch" => record(&["--collectors", "-perf"]),
                "perfwatch all" => record(&["--collectors", "all"]),
                "cpu alone" => record(&["--collectors", "cpu"]),
                "cpu + syscall" => {
                    record(&["--collectors", "cpu,perf", "--perf-events", EVENTS, "--perf-backend", "syscall"])
                }
                "cpu + perf stat" => {
                    record(&["--collectors", "cpu,perf", "--perf-events", EVENTS, "--perf-backend", "perf"])
                }
                _ => match sadc {
                    Some(sadc) => Command::new(sadc)
                        .args(if *name == "sadc" { &[][..] } else { &["-S", "XALL"] })
                        .args(["1", "1000"])
                        .arg(scratch.path().join("sa"))
                        .stdout(Stdio::null())
                        .spawn(),
                    None => continue,
                },
            };
            let (us, bytes) = measure(child.expect("it starts"), seconds);
            costs.push(us);
            *memory = (*memory).max(bytes);
        }
    }
    let median = |costs: &[f64]| {
        let mut sorted = costs.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    };
    let base = median(&results[0].1).unwrap_or(f64::NAN);
    println!("CPU per tick at 1 s, {ROUNDS} alternating rounds of {seconds} s");
    for (name, costs, memory) in &results {
        match median(costs) {
            Some(us) => println!(
                "{name:<18} {us:7.0} us  ratio {:.2}  RSS {:.1} MiB  rounds {costs:.0?}",
                us / base,
                *memory as f64 / 1048576.0
            ),
            None => println!("{name:<18} not installed"),
        }
    }
    let fast = record(&["-i", "10ms", "--collectors", "-perf,-filesystem"]).expect("it starts");
    let (us, memory) = measure(fast, seconds);
    println!(
        "at 10 ms, without perf and filesystem: {:.1} % of a core, {:.0} us per tick, RSS {:.1} MiB",
        us / 1e4,
        us / 100.0,
        memory as f64 / 1048576.0
    );
}

/// The cheapest way to read the same facts: nothing is parsed or stored.
fn floor(dump: bool) {
    let pids = [
        "/proc/stat",
        "/proc/loadavg",
        "/proc/meminfo",
        "/proc/vmstat",
        "/proc/net/dev",
        "/proc/net/sockstat",
        "/proc/net/sockstat6",
        "/proc/net/snmp",
        "/proc/net/netstat",
        "/proc/pressure/cpu",
        "/proc/pressure/memory",
        "/proc/pressure/io",
        "/proc/self/statm",
    ];
    let mut files: Vec<File> = pids.iter().filter_map(|p| File::open(p).ok()).collect();
    let disks = fs::read_dir("/sys/block").into_iter().flatten().flatten().filter(|d| {
        let name = d.file_name();
        let name = name.to_string_lossy();
        !["loop", "ram", "zram"].iter().any(|p| name.starts_with(p))
    });
    files.extend(disks.filter_map(|d| File::open(d.path().join("stat")).ok()));
    let sockets = if dump { Sockets::open() } else { None };
    let mut buffer = vec![0u8; 256 * 1024];
    let root = c"/";
    for second in 0u64.. {
        // SAFETY: plain system calls; the structs live as long as the calls.
        unsafe {
            let mut now: libc::timespec = std::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now);
            let next = libc::timespec { tv_sec: now.tv_sec + 1, tv_nsec: 0 };
            libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const next, std::ptr::null_mut());
            if second.is_multiple_of(5) {
                let mut space: libc::statvfs = std::mem::zeroed();
                libc::statvfs(root.as_ptr(), &raw mut space);
            }
        }
        for file in &files {
            let _ = file.read_at(&mut buffer, 0);
        }
        if let Some(sockets) = &sockets {
            sockets.dump(&mut buffer);
        }
    }
}

/// A netlink dump of all TCP sockets except established and waiting ones.
struct Sockets(File);

impl Sockets {
    fn open() -> Option<Sockets> {
        use std::os::fd::FromRawFd;
        // SAFETY: the descriptor is new and has no other owner.
        unsafe {
            let fd = libc::socket(libc::AF_NETLINK, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG);
            (fd >= 0).then(|| Sockets(File::from_raw_fd(fd)))
        }
    }

    fn dump(&self, buffer: &mut [u8]) {
        const TCPDIAG_GETSOCK: u16 = 18;
        const ESTABLISHED_AND_TIME_WAIT: u32 = 1 << 1 | 1 << 6;
        // nlmsghdr, then inet_diag_req: family, src_len, dst_len, ext, id (48 bytes), states, dbs.
        let mut request = [0u8; 16 + 4 + 48 + 8];
        request[0..4].copy_from_slice(&76u32.to_ne_bytes());
        request[4..6].copy_from_slice(&TCPDIAG_GETSOCK.to_ne_bytes());
        request[6..8].copy_from_slice(&((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
        request[16] = libc::AF_INET as u8;
        request[68..72].copy_from_slice(&(0xffe & !ESTABLISHED_AND_TIME_WAIT).to_ne_bytes());
        let fd = self.0.as_raw_fd();
        // SAFETY: both buffers live as long as the calls.
        unsafe {
            libc::send(fd, request.as_ptr().cast(), request.len(), 0);
            loop {
                let n = libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0);
                let done = n < 16 || u16::from_ne_bytes([buffer[4], buffer[5]]) == libc::NLMSG_DONE as u16;
                if done {
                    return;
                }
                // The end marker may follow the sockets in the same datagram.
                let mut at = 0usize;
                while at + 16 <= n as usize {
                    let length =
                        u32::from_ne_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]) as usize;
                    if u16::from_ne_bytes([buffer[at + 4], buffer[at + 5]]) == libc::NLMSG_DONE as u16 || length < 16 {
                        return;
                    }
                    at += length.next_multiple_of(4);
                }
            }
        }
    }
}
