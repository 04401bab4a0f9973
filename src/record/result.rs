//! The result of the recorded command: its facts, the exit status, and a description.

use std::io::{Error, ErrorKind};

use crate::store::manifest::CommandFacts;
use crate::workload::{self, End};

/// The exit status that `timeout` uses.
const TIMED_OUT: u8 = 124;
/// The exit status that `timeout` and `env` use for errors of their own, so that they are not taken for errors of the
/// command.
pub const OUR_FAILURE: u8 = 125;
pub(super) const NOT_EXECUTABLE: u8 = 126;
pub(super) const NOT_FOUND: u8 = 127;

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    pub facts: CommandFacts,
    /// As in a shell: 128+n if signal n ended it.
    pub status: u8,
    /// The signal that ended it, if that came from a key.
    pub key: Option<libc::c_int>,
}

impl Finished {
    /// `status`: for a command that never ran.
    pub(super) fn new(facts: CommandFacts, status: Option<u8>, end: Option<&End>, keys: &[libc::c_int]) -> Finished {
        let ended = if facts.timed_out { TIMED_OUT } else { end.map_or(OUR_FAILURE, End::status) };
        let key = end.and_then(|end| end.signal).filter(|signal| keys.contains(signal));
        Finished { facts, status: status.unwrap_or(ended), key }
    }

    /// `make: exit status 0 after 12.3 s (45.1 s user, 3.2 s system, 512 MiB)`
    pub fn in_words(&self) -> String {
        let facts = &self.facts;
        let program = facts.argv.first().map_or("", String::as_str);
        let cost = facts.cost.as_ref().map_or_else(String::new, |cost| {
            let (user, system) = (seconds(cost.user_s), seconds(cost.system_s));
            let left = match cost.left_running {
                0 => String::new(),
                1 => "; left 1 process running".into(),
                n => format!("; left {n} processes running"),
            };
            let largest = indicatif::BinaryBytes(cost.max_rss_bytes);
            // If parents ignore the end of their children, only the control group includes their CPU time.
            let more = cost.cgroup_cpu_s.filter(|cpu| *cpu > 1.05 * (cost.user_s + cost.system_s) + 0.05);
            let more = more.map_or_else(String::new, |cpu| format!(", {} by its control group", seconds(cpu)));
            let energy = cost.energy_j.map_or_else(String::new, |j| format!(", {} J by all processors", joules(j)));
            format!(
                " after {} ({user} user, {system} system{more}{energy}, largest process {largest}{left})",
                seconds(cost.wall_s)
            )
        });
        format!("{program}: {}{cost}", facts.how_it_ended(true))
    }
}

/// Why a program could not be executed. If the interpreter of a script is missing, the kernel's error says that the
/// script is missing.
pub(super) fn not_executed(program: &str, error: &Error) -> String {
    let is_there = workload::find(program.as_ref(), std::env::var_os("PATH").as_deref()).is_ok();
    match error.kind() {
        ErrorKind::NotFound if is_there => {
            format!("{program}: the interpreter in its first line, or its loader, is missing")
        }
        _ => format!("{program}: {error}"),
    }
}

/// Three significant digits below a thousand.
fn joules(j: f64) -> String {
    let digits = if j < 10.0 {
        2
    } else if j < 100.0 {
        1
    } else {
        0
    };
    format!("{j:.digits$}")
}

/// As `time` prints it: with milliseconds below one minute.
fn seconds(s: f64) -> String {
    if s < 60.0 { format!("{s:.3} s") } else { format!("{}m {:.1} s", (s / 60.0).floor(), s % 60.0) }
}
