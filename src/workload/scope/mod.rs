//! A control group for the command only, so that the kernel accounts for it and its descendants: their peak memory and
//! CPU time.
//!
//! The command must not notice. Its group is therefore inside our own, whose limits still apply; for version 2 there is
//! an exception, described in [`second`]. A group of version 1 that would prevent real-time scheduling is not created.
//! One effect remains: if version 1 mounts `cpu` together with `cpuacct`, the command competes with the other processes
//! of our group as one unit, not process by process.

mod cgroup;
mod second;

use std::fs::File;
use std::path::PathBuf;

use crate::linux::cgroup::{Hierarchies, Hierarchy, Own, Version};
use crate::linux::files::read_once;
use cgroup::{CommandCgroup, processes};
use second::Divided;

/// The command's control groups, which are removed when this is dropped.
#[derive(Default)]
pub struct Scope {
    /// Declared before `divided`, so that they are removed before our own group is restored.
    groups: Vec<CommandCgroup>,
    divided: Option<Divided>,
    notes: Vec<String>,
}

impl Scope {
    /// Creates the groups that are permitted. Call this while there is only one thread and no child.
    pub fn make(hierarchies: &Hierarchies) -> Scope {
        let mut scope = Scope::default();
        let (memory, cpu) = (hierarchies.with("memory"), hierarchies.with("cpuacct"));
        match (memory, cpu, hierarchies.unified()) {
            (None, None, None) => scope.notes.push("no control groups are mounted".into()),
            (memory, cpu, unified) => {
                scope.add(
                    memory.map(|h| first(h, "memory.use_hierarchy", |text| text != "0", "limits would not hold in it")),
                );
                // Both controllers may share a hierarchy.
                let cpu = cpu.filter(|cpu| memory != Some(cpu));
                scope.add(
                    cpu.map(|h| first(h, "cpu.rt_runtime_us", |_| false, "it would have no real-time scheduling")),
                );
                if memory.is_none() || hierarchies.with("cpuacct").is_none() {
                    let group = unified.map(|h| second::make(h, &mut scope.divided));
                    scope.add(group);
                    if memory.is_none() && scope.groups.iter().any(|group| !group.counts_memory()) {
                        scope.notes.push(second::CPU_ALONE.into());
                    }
                }
            }
        }
        scope
    }

    fn add(&mut self, group: Option<Result<CommandCgroup, String>>) {
        match group {
            Some(Ok(group)) => self.groups.push(group),
            Some(Err(why)) => self.notes.push(format!("the command has no control group of its own: {why}")),
            None => {}
        }
    }

    /// The files for moving the command to the groups.
    pub fn doors(&self) -> Vec<File> {
        self.groups.iter().filter_map(CommandCgroup::door).collect()
    }

    /// Removes the groups that this process could not join.
    pub fn check(&mut self, pid: u32) {
        let (inside, outside) = std::mem::take(&mut self.groups)
            .into_iter()
            .partition(|group| processes(&group.folder.path).any(|inside| inside == pid.to_string()));
        self.groups = inside;
        for group in outside {
            self.add(Some(Err(format!("it could not join {}", group.folder.path.display()))));
        }
    }

    /// The facts that collectors need.
    pub fn own(&self) -> Own {
        Own { folders: self.groups.iter().map(|group| group.folder.clone()).collect(), notes: self.notes.clone() }
    }
}

/// Creates a group of version 1 inside our own, unless a file there shows that it would have a disadvantage.
fn first(hierarchy: &Hierarchy, file: &str, is_fine: fn(&str) -> bool, why: &str) -> Result<CommandCgroup, String> {
    let own = own_folder(hierarchy)?;
    if read_once(&own.join(file)).is_ok_and(|text| !is_fine(&text)) {
        return Err(format!("in {} {why}", own.display()));
    }
    CommandCgroup::make(&own, Version::One, &own)
}

fn own_folder(hierarchy: &Hierarchy) -> Result<PathBuf, String> {
    let outside = || format!("our own is outside {}", hierarchy.mount.display());
    hierarchy.own_folder().ok_or_else(outside)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::facts::machine::testing::Tree;

    const MOUNT: (&str, &str) = ("proc/self/mountinfo", "30 23 0:26 / {sys}/fs/cgroup rw - cgroup2 cgroup2 rw\n");

    #[test]
    fn a_group_that_cannot_be_joined_is_removed() {
        // On an ordinary file system, a new folder has no file for joining.
        let tree = Tree::new(&[MOUNT, ("proc/self/cgroup", "0::/ci\n"), ("sys/fs/cgroup/ci/cgroup.procs", "")]);
        let scope = Scope::make(&Hierarchies::read(&tree.roots()));
        let own = scope.own();
        assert!(own.folders.is_empty() && scope.doors().is_empty());
        let ci = tree.roots().sys("fs/cgroup/ci");
        let why = format!("the command has no control group of its own: none can be created in {}: ", ci.display());
        assert!(own.notes[0].starts_with(&why), "{:?}", own.notes);
        assert!(fs::read_dir(&ci).unwrap().flatten().all(|e| e.file_type().unwrap().is_file()));
    }

    #[test]
    fn limits_and_rights_of_version_1() {
        let tree = Tree::new(&[
            (
                "proc/self/mountinfo",
                "33 31 0:30 / {sys}/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                 34 31 0:31 / {sys}/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            ),
            ("proc/self/cgroup", "2:memory:/a\n1:cpu,cpuacct:/a\n"),
            ("sys/fs/cgroup/cpu/a/cpu.rt_runtime_us", "950000\n"),
            ("sys/fs/cgroup/memory/a/memory.use_hierarchy", "0\n"),
        ]);
        let notes = Scope::make(&Hierarchies::read(&tree.roots())).own().notes;
        assert!(notes[0].ends_with("/memory/a limits would not hold in it"), "{notes:?}");
        assert!(notes[1].ends_with("/cpu/a it would have no real-time scheduling"), "{notes:?}");
    }
}
