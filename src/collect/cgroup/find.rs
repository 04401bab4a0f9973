//! Which control groups are requested: patterns matched against the paths below the mounts.

use std::collections::BTreeSet;

use glob::{MatchOptions, Pattern};

use crate::collect::collector::Unavailable;
use crate::linux::cgroup::container::Container;
use crate::linux::cgroup::{Folder, Hierarchies, Hierarchy, Version};

/// The word for the groups of this process.
pub const SELF: &str = "self";

/// The word for the groups of all containers.
pub const CONTAINERS: &str = "containers";

/// Where runtimes put containers. The whole tree may have thousands of groups.
const PLACES: [&str; 14] = [
    "docker/*",
    "default/*",
    "k8s.io/*",
    "libpod_parent/*",
    "lxc.payload.*",
    "machine.slice/*",
    "system.slice/docker-*.scope",
    "system.slice/nerdctl-*.scope",
    "system.slice/containerd.service/*",
    "user.slice/*/*/user.slice/*.scope",
    "kubepods/pod*/*",
    "kubepods/*/pod*/*",
    "kubepods.slice/*/*.scope",
    "kubepods.slice/*/*/*.scope",
];

/// Maximum number of groups: each has files that are read at every tick.
pub const MAX_GROUPS: usize = 1000;

/// Controllers of version 1 that have values for the table.
pub const CONTROLLERS: [&str; 5] = ["cpuacct", "cpu", "memory", "blkio", "pids"];

/// What was requested, and where to look for it.
pub struct Finder {
    pub hierarchies: Vec<Hierarchy>,
    pub wanted: Vec<Wanted>,
}

/// One pattern.
pub enum Wanted {
    Own,
    Containers,
    /// Below the mounts, without a slash at its beginning.
    Paths(String),
}

impl Finder {
    /// # Errors
    /// If a pattern is invalid.
    pub fn new(hierarchies: &Hierarchies, patterns: &[String]) -> Result<Finder, Unavailable> {
        let counts = |h: &&Hierarchy| {
            h.version == Version::Two || h.controllers.iter().any(|c| CONTROLLERS.contains(&c.as_str()))
        };
        let hierarchies: Vec<Hierarchy> = hierarchies.all().iter().filter(counts).cloned().collect();
        let wanted = patterns.iter().map(|text| wanted(text, &hierarchies)).collect::<Result<_, _>>()?;
        Ok(Finder { hierarchies, wanted })
    }

    /// The paths of the groups that exist now, and whether there are more than [`MAX_GROUPS`].
    pub fn find(&self) -> (BTreeSet<String>, bool) {
        let mut found = BTreeSet::new();
        for wanted in &self.wanted {
            for path in self.hierarchies.iter().flat_map(|h| wanted.in_hierarchy(h)) {
                if found.len() >= MAX_GROUPS && !found.contains(&path) {
                    return (found, true);
                }
                found.insert(path);
            }
        }
        (found, false)
    }

    /// The patterns that match nothing.
    pub fn idle(&self) -> impl Iterator<Item = &str> {
        let is_idle = |w: &&Wanted| !self.hierarchies.iter().any(|h| w.in_hierarchy(h).next().is_some());
        self.wanted.iter().filter(is_idle).map(|wanted| match wanted {
            Wanted::Own => SELF,
            Wanted::Containers => CONTAINERS,
            Wanted::Paths(pattern) => pattern,
        })
    }

    /// The folders of a group: in every hierarchy that has this path.
    pub fn folders(&self, path: &str) -> Vec<Folder> {
        let folder = |h: &Hierarchy| Folder { path: h.folder(path), version: h.version };
        self.hierarchies.iter().map(folder).filter(|folder| folder.path.is_dir()).collect()
    }
}

impl Wanted {
    fn in_hierarchy<'a>(&'a self, hierarchy: &'a Hierarchy) -> Box<dyn Iterator<Item = String> + 'a> {
        match self {
            Wanted::Own => Box::new(hierarchy.own.clone().into_iter()),
            Wanted::Containers => {
                let places = PLACES.iter().flat_map(|place| matching(hierarchy, place));
                Box::new(places.filter(|path| Container::is_whole(path)))
            }
            Wanted::Paths(pattern) => Box::new(matching(hierarchy, pattern)),
        }
    }
}

/// The paths of the groups of a hierarchy that match a pattern.
fn matching<'a>(hierarchy: &'a Hierarchy, pattern: &str) -> impl Iterator<Item = String> + 'a {
    // The slash at the end matches only folders.
    let pattern = format!("{}/{pattern}/", Pattern::escape(&hierarchy.mount.to_string_lossy()));
    let found = glob::glob_with(&pattern, MatchOptions::new()).into_iter().flatten().flatten();
    found.filter_map(|folder| {
        let below = folder.strip_prefix(&hierarchy.mount).ok()?.to_str()?;
        Some(format!("/{}", below.trim_end_matches('/')))
    })
}

fn wanted(text: &str, hierarchies: &[Hierarchy]) -> Result<Wanted, Unavailable> {
    let mistake = |why: &str| {
        Err(Unavailable::mistake(format!("`{text}`: {why}"))
            .advise("a pattern is written like system.slice/*.service, /docker/*, containers, or self"))
    };
    match text {
        SELF => return Ok(Wanted::Own),
        CONTAINERS => return Ok(Wanted::Containers),
        _ => {}
    }
    if text.trim().is_empty() {
        return mistake("the pattern is empty");
    }
    if text.split('/').any(|part| part == "..") {
        return mistake("`..` is not allowed");
    }
    // Users may copy the path of a folder.
    let mount = hierarchies
        .iter()
        .find_map(|h| text.strip_prefix(h.mount.to_str()?).filter(|t| t.is_empty() || t.starts_with('/')));
    let below = mount.unwrap_or(text).trim_matches('/');
    match Pattern::new(below) {
        Ok(_) => Ok(Wanted::Paths(below.to_string())),
        Err(error) => mistake(error.msg),
    }
}
