//! How the kernel treats the recorder, and therefore everything that is started from the same place.

use serde::{Deserialize, Serialize};

use crate::linux::files::{Roots, read_once};

/// Null means unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// The effective user.
    pub uid: Option<u32>,
    /// CPUs that it may run on, and memory nodes that it may use: lists like `0-3,8`.
    pub cpus_allowed: Option<String>,
    pub nodes_allowed: Option<String>,
    pub nice: Option<i64>,
    /// "other", "batch", "idle", "fifo", "rr", "deadline".
    pub policy: Option<String>,
    /// For the policies "fifo" and "rr".
    pub realtime_priority: Option<u64>,
    pub limits: Limits,
}

/// The soft limits of `ulimit`; null means no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    pub cpu_time_s: Option<u64>,
    pub file_size_bytes: Option<u64>,
    pub data_bytes: Option<u64>,
    pub stack_bytes: Option<u64>,
    pub processes: Option<u64>,
    pub open_files: Option<u64>,
    pub locked_memory_bytes: Option<u64>,
    pub address_space_bytes: Option<u64>,
}

impl Process {
    /// Not parsed with the crate `procfs`: each of these files is useful even if a line is missing or unusual, and 0.18
    /// panics at a truncated `stat` or `limits`. The tests compare with it.
    pub fn detect(roots: &Roots) -> Process {
        let text = |name: &str| read_once(&roots.proc("self").join(name)).unwrap_or_default();
        let status = text("status");
        let line = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':')).map(str::trim);
        let stat = text("stat");
        // The name before it may contain blanks and parentheses.
        let behind_name: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        // Counted as in proc(5), where the state after the name is field 3.
        let field = |number: usize| behind_name.get(number - 3).copied();
        Process {
            uid: line("Uid").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok()),
            cpus_allowed: line("Cpus_allowed_list").map(str::to_string),
            nodes_allowed: line("Mems_allowed_list").map(str::to_string),
            nice: field(19).and_then(|f| f.parse().ok()),
            policy: field(41).and_then(policy).map(str::to_string),
            realtime_priority: field(40).and_then(|f| f.parse().ok()).filter(|priority| *priority > 0),
            limits: Limits::parse(&text("limits")),
        }
    }
}

/// The numbers of sched(7).
fn policy(number: &str) -> Option<&'static str> {
    match number {
        "0" => Some("other"),
        "1" => Some("fifo"),
        "2" => Some("rr"),
        "3" => Some("batch"),
        "5" => Some("idle"),
        "6" => Some("deadline"),
        "7" => Some("ext"),
        _ => None,
    }
}

impl Limits {
    fn parse(text: &str) -> Limits {
        let soft = |name: &str| {
            let rest = text.lines().find_map(|l| l.strip_prefix(name))?;
            // "unlimited" is not a number.
            rest.split_whitespace().next()?.parse().ok()
        };
        Limits {
            cpu_time_s: soft("Max cpu time"),
            file_size_bytes: soft("Max file size"),
            data_bytes: soft("Max data size"),
            stack_bytes: soft("Max stack size"),
            processes: soft("Max processes"),
            open_files: soft("Max open files"),
            locked_memory_bytes: soft("Max locked memory"),
            address_space_bytes: soft("Max address space"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::machine::testing::Tree;

    #[test]
    fn a_process_of_another_user_with_a_bad_name() {
        let status =
            "Name:\ta) b\nUid:\t0\t1000\t0\t0\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\nMems_allowed_list:\t0\n";
        // As the kernel printed it for `chrt -r 90 nice -n 3 cat`, except for the name.
        let stat = "20072 (a) 1 2 b) R 20070 20070 13993 0 -1 4194560 330 0 3 0 0 0 0 0 -91 3 1 0 2313527 3133440 406 \
                    18446744073709551615 94063761129472 94063761149353 140736043190656 0 0 0 0 0 0 0 0 0 17 1 90 2 0 0 0 \
                    94063761165360 94063761166976 94063915065344 140736043199199 140736043199219 140736043199219 \
                    140736043200491 0\n";
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max cpu time              60                   unlimited            seconds   \n\
                      Max stack size            8388608              unlimited            bytes     \n\
                      Max open files            1024                 20000                files     \n\
                      Max locked memory         unlimited            unlimited            bytes     \n";
        let tree = Tree::new(&[("proc/self/status", status), ("proc/self/stat", stat), ("proc/self/limits", limits)]);
        let found = Process::detect(&tree.roots());
        let limits =
            Limits { cpu_time_s: Some(60), stack_bytes: Some(8 << 20), open_files: Some(1024), ..Limits::default() };
        let expected = Process {
            uid: Some(1000),
            cpus_allowed: Some("0-3".into()),
            nodes_allowed: Some("0".into()),
            nice: Some(3),
            policy: Some("rr".into()),
            realtime_priority: Some(90),
            limits,
        };
        assert_eq!(found, expected);
        assert_eq!(Process::detect(&Tree::new(&[]).roots()), Process::default());
    }

    #[test]
    fn this_process() {
        let found = Process::detect(&Roots::default());
        let (uid, nice) = (rustix::process::geteuid().as_raw(), rustix::process::getpriority_process(None).unwrap());
        assert_eq!((found.uid, found.nice), (Some(uid), Some(i64::from(nice))));
        assert_eq!(found.policy.as_deref(), Some("other"));
        // The result of another reader for the same files.
        let me = procfs::process::Process::myself().unwrap();
        let (stat, status, limits) = (me.stat().unwrap(), me.status().unwrap(), me.limits().unwrap());
        assert_eq!((found.nice, found.uid), (Some(stat.nice), Some(status.euid)));
        assert_eq!((found.policy, stat.policy), (Some("other".into()), Some(0)));
        let soft = |limit: procfs::process::Limit| match limit.soft_limit {
            procfs::process::LimitValue::Value(n) => Some(n),
            procfs::process::LimitValue::Unlimited => None,
        };
        let theirs = Limits {
            cpu_time_s: soft(limits.max_cpu_time),
            file_size_bytes: soft(limits.max_file_size),
            data_bytes: soft(limits.max_data_size),
            stack_bytes: soft(limits.max_stack_size),
            processes: soft(limits.max_processes),
            open_files: soft(limits.max_open_files),
            locked_memory_bytes: soft(limits.max_locked_memory),
            address_space_bytes: soft(limits.max_address_space),
        };
        assert_eq!(found.limits, theirs);
    }
}
