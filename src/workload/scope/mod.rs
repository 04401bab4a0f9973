//! A control group for the command alone, so that the kernel keeps accounts of it and all that comes of it: the peak of
//! their memory together, and their CPU time.
//!
//! The command must not notice. Its group therefore lies inside of our own, whose limits hold for it as before; in version
//! 2 there is an exception, told in [`second`]. And a group of version 1 that would take from the command the right to
//! real-time scheduling is not made. What remains: where version 1 mounts `cpu` together with `cpuacct`, the command
//! competes with others of our group as one, not process by process.

mod place;
mod second;

use std::fs::File;
use std::path::PathBuf;

use crate::linux::cgroup::{Hierarchies, Hierarchy, Own, Version};
use crate::linux::files::read_once;
use place::{Place, processes};
use second::Divided;

/// The command's group; it is gone when this is dropped.
#[derive(Default)]
pub struct Scope {
    /// Gone before our own group is as it was.
    places: Vec<Place>,
    divided: Option<Divided>,
    notes: Vec<String>,
}

impl Scope {
    /// Makes it as far as that is permitted. To be called while there is one thread only, and no child.
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
                    let place = unified.map(|h| second::place(h, &mut scope.divided));
                    scope.add(place);
                    if memory.is_none() && scope.places.iter().any(|place| !place.counts_memory()) {
                        scope.notes.push(second::CPU_ALONE.into());
                    }
                }
            }
        }
        scope
    }

    fn add(&mut self, place: Option<Result<Place, String>>) {
        match place {
            Some(Ok(place)) => self.places.push(place),
            Some(Err(why)) => self.notes.push(format!("the command has no control group of its own: {why}")),
            None => {}
        }
    }

    /// The files through which the command joins, by writing a zero.
    pub fn doors(&self) -> Vec<File> {
        self.places.iter().filter_map(Place::door).collect()
    }

    /// Gives up where this process, who was to join, is not: where it was not let in.
    pub fn check(&mut self, pid: u32) {
        let (inside, outside) = std::mem::take(&mut self.places)
            .into_iter()
            .partition(|place| processes(&place.folder.path).any(|inside| inside == pid.to_string()));
        self.places = inside;
        for place in outside {
            self.add(Some(Err(format!("it could not join {}", place.folder.path.display()))));
        }
    }

    /// What collectors need of it.
    pub fn own(&self) -> Own {
        Own { folders: self.places.iter().map(|place| place.folder.clone()).collect(), notes: self.notes.clone() }
    }
}

/// In version 1: inside of our own group, unless a file there speaks against it.
fn first(hierarchy: &Hierarchy, file: &str, is_fine: fn(&str) -> bool, why: &str) -> Result<Place, String> {
    let own = own_folder(hierarchy)?;
    if read_once(&own.join(file)).is_ok_and(|text| !is_fine(&text)) {
        return Err(format!("in {} {why}", own.display()));
    }
    Place::make(&own, Version::One, &own)
}

fn own_folder(hierarchy: &Hierarchy) -> Result<PathBuf, String> {
    let outside = || format!("our own lies outside of {}", hierarchy.mount.display());
    hierarchy.own_folder().ok_or_else(outside)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::facts::machine::testing::Tree;

    const MOUNT: (&str, &str) = ("proc/self/mountinfo", "30 23 0:26 / {sys}/fs/cgroup rw - cgroup2 cgroup2 rw\n");

    #[test]
    fn what_cannot_be_joined_is_not_left_behind() {
        // A folder of a common file system: a new one in it has no file to join by.
        let tree = Tree::new(&[MOUNT, ("proc/self/cgroup", "0::/ci\n"), ("sys/fs/cgroup/ci/cgroup.procs", "")]);
        let scope = Scope::make(&Hierarchies::read(&tree.roots()));
        let own = scope.own();
        assert!(own.folders.is_empty() && scope.doors().is_empty());
        let ci = tree.roots().sys("fs/cgroup/ci");
        let why = format!("the command has no control group of its own: none can be made in {}: ", ci.display());
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
