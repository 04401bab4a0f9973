//! What became of the recorded command: its facts, the status that stands for it, and the words about it.

use std::io::{Error, ErrorKind};

use crate::store::manifest::CommandFacts;
use crate::workload::{self, End};

/// What `timeout` returns.
const TIMED_OUT: u8 = 124;
/// What `timeout` and `env` return for a failure of their own, so that it is not taken for that of the command they start.
pub const OUR_FAILURE: u8 = 125;
pub(super) const NOT_EXECUTABLE: u8 = 126;
pub(super) const NOT_FOUND: u8 = 127;

/// A command that is over.
#[derive(Debug)]
pub struct Finished {
    pub facts: CommandFacts,
    /// As a shell has it: 128+n where signal n ended it.
    pub status: u8,
    /// The signal of the key that ended it.
    pub key: Option<libc::c_int>,
}

impl Finished {
    /// `status`: of a command that never ran.
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
            // Where parents ignore the end of their children, only the group's account has it.
            let more = cost.cgroup_cpu_s.filter(|cpu| *cpu > 1.05 * (cost.user_s + cost.system_s) + 0.05);
            let more = more.map_or_else(String::new, |cpu| format!(", {} by its control group", seconds(cpu)));
            format!(
                " after {} ({user} user, {system} system{more}, largest process {largest}{left})",
                seconds(cost.wall_s)
            )
        });
        format!("{program}: {}{cost}", facts.how_it_ended(true))
    }
}

/// Why a program could not be executed. Of a script whose interpreter is missing, the kernel says that the script is missing.
pub(super) fn not_executed(program: &str, error: &Error) -> String {
    let is_there = workload::find(program.as_ref(), std::env::var_os("PATH").as_deref()).is_ok();
    match error.kind() {
        ErrorKind::NotFound if is_there => {
            format!("{program}: the interpreter in its first line, or its loader, is missing")
        }
        _ => format!("{program}: {error}"),
    }
}

/// To the millisecond below a minute, as `time` shows it.
fn seconds(s: f64) -> String {
    if s < 60.0 { format!("{s:.3} s") } else { format!("{}m {:.1} s", (s / 60.0).floor(), s % 60.0) }
}
