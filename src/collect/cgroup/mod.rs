//! Control groups: the one of the recorded command, and those that the user requested.

mod find;
mod names;
pub mod options;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::cgroup::account::{Account, Files, MOST_FILES};
use crate::linux::cgroup::container::Container;
use crate::linux::cgroup::{Folder, Hierarchies, Version};
use crate::linux::descriptors::make_room;
use crate::linux::files::Roots;
use crate::table::sample::Sample;
use find::{CONTROLLERS, Finder, MAX_GROUPS};
use names::{Named, Names};
use rows::{CgroupRow, TABLE};

pub use find::SELF;

pub const ENTRY: Entry = Entry {
    name: "cgroup",
    doc: "CPU, memory, I/O of the recorded command's control group, and of others with --cgroups",
    groups: &[Group::Default],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

/// Minimum time between two searches for new groups.
const SEARCH_EVERY_NS: u64 = 5_000_000_000;

/// The name of the command's own group. Its path contains a number, and would be different in each recording.
const COMMAND: &str = "command";

/// After this many searches without one, a container has no name.
const MOST_SEARCHES_FOR_NAME: u32 = 12;

/// Maximum number of removed groups that are remembered.
const MOST_GONE: usize = 10_000;

/// A group that was found by its path.
struct FoundGroup {
    files: Files,
    /// Which folders these files are in. A group that is removed and created again under the same path is another
    /// group.
    folders: Identity,
    /// It was created during the recording, and has no row yet.
    is_new: bool,
    /// Another group had this path before: a row without values separates their counters.
    follows_another: bool,
    named: Option<Arc<Named>>,
    /// A runtime may write the name of a new container after its group was made.
    searches_for_name: u32,
}

/// The collector.
struct Cgroups {
    roots: Roots,
    command: Option<(Arc<str>, Files)>,
    /// Of the container in which the command runs.
    of_command: Option<Arc<Named>>,
    finder: Finder,
    found: BTreeMap<Arc<str>, FoundGroup>,
    /// Groups that had rows and are gone: another group with the same path starts again.
    gone: BTreeSet<Arc<str>>,
    searched_ns: Option<u64>,
    /// The previous search left groups out, so a group that is found now may be an old one.
    was_cut: bool,
    rows: Vec<CgroupRow>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let patterns = &setup.options.cgroup.cgroups;
    let own = setup.command.as_ref().map(|command| &command.cgroup);
    if patterns.is_empty() && own.is_none_or(|own| own.folders.is_empty() && own.notes.is_empty()) {
        return Err(Unavailable::not_asked("no control groups were requested")
            .advise("--cgroups 'system.slice/*', or record -- COMMAND"));
    }
    let finder = Finder::new(&Hierarchies::read(&setup.roots), patterns)?;
    let mut notes = own.map_or_else(Vec::new, |own| own.notes.clone());
    let folders = own.map_or(&[][..], |own| &own.folders);
    if folders.is_empty() && (patterns.is_empty() || finder.hierarchies.is_empty()) {
        notes.extend(finder.hierarchies.is_empty().then(|| "no control groups are mounted".to_string()));
        return Err(Unavailable::new(notes.join("; ")));
    }
    notes.extend(finder.idle().map(|pattern| format!("no control group matches {pattern} yet")));
    let by = versions(&finder);
    let command = Some((COMMAND.into(), Files::open(folders))).filter(|_| !folders.is_empty());
    let of_command = folders.first().and_then(|folder| Container::of_path(&folder.path.to_string_lossy()));
    let of_command = of_command.map(|container| Names::read(&setup.roots).named(container));
    let collector = Cgroups {
        roots: setup.roots.clone(),
        command,
        of_command,
        finder,
        found: BTreeMap::new(),
        gone: BTreeSet::new(),
        searched_ns: None,
        was_cut: false,
        rows: Vec::new(),
    };
    Ok(Opened::with_notes(collector, notes).by(by))
}

/// `version 2`, `version 1 (cpu, cpuacct, memory)`, or both.
fn versions(finder: &Finder) -> String {
    let of = |version| finder.hierarchies.iter().filter(move |h| h.version == version);
    let all = of(Version::One).flat_map(|h| &h.controllers).map(String::as_str);
    let controllers: Vec<&str> = all.filter(|c| CONTROLLERS.contains(c)).collect();
    let two = of(Version::Two).next().map(|_| "version 2".to_string());
    let one = Some(format!("version 1 ({})", controllers.join(", "))).filter(|_| !controllers.is_empty());
    [two, one].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

impl Collector for Cgroups {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let due = self.searched_ns.is_none_or(|at| out.mono_ns >= at.saturating_add(SEARCH_EVERY_NS));
        if !self.finder.wanted.is_empty() && due {
            let is_first = self.searched_ns.replace(out.mono_ns).is_none();
            if self.refresh(is_first) {
                out.warn(format!(
                    "more than {MAX_GROUPS} control groups, or too many open files: the rest is left out"
                ));
            }
        }
        self.rows.clear();
        if let Some((name, files)) = &mut self.command {
            let row =
                |account| CgroupRow { cgroup: name.clone(), is_new: false, named: self.of_command.clone(), account };
            self.rows.extend(files.read().map(row));
        }
        let (rows, gone) = (&mut self.rows, &mut self.gone);
        self.found.retain(|path, group| {
            let Some(mut account) = group.files.read() else {
                gone.insert(path.clone());
                return false;
            };
            let mut is_new = std::mem::take(&mut group.is_new);
            if std::mem::take(&mut group.follows_another) {
                (account, group.is_new, is_new) = (Account::default(), is_new, false);
            }
            rows.push(CgroupRow { cgroup: path.clone(), is_new, named: group.named.clone(), account });
            true
        });
        if gone.len() > MOST_GONE {
            gone.clear();
        }
        out.push(&TABLE, &self.rows);
        Ok(())
    }
}

impl Cgroups {
    /// Notices which groups were created or removed. Returns whether there are too many.
    fn refresh(&mut self, is_first: bool) -> bool {
        let (paths, mut cut) = self.finder.find();
        let (finder, gone) = (&self.finder, &mut self.gone);
        self.found.retain(|path, group| {
            let is_there = paths.contains(&**path) && group.is_still(&finder.folders(path));
            if !is_there {
                gone.insert(path.clone());
            }
            is_there
        });
        let is_new = !is_first && !self.was_cut;
        let mut new: Vec<String> = paths.into_iter().filter(|path| !self.found.contains_key(path.as_str())).collect();
        if let Err((needed, allowed)) = make_room(new.len() * MOST_FILES) {
            let excess = usize::try_from(needed - allowed).unwrap_or(usize::MAX).div_ceil(MOST_FILES);
            new.truncate(new.len().saturating_sub(excess));
            cut = true;
        }
        for path in new {
            let folders = self.finder.folders(&path);
            let group = FoundGroup {
                folders: identity(&folders),
                files: Files::open(&folders),
                is_new,
                follows_another: self.gone.remove(path.as_str()),
                named: Container::of_path(&path).map(|container| Arc::new(Named { container, name: None })),
                searches_for_name: 0,
            };
            self.found.insert(path.into(), group);
        }
        self.find_names();
        self.was_cut = cut;
        cut
    }

    /// Looks for the names of containers that have none yet.
    fn find_names(&mut self) {
        let lacks_name = |group: &FoundGroup| {
            group.searches_for_name < MOST_SEARCHES_FOR_NAME
                && group.named.as_ref().is_some_and(|named| named.name.is_none())
        };
        if !self.found.values().any(lacks_name) {
            return;
        }
        let names = Names::read(&self.roots);
        for group in self.found.values_mut().filter(|group| lacks_name(group)) {
            group.named = group.named.as_ref().map(|named| names.named(named.container.clone()));
            group.searches_for_name += 1;
        }
    }
}

impl FoundGroup {
    /// Whether it is still the group in these folders. In version 1 a group is created hierarchy by hierarchy, so it
    /// may have more folders now. If one of its folders is gone or was replaced, its counters belong to another group.
    fn is_still(&mut self, folders: &[Folder]) -> bool {
        let now = identity(folders);
        if now != self.folders {
            if !self.folders.iter().all(|folder| now.contains(folder)) {
                return false;
            }
            (self.files, self.folders) = (Files::open(folders), now);
        }
        true
    }
}

/// The inodes of a group's folders: if a folder is created again, the kernel gives it a new inode.
type Identity = Vec<(u64, u64)>;

fn identity(folders: &[Folder]) -> Identity {
    let inode = |folder: &Folder| folder.path.metadata().map_or((0, 0), |data| (data.dev(), data.ino()));
    folders.iter().map(inode).collect()
}
