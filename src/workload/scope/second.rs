//! Where to create the command's group in version 2. There a group, except the root, cannot both have processes and
//! divide its memory account among the groups inside it. These places are tried in order:
//!
//! 1. inside our own group, if it is divided or can be divided, as the root can;
//! 2. inside our own group, if it contains no other processes: we move to another group inside it until the end;
//! 3. next to our own group, if that has no limits (they would not apply there) and is not a service (which is ended as
//!    a whole). Only the number of processes may be limited, which systemd always does; the same limit is set. (A scope
//!    can also be ended as a whole: we receive its signals and forward them, except SIGKILL.)
//! 4. inside our own group, without a memory account, so that only CPU time is counted.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use super::cgroup::{CommandCgroup, PROCESSES, is_ours, make_folder, processes, remove};
use super::own_folder;
use crate::linux::cgroup::{ASIDE, Hierarchy, Version};
use crate::linux::files::read_once;

pub const CPU_ALONE: &str = "the command's control group only counts CPU time: our own contains processes and so cannot \
                             divide its memory account, and no group may be created next to it";

const MEMORY: &str = "memory";
const DIVIDED: &str = "cgroup.subtree_control";
const MOST_PROCESSES: &str = "pids.max";

/// Limits that would not apply next to our own group, and their values if they are not set.
const UNLIMITED: [(&str, &str); 18] = [
    ("cpu.max", "max 100000"),
    ("cpu.weight", "100"),
    ("cpu.idle", "0"),
    ("cpu.uclamp.min", "0.00"),
    ("cpu.uclamp.max", "max"),
    ("cpuset.cpus", ""),
    ("cpuset.mems", ""),
    ("io.max", ""),
    ("io.weight", "default 100"),
    ("io.latency", ""),
    ("memory.min", "0"),
    ("memory.low", "0"),
    ("memory.high", "max"),
    ("memory.max", "max"),
    ("memory.swap.high", "max"),
    ("memory.swap.max", "max"),
    ("memory.zswap.max", "max"),
    ("memory.oom.group", "0"),
];

/// Creates the group in the best place. `divided`: the changes to our own group.
pub fn make(hierarchy: &Hierarchy, divided: &mut Option<Divided>) -> Result<CommandCgroup, String> {
    let own = own_folder(hierarchy)?;
    let inside = |home: &Path| CommandCgroup::make(&own, Version::Two, home);
    if is_divided(&own) {
        return inside(&own);
    }
    if let Some(made) = Divided::make(&own) {
        // A divided group, except the root, cannot have processes.
        let home = made.aside.clone().unwrap_or_else(|| own.clone());
        let group = inside(&home)?;
        *divided = Some(made);
        return Ok(group);
    }
    next_to(hierarchy, &own).map_or_else(|| inside(&own), Ok)
}

/// Do the groups inside this one have memory accounts?
fn is_divided(folder: &Path) -> bool {
    read_once(&folder.join(DIVIDED)).is_ok_and(|text| text.split_whitespace().any(|c| c == MEMORY))
}

/// Our own group, divided by us. It is restored when this is dropped.
pub struct Divided {
    own: PathBuf,
    /// The accounts that were divided.
    accounts: Vec<&'static str>,
    /// The group to which we moved.
    aside: Option<PathBuf>,
}

impl Divided {
    fn make(own: &Path) -> Option<Divided> {
        let mut divided = Divided { own: own.into(), accounts: Vec::new(), aside: None };
        if divided.divide() {
            return Some(divided);
        }
        let (ours, all): (Vec<String>, Vec<String>) = (our_processes(), processes(own).collect());
        if !all.contains(&ours[0]) || !all.iter().all(|pid| ours.contains(pid)) {
            return None;
        }
        let folder = make_folder(own, ASIDE).ok()?;
        let moved = all.iter().all(|pid| fs::write(folder.join(PROCESSES), pid).is_ok());
        divided.aside = Some(folder);
        (moved && divided.divide()).then_some(divided)
    }

    /// Divides the memory account, and the others if possible.
    fn divide(&mut self) -> bool {
        let file = self.own.join(DIVIDED);
        if fs::write(&file, format!("+{MEMORY}")).is_err() {
            return false;
        }
        let others = ["io", "pids"].into_iter().filter(|account| fs::write(&file, format!("+{account}")).is_ok());
        self.accounts = others.chain([MEMORY]).collect();
        true
    }
}

