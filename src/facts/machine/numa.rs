//! NUMA nodes, and the CPUs near them.

use serde::{Deserialize, Serialize};

use crate::linux::files::{Roots, names_in, read_once};

/// A node of `devices/system/node`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    pub node: u32,
    /// A list like `0-31,64-95`; null for memory without CPUs.
    pub cpus: Option<String>,
    pub memory_bytes: Option<u64>,
}

/// All nodes in order; empty if the kernel has none.
pub fn nodes(roots: &Roots) -> Vec<Node> {
    let folder = roots.sys("devices/system/node");
    let names = names_in(&folder).unwrap_or_default();
    let numbered = names.iter().filter_map(|name| Some((name, name.strip_prefix("node")?.parse().ok()?)));
    numbered
        .map(|(name, node)| Node {
            node,
            cpus: read_once(&folder.join(name).join("cpulist")).ok().filter(|t| !t.is_empty()),
            memory_bytes: read_once(&folder.join(name).join("meminfo")).ok().and_then(|t| total(&t)),
        })
        .collect()
}

/// `Node 0 MemTotal:       24684092 kB`
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.split_once("MemTotal:"))?.1;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    #[test]
    fn nodes_with_and_without_cpus() {
        let tree = Tree::new(&[
            ("sys/devices/system/node/node0/cpulist", "0-3\n"),
            ("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       1024 kB\nNode 0 MemFree: 1 kB\n"),
            ("sys/devices/system/node/node10/cpulist", "\n"),
            ("sys/devices/system/node/node10/meminfo", "Node 10 MemTotal: many kB\n"),
            ("sys/devices/system/node/node2/cpulist", "4-7\n"),
            ("sys/devices/system/node/online", "0,2,10\n"),
        ]);
        let node = |node, cpus: Option<&str>, memory_bytes| Node { node, cpus: cpus.map(String::from), memory_bytes };
        let expected = [node(0, Some("0-3"), Some(1 << 20)), node(2, Some("4-7"), None), node(10, None, None)];
        assert_eq!(nodes(&tree.roots()), expected);
        assert!(nodes(&Tree::new(&[]).roots()).is_empty());
    }
}
