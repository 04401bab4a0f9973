//! The overhead for the recorded command: how long a command takes with and without `perfwatch record --`, alternating
//! (without, with, with, without); how long the start and the end of a recording take; and how much more CPU time a
//! recording reports for a short command than the kernel reports for the same command when spawned directly.
//!
//! `cargo bench --bench overhead [-- ROUNDS]`. Compare a ratio with its noise, which is the variation of the command
//! itself: the interquartile range of the runs without perfwatch, relative to their median.
#![allow(unsafe_code, reason = "wait4 tells what a child used up")]

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use perfwatch::linux::clock::process_cpu_us;

const PERFWATCH: &str = env!("CARGO_BIN_EXE_perfwatch");
/// With this argument, this program is the command that uses CPU time for the given number of milliseconds.
const BURN: &str = "burn";
/// Each takes some tenths of a second.
const COMMANDS: [(&str, &str); 3] = [
    ("CPU", "i=0; while test $i -lt 700000; do i=$((i+1)); done"),
    ("300 forks", "for i in $(seq 300); do /bin/true; done"),
    (
        "I/O",
        "for i in $(seq 20); do dd if=/dev/zero of=$FILE bs=64k count=400 conv=fsync 2>&1; done > /dev/null; rm $FILE",
    ),
];

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench").peekable();
    if args.next_if(|a| a == BURN).is_some() {
        return burn(args.next().and_then(|ms| ms.parse().ok()).map_or(Duration::ZERO, Duration::from_millis));
    }
    let rounds = args.find_map(|a| a.parse().ok()).unwrap_or(10);
    let scratch = tempfile::tempdir().expect("a temporary folder");
    println!("{:<12} {:>8} {:>11} {:>11} {:>8} {:>8}", "", "interval", "without", "with", "ratio", "noise");
    for (name, script) in COMMANDS {
        for interval in ["1s", "100ms"] {
            overhead(scratch.path(), name, script, interval, rounds);
        }
    }
    fixed(scratch.path(), 4 * rounds);
    let this = std::env::current_exe().expect("this program").display().to_string();
    charged(scratch.path(), &["true"], 4 * rounds);
    charged(scratch.path(), &[&this, BURN, "10"], 4 * rounds);
}

/// Runs a command without, with, with, without perfwatch, so that a drift of the machine affects both in the same way.
fn overhead(scratch: &Path, name: &str, script: &str, interval: &str, rounds: usize) {
    let mut times = [vec![], vec![]];
    for _ in 0..rounds {
        for with in [0, 1, 1, 0] {
            // Only the time of the command; our time before and after it is measured below.
            times[with].push(own_time(scratch, script, (with == 1).then_some(interval)));
        }
    }
    let [without, with] = times.map(Times::new);
    let ratio = with.median() / without.median();
    let noise = without.spread() / without.median();
    println!(
        "{name:<12} {interval:>8} {:>8.1} ms {:>8.1} ms {ratio:>8.4} {noise:>8.4}",
        without.median() * 1e3,
        with.median() * 1e3
    );
}

/// Seconds between the first and the last output of a script, by the script's own clock.
fn own_time(scratch: &Path, script: &str, interval: Option<&str>) -> f64 {
    let timed = format!("date +%s.%N; {{ {script}; }}; date +%s.%N");
    let mut command = recording(scratch, interval);
    let output = command.args(["sh", "-c", &timed]).env("FILE", scratch.join("file")).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let times: Vec<f64> = said.lines().filter_map(|line| line.parse().ok()).collect();
    match times[..] {
        [began, ended] if output.status.success() => ended - began,
        _ => panic!("{script}: {}, {said}{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// `env`, or `perfwatch record` with this interval, to be put before a command.
fn recording(scratch: &Path, interval: Option<&str>) -> Command {
    let Some(interval) = interval else { return Command::new("env") };
    let folder = scratch.join("recording");
    let _ = std::fs::remove_dir_all(&folder);
    let mut command = Command::new(PERFWATCH);
    command.args(["record", "-qq", "-i", interval, "-o"]).arg(folder).arg("--");
    command
}

/// The time before and after a command that does nothing.
fn fixed(scratch: &Path, rounds: usize) {
    let time = |interval| {
        let began = Instant::now();
        assert!(recording(scratch, interval).arg("true").status().expect("it starts").success());
        began.elapsed().as_secs_f64()
    };
    let (mut without, mut with) = (vec![], vec![]);
    for _ in 0..rounds {
        without.push(time(None));
        with.push(time(Some("1s")));
    }
    let (without, with) = (Times::new(without), Times::new(with));
    println!(
        "record -- true: {:.1} ms median, {:.1} to {:.1} ms interquartile range; true alone {:.1} ms",
        with.median() * 1e3,
        with.quantile(0.25) * 1e3,
        with.quantile(0.75) * 1e3,
        without.median() * 1e3
    );
}

/// CPU time of a command as recorded, and as the kernel reports it for the command when spawned directly.
#[expect(clippy::zombie_processes, reason = "wait4 waits for it and returns its usage")]
fn charged(scratch: &Path, words: &[&str], rounds: usize) {
    let (mut spawned, mut recorded) = (vec![], vec![]);
    for _ in 0..rounds {
        let child = Command::new(words[0]).args(&words[1..]).spawn().expect("it starts");
        spawned.push(waited_for(&child));
        assert!(recording(scratch, Some("1s")).args(words).status().expect("it starts").success());
        let manifest = std::fs::read(scratch.join("recording/_recording.json")).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
        let cost = &manifest["sessions"][0]["command"]["cost"];
        recorded.push(["user_s", "system_s"].iter().filter_map(|part| cost[part].as_f64()).sum());
    }
    let (spawned, recorded) = (Times::new(spawned), Times::new(recorded));
    println!(
        "CPU time of {}: {:.3} ms recorded, {:.3} ms spawned, ratio {:.3}",
        words[words.len() - 1],
        recorded.median() * 1e3,
        spawned.median() * 1e3,
        recorded.median() / spawned.median()
    );
}

/// Waits for a child. Returns its CPU time in seconds.
fn waited_for(child: &Child) -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    let pid = libc::pid_t::try_from(child.id()).expect("a process number");
    // SAFETY: the kernel fills in the structure, for which zeros are a value.
    let usage = unsafe {
        assert_eq!(libc::wait4(pid, std::ptr::null_mut(), 0, usage.as_mut_ptr()), pid);
        usage.assume_init()
    };
    [usage.ru_utime, usage.ru_stime].iter().map(|time| time.tv_sec as f64 + time.tv_usec as f64 / 1e6).sum()
}

/// Uses this much CPU time, as the kernel counts it for this process.
fn burn(time: Duration) {
    while u128::from(process_cpu_us()) < time.as_micros() {}
}

/// Seconds.
struct Times(Vec<f64>);

impl Times {
    fn new(mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        Times(times)
    }

    /// Nearest rank.
    fn quantile(&self, q: f64) -> f64 {
        self.0.get((q * (self.0.len() - 1) as f64).round() as usize).copied().unwrap_or(f64::NAN)
    }

    fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Interquartile range.
    fn spread(&self) -> f64 {
        self.quantile(0.75) - self.quantile(0.25)
    }
}