impl Drop for Divided {
    fn drop(&mut self) {
        for account in &self.accounts {
            // Fails if another process needs it by now.
            let _ = fs::write(self.own.join(DIVIDED), format!("-{account}"));
        }
        self.aside.iter().for_each(|folder| remove(folder, &self.own));
    }
}

/// This process, and the perfwatch that started it for one of several runs.
fn our_processes() -> Vec<String> {
    let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let (me, parent) = (std::process::id(), std::os::unix::process::parent_id());
    let parent = Some(parent).filter(|parent| program(me).is_some() && program(*parent) == program(me));
    [me].into_iter().chain(parent).map(|pid| pid.to_string()).collect()
}

fn next_to(hierarchy: &Hierarchy, own: &Path) -> Option<CommandCgroup> {
    let parent = own.parent().filter(|_| may_leave(hierarchy, own))?;
    let group = CommandCgroup::make(parent, Version::Two, own).ok()?;
    let most = read_once(&own.join(MOST_PROCESSES)).ok().filter(|most| most != "max");
    let is_same = most.is_none_or(|most| fs::write(group.folder.path.join(MOST_PROCESSES), most).is_ok());
    is_same.then_some(group)
}

/// Can a group be created next to our own, and would the same limits apply there?
fn may_leave(hierarchy: &Hierarchy, own: &Path) -> bool {
    let name = own.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    // A service is ended with its whole group. And the command of another recorder must stay in its group.
    let is_whole = name.ends_with(".service") || is_ours(name);
    let is_unlimited = |(file, free): &(&str, &str)| read_once(&own.join(file)).map_or(true, |text| text == *free);
    let Some(parent) = own.parent().filter(|_| own != hierarchy.mount) else { return false };
    // The kernel also requires the permission to write there.
    let may_move = OpenOptions::new().write(true).open(parent.join(PROCESSES)).is_ok();
    !is_whole && may_move && is_divided(parent) && UNLIMITED.iter().all(is_unlimited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::machine::testing::Tree;
    use crate::linux::cgroup::Hierarchies;

    const MOUNT: (&str, &str) = ("proc/self/mountinfo", "30 23 0:26 / {sys}/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    const PARENT: [(&str, &str); 2] = [
        ("sys/fs/cgroup/user.slice/cgroup.subtree_control", "cpu memory pids\n"),
        ("sys/fs/cgroup/user.slice/cgroup.procs", ""),
    ];

    /// May the command's group be next to `user.slice/NAME`?
    fn allowed_next_to(name: &str, files: &[(&str, &str)]) -> bool {
        let own = format!("0::/user.slice/{name}\n");
        let mut all = vec![MOUNT, ("proc/self/cgroup", &*own)];
        all.extend(PARENT);
        all.extend(files);
        let tree = Tree::new(&all);
        let hierarchy = Hierarchies::read(&tree.roots()).unified().unwrap().clone();
        may_leave(&hierarchy, &hierarchy.own_folder().unwrap())
    }

    #[test]
    fn next_to_our_own_only_if_the_same_limits_apply() {
        assert!(allowed_next_to("session-1.scope", &[]));
        let free = [
            ("sys/fs/cgroup/user.slice/session-1.scope/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpuset.cpus", "\n"),
            // The same limit is set there.
            ("sys/fs/cgroup/user.slice/session-1.scope/pids.max", "4915\n"),
        ];
        assert!(allowed_next_to("session-1.scope", &free));
        for limit in [
            ("sys/fs/cgroup/user.slice/session-1.scope/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.weight", "20\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpuset.cpus", "0-3\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/io.max", "8:0 rbps=1 wbps=max riops=max wiops=max\n"),
        ] {
            assert!(!allowed_next_to("session-1.scope", &[limit]), "{limit:?}");
        }
        assert!(!allowed_next_to("runner.service", &[]), "ending the service would not end it");
        assert!(!allowed_next_to("perfwatch-17", &[]), "another recorder would not see it");
    }

    #[test]
    fn nothing_can_be_next_to_the_root() {
        let tree = Tree::new(&[
            MOUNT,
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cgroup.subtree_control", "memory\n"),
            ("sys/fs/cgroup.procs", ""),
            ("sys/fs/cgroup.subtree_control", "memory\n"),
        ]);
        let hierarchies = Hierarchies::read(&tree.roots());
        let unified = hierarchies.unified().unwrap();
        assert!(!may_leave(unified, &unified.own_folder().unwrap()));
    }
}
