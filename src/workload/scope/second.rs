//! Where the command's group goes in version 2, which lets no group have processes *and* divide the account of its memory
//! among those inside of it, unless it is the root. In this order:
//!
//! 1. inside of our own group, if that is divided, or can be: it is the root;
//! 2. inside of it as well if nobody is in it but we: we step aside, into another group inside of it, and come back at the
//!    end;
//! 3. beside our own, if that has no limits, which would not hold there, and is no service, which is ended as a whole. Only
//!    the number of processes may be limited, as systemd does for everything, and is the same there. (A scope can be
//!    ended as a whole as well: its signals reach us, who pass them on, but for SIGKILL.)
//! 4. inside of it, where it counts CPU time alone.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use super::own_folder;
use super::place::{PROCESSES, Place, is_ours, make_folder, processes, remove};
use crate::linux::cgroup::{ASIDE, Hierarchy, Version};
use crate::linux::files::read_once;

pub const CPU_ALONE: &str = "the command's control group counts CPU time alone: our own, having processes, cannot divide \
                             the account of its memory, and nothing may lie beside it";

const MEMORY: &str = "memory";
const DIVIDED: &str = "cgroup.subtree_control";
const MOST_PROCESSES: &str = "pids.max";

/// Files that would not hold beside our own group, and what they say when nobody set them.
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

/// Makes the group where it counts most. `divided`: what was done to our own for it.
pub fn place(hierarchy: &Hierarchy, divided: &mut Option<Divided>) -> Result<Place, String> {
    let own = own_folder(hierarchy)?;
    let inside = |home: &Path| Place::make(&own, Version::Two, home);
    if is_divided(&own) {
        return inside(&own);
    }
    if let Some(made) = Divided::make(&own) {
        // A group that is divided takes no processes, unless it is the root.
        let home = made.aside.clone().unwrap_or_else(|| own.clone());
        let place = inside(&home)?;
        *divided = Some(made);
        return Ok(place);
    }
    beside(hierarchy, &own).map_or_else(|| inside(&own), Ok)
}

/// Do the groups inside of this one have accounts of their memory?
fn is_divided(folder: &Path) -> bool {
    read_once(&folder.join(DIVIDED)).is_ok_and(|text| text.split_whitespace().any(|c| c == MEMORY))
}

/// Our own group, divided by us; as it was before when dropped.
pub struct Divided {
    own: PathBuf,
    /// The accounts that were divided.
    accounts: Vec<&'static str>,
    /// Where we went for it.
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

    /// That of memory, and the others as far as there are such.
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
            // Refused if others have come to need it.
            let _ = fs::write(self.own.join(DIVIDED), format!("-{account}"));
        }
        self.aside.iter().for_each(|folder| remove(folder, &self.own));
    }
}

/// We, and the perfwatch that started us for one of several runs.
fn our_processes() -> Vec<String> {
    let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let (me, parent) = (std::process::id(), std::os::unix::process::parent_id());
    let parent = Some(parent).filter(|parent| program(me).is_some() && program(*parent) == program(me));
    [me].into_iter().chain(parent).map(|pid| pid.to_string()).collect()
}

fn beside(hierarchy: &Hierarchy, own: &Path) -> Option<Place> {
    let parent = own.parent().filter(|_| may_leave(hierarchy, own))?;
    let place = Place::make(parent, Version::Two, own).ok()?;
    let most = read_once(&own.join(MOST_PROCESSES)).ok().filter(|most| most != "max");
    let is_same = most.is_none_or(|most| fs::write(place.folder.path.join(MOST_PROCESSES), most).is_ok());
    is_same.then_some(place)
}

/// Is there a place beside our own group, and nothing that would not hold there?
fn may_leave(hierarchy: &Hierarchy, own: &Path) -> bool {
    let name = own.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    // A service is ended by ending all of its group; and another recorder's command is to stay in its accounts.
    let is_whole = name.ends_with(".service") || is_ours(name);
    let is_unlimited = |(file, free): &(&str, &str)| read_once(&own.join(file)).map_or(true, |text| text == *free);
    let Some(parent) = own.parent().filter(|_| own != hierarchy.mount) else { return false };
    // The kernel asks for the right to write there, too.
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

    /// May the command's group lie beside `user.slice/NAME`?
    fn beside(name: &str, files: &[(&str, &str)]) -> bool {
        let own = format!("0::/user.slice/{name}\n");
        let mut all = vec![MOUNT, ("proc/self/cgroup", &*own)];
        all.extend(PARENT);
        all.extend(files);
        let tree = Tree::new(&all);
        let hierarchy = Hierarchies::read(&tree.roots()).unified().unwrap().clone();
        may_leave(&hierarchy, &hierarchy.own_folder().unwrap())
    }

    #[test]
    fn beside_our_own_only_where_the_same_holds() {
        assert!(beside("session-1.scope", &[]));
        let free = [
            ("sys/fs/cgroup/user.slice/session-1.scope/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpuset.cpus", "\n"),
            // That is the same there.
            ("sys/fs/cgroup/user.slice/session-1.scope/pids.max", "4915\n"),
        ];
        assert!(beside("session-1.scope", &free));
        for limit in [
            ("sys/fs/cgroup/user.slice/session-1.scope/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.weight", "20\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpuset.cpus", "0-3\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/io.max", "8:0 rbps=1 wbps=max riops=max wiops=max\n"),
        ] {
            assert!(!beside("session-1.scope", &[limit]), "{limit:?}");
        }
        assert!(!beside("runner.service", &[]), "whoever ends the service would miss it");
        assert!(!beside("perfwatch-17", &[]), "whoever records us would miss it");
    }

    #[test]
    fn the_root_has_nothing_beside_it() {
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
