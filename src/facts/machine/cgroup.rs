//! The limits set by control groups: of the recorder's own group and of all groups above it, whichever is tighter.

use serde::{Deserialize, Serialize};

use crate::linux::cgroup::{Hierarchies, Hierarchy, path_of};
use crate::linux::files::{Roots, read_once};

/// Null means no limit, or unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cgroup {
    pub path: Option<String>,
    /// CPU time limit as a number of CPUs.
    pub cpu_limit: Option<f64>,
    /// Above it the kernel kills processes.
    pub memory_limit_bytes: Option<u64>,
    /// Above it the kernel slows processes down and reclaims memory.
    pub memory_high_bytes: Option<u64>,
    pub swap_limit_bytes: Option<u64>,
    pub pids_limit: Option<u64>,
    /// CPUs and memory nodes that it may use.
    pub cpuset: Option<String>,
    pub cpuset_nodes: Option<String>,
}

impl Cgroup {
    /// Reads version 2, the controllers of version 1, or both if both are mounted.
    pub fn detect(roots: &Roots) -> Cgroup {
        let Ok(own) = read_once(&roots.proc("self/cgroup")) else { return Cgroup::default() };
        let hierarchies = Hierarchies::read(roots);
        // The group in the hierarchy with the limits.
        let first = if hierarchies.with("memory").is_some() { ["memory", ""] } else { ["", "memory"] };
        let path = first.iter().find_map(|name| path_of(&own, name)).map(str::to_string);
        let mut found = Cgroup { path, ..Cgroup::default() };
        let around = |hierarchy: Option<&Hierarchy>| hierarchy.map_or_else(Vec::new, Hierarchy::around);
        for folder in around(hierarchies.unified()) {
            let text = |name: &str| read_once(&folder.join(name)).ok().filter(|t| !t.is_empty());
            // "max" is not a number, and means no limit.
            let number = |name: &str| text(name)?.parse::<u64>().ok();
            let quota = text("cpu.max").and_then(|t| {
                let (quota, period) = t.split_once(' ')?;
                cpus(quota.parse().ok()?, period.parse().ok()?)
            });
            tighten_cpus(&mut found.cpu_limit, quota);
            tighten(&mut found.memory_limit_bytes, number("memory.max"));
            tighten(&mut found.memory_high_bytes, number("memory.high"));
            tighten(&mut found.swap_limit_bytes, number("memory.swap.max"));
            tighten(&mut found.pids_limit, number("pids.max"));
            found.cpuset = found.cpuset.or_else(|| text("cpuset.cpus.effective"));
            found.cpuset_nodes = found.cpuset_nodes.or_else(|| text("cpuset.mems.effective"));
        }
        for folder in around(hierarchies.with("cpu")) {
            // -1 means no limit.
            let number = |name: &str| read_once(&folder.join(name)).ok()?.parse::<f64>().ok().filter(|v| *v > 0.0);
            let quota = number("cpu.cfs_quota_us").zip(number("cpu.cfs_period_us"));
            tighten_cpus(&mut found.cpu_limit, quota.and_then(|(quota, period)| cpus(quota, period)));
        }
        for folder in around(hierarchies.with("memory")) {
            // "No limit" is the largest multiple of a page there.
            let limit = |name: &str| read_once(&folder.join(name)).ok()?.parse().ok().filter(|v| *v < 1 << 62);
            tighten(&mut found.memory_limit_bytes, limit("memory.limit_in_bytes"));
        }
        for folder in around(hierarchies.with("pids")) {
            tighten(&mut found.pids_limit, read_once(&folder.join("pids.max")).ok().and_then(|t| t.parse().ok()));
        }
        for folder in around(hierarchies.with("cpuset")) {
            let text = |name: &str| read_once(&folder.join(name)).ok().filter(|t| !t.is_empty());
            found.cpuset = found.cpuset.or_else(|| text("cpuset.effective_cpus"));
            found.cpuset_nodes = found.cpuset_nodes.or_else(|| text("cpuset.effective_mems"));
        }
        found
    }
}

fn cpus(quota: f64, period: f64) -> Option<f64> {
    (period > 0.0).then(|| quota / period)
}

fn tighten(limit: &mut Option<u64>, other: Option<u64>) {
    *limit = [*limit, other].into_iter().flatten().min();
}

fn tighten_cpus(limit: &mut Option<f64>, other: Option<f64>) {
    *limit = [*limit, other].into_iter().flatten().reduce(f64::min);
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    const V2: (&str, &str) = ("proc/self/mountinfo", "30 23 0:26 / {sys}/fs/cgroup rw - cgroup2 cgroup2 rw\n");

    #[test]
    fn the_tightest_limit_of_all_parent_groups_counts() {
        let tree = Tree::new(&[
            V2,
            ("proc/self/cgroup", "0::/ci/job\n"),
            ("sys/fs/cgroup/ci/job/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/ci/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/ci/job/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/ci/memory.max", "4294967296\n"),
            ("sys/fs/cgroup/ci/job/memory.high", "max\n"),
            ("sys/fs/cgroup/ci/memory.high", "1073741824\n"),
            ("sys/fs/cgroup/ci/job/memory.swap.max", "0\n"),
            ("sys/fs/cgroup/ci/job/pids.max", "512\n"),
            ("sys/fs/cgroup/ci/cpuset.cpus.effective", "0-3\n"),
            ("sys/fs/cgroup/ci/cpuset.mems.effective", "0\n"),
        ]);
        let found = Cgroup::detect(&tree.roots());
        let expected = Cgroup {
            path: Some("/ci/job".into()),
            cpu_limit: Some(1.5),
            memory_limit_bytes: Some(2 << 30),
            memory_high_bytes: Some(1 << 30),
            swap_limit_bytes: Some(0),
            pids_limit: Some(512),
            cpuset: Some("0-3".into()),
            cpuset_nodes: Some("0".into()),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn controllers_of_version_1_next_to_version_2() {
        let tree = Tree::new(&[
            (
                "proc/self/cgroup",
                "6:pids:/\n5:cpu,cpuacct:/docker/4f\n4:memory:/docker/4f\n3:cpuset:/docker/4f\n1:name=systemd:/\n0::/\n",
            ),
            (
                "proc/self/mountinfo",
                "31 30 0:27 / {sys}/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                 32 30 0:28 /docker/4f {sys}/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                 33 30 0:29 / {sys}/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                 34 30 0:30 / {sys}/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                 35 30 0:31 / {sys}/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n",
            ),
            // Inside a container its own group is mounted as the root.
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/memory/docker/4f/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
            ("sys/fs/cgroup/pids/pids.max", "max\n"),
            ("sys/fs/cgroup/cpuset/docker/4f/cpuset.effective_cpus", "2,3\n"),
            ("sys/fs/cgroup/unified/cgroup.procs", "1\n"),
        ]);
        let found = Cgroup::detect(&tree.roots());
        assert_eq!((found.cpu_limit, found.memory_limit_bytes), (Some(0.5), Some(512 << 20)));
        assert_eq!((found.pids_limit, found.cpuset.as_deref()), (None, Some("2,3")));
    }

    #[test]
    fn invalid_texts_are_not_limits() {
        let tree = Tree::new(&[
            V2,
            ("proc/self/cgroup", "no colons\n0::/../elsewhere\n"),
            ("sys/fs/cgroup/cpu.max", "100000 0\n"),
            ("sys/fs/cgroup/memory.max", "\n"),
        ]);
        let found = Cgroup::detect(&tree.roots());
        assert_eq!(found, Cgroup { path: Some("/../elsewhere".into()), ..Cgroup::default() });
    }
}
