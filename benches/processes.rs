//! The cost of recording processes: CPU time per tick of `record --processes …` at 1 s with and without thousands of
//! sleeping processes, hence the cost per process, and how late ticks become.
//!
//! `cargo bench --bench processes [-- SLEEPERS [SECONDS]]`.
#![allow(unsafe_code, reason = "thousands of forked children")]

mod account;

use std::path::Path;
use std::process::{Command, Stdio};

use account::measure;

const PERFWATCH: &str = env!("CARGO_BIN_EXE_perfwatch");
const CHOICES: [&str; 3] = ["all", "top=20", "match=^no such$"];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench").map(|a| a.parse().ok());
    let sleepers = arguments.next().flatten().unwrap_or(2000);
    let seconds = arguments.next().flatten().unwrap_or(15);
    let scratch = tempfile::tempdir().expect("a temporary folder");
    println!("CPU per tick at 1 s over {seconds} s, without and with {sleepers} sleeping processes");
    println!("{:<28} {:>11} {:>11} {:>14} {:>20}", "", "without", "with", "per process", "late, median / max");
    for choice in CHOICES {
        let (without, _) = record(scratch.path(), choice, seconds as u64);
        let herd = Herd::new(sleepers);
        let (with, late) = record(scratch.path(), choice, seconds as u64);
        drop(herd);
        let each = (with - without) / sleepers as f64;
        let (median, most) = (late.get(late.len() / 2).copied(), late.last().copied());
        println!(
            "{:<28} {without:>8.0} us {with:>8.0} us {each:>11.3} us {:>8.0} / {:>6.0} us",
            format!("--processes {choice}"),
            median.unwrap_or(f64::NAN),
            most.unwrap_or(f64::NAN),
        );
    }
}

/// CPU microseconds per tick, and the delays of the ticks in microseconds, sorted.
fn record(scratch: &Path, choice: &str, seconds: u64) -> (f64, Vec<f64>) {
    let (recording, csv) = (scratch.join("recording"), scratch.join("csv"));
    let _ = std::fs::remove_dir_all(&recording);
    let mut command = Command::new(PERFWATCH);
    command.args(["record", "-qq", "--collectors", "process", "--processes", choice, "-o"]).arg(&recording);
    let (us, _) = measure(command.stderr(Stdio::null()).spawn().expect("it starts"), seconds);
    let mut report = Command::new(PERFWATCH);
    report
        .args(["report", "-t", "tick", "--force", "--csv"])
        .arg(&csv)
        .arg(&recording)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(report.status().expect("it starts").success());
    let text = std::fs::read_to_string(csv.join("tick.csv")).expect("the table `tick`");
    let mut lines = text.lines().map(|line| line.split(','));
    let column = lines.next().and_then(|mut names| names.position(|n| n == "late_us")).expect("its column");
    let mut late: Vec<f64> = lines.filter_map(|mut line| line.nth(column)?.parse().ok()).collect();
    late.sort_by(f64::total_cmp);
    (us, late)
}

/// Processes that sleep until this is dropped.
struct Herd(Vec<libc::pid_t>);

impl Herd {
    fn new(number: usize) -> Herd {
        let begin = |_| {
            // SAFETY: this program has one thread; the child only makes system calls, and never returns.
            unsafe {
                match libc::fork() {
                    0 => {
                        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                        loop {
                            libc::pause();
                        }
                    }
                    pid => pid,
                }
            }
        };
        let pids: Vec<libc::pid_t> = (0..number).map(begin).filter(|pid| *pid > 0).collect();
        assert_eq!(pids.len(), number, "this many processes cannot be started");
        Herd(pids)
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        // SAFETY: children of ours that have not been waited for.
        unsafe {
            for pid in &self.0 {
                libc::kill(*pid, libc::SIGKILL);
            }
            for pid in &self.0 {
                libc::waitpid(*pid, std::ptr::null_mut(), 0);
            }
        }
    }
}
