//! Control groups: that of the recorded command, and those that were asked for.

mod account;
mod find;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::account::{Account, Files, MOST_FILES};
use self::find::{CONTROLLERS, Finder, MOST};
use self::rows::{Row, TABLE};
use crate::cgroup::{Folder, Hierarchies, Version};
use crate::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use crate::descriptors::make_room;
use crate::sample::Sample;

pub use self::find::SELF;

pub const ENTRY: Entry = Entry {
    name: "cgroup",
    doc: "CPU, memory, I/O of the recorded command's control group; of others where --cgroups names them",
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

/// New groups are looked for no more often.
const LOOK_EVERY_NS: u64 = 5_000_000_000;

/// What the command's own group is called: its path has a number in it, and would be another in each recording.
const COMMAND: &str = "command";

/// The collector.
struct Cgroups {
    command: Option<(Arc<str>, Files)>,
    finder: Finder,
    found: BTreeMap<Arc<str>, Files>,
    looked_ns: Option<u64>,
    rows: Vec<Row>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let patterns = &setup.options.cgroups;
    let own = setup.command.as_ref().map(|command| &command.cgroup);
    if patterns.is_empty() && own.is_none_or(|own| own.folders.is_empty() && own.notes.is_empty()) {
        return Err(Unavailable::not_asked("no control groups were asked for")
            .advise("--cgroups 'system.slice/*', or record -- COMMAND"));
    }
    let finder = Finder::new(&Hierarchies::look(&setup.roots), patterns)?;
    let mut notes = own.map_or_else(Vec::new, |own| own.notes.clone());
    let folders = own.map_or(&[][..], |own| &own.folders);
    if folders.is_empty() && (patterns.is_empty() || finder.hierarchies.is_empty()) {
        notes.extend(finder.hierarchies.is_empty().then(|| "no control groups are mounted".to_string()));
        return Err(Unavailable::new(notes.join("; ")));
    }
    notes.extend(finder.idle().map(|pattern| format!("no control group is called {pattern} yet")));
    let by = ways(&finder);
    let command = Some((COMMAND.into(), Files::open(folders))).filter(|_| !folders.is_empty());
    let collector = Cgroups { command, finder, found: BTreeMap::new(), looked_ns: None, rows: Vec::new() };
    Ok(Opened::with_notes(collector, notes).by(by))
}

/// `version 2`, `version 1 (cpu, cpuacct, memory)`, or both.
fn ways(finder: &Finder) -> String {
    let of = |version| finder.hierarchies.iter().filter(move |h| h.version == version);
    let all = of(Version::One).flat_map(|h| &h.controllers).map(String::as_str);
    let controllers: Vec<&str> = all.filter(|c| CONTROLLERS.contains(c)).collect();
    let two = of(Version::Two).next().map(|_| "version 2".to_string());
    let one = Some(format!("version 1 ({})", controllers.join(", "))).filter(|_| !controllers.is_empty());
    [two, one].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

impl Collector for Cgroups {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let due = self.looked_ns.is_none_or(|at| out.mono_ns >= at.saturating_add(LOOK_EVERY_NS));
        if !self.finder.wanted.is_empty() && due {
            self.looked_ns = Some(out.mono_ns);
            if self.look() {
                out.warn(format!("more than {MOST} control groups, or than files may be open: the rest is left out"));
            }
        }
        self.rows.clear();
        if let Some((name, files)) = &mut self.command {
            self.rows.extend(files.read().map(|account| Row { cgroup: name.clone(), account }));
        }
        let rows = &mut self.rows;
        self.found.retain(|path, files| {
            let account = files.read();
            rows.extend(account.map(|account| Row { cgroup: path.clone(), account }));
            account.is_some()
        });
        out.push(&TABLE, &self.rows);
        Ok(())
    }
}

impl Cgroups {
    /// Notices which groups came and which went. True where there are too many.
    fn look(&mut self) -> bool {
        let (paths, mut cut) = self.finder.find();
        self.found.retain(|path, _| paths.contains(&**path));
        let mut new: Vec<String> = paths.into_iter().filter(|path| !self.found.contains_key(path.as_str())).collect();
        if let Err((needed, allowed)) = make_room(new.len() * MOST_FILES) {
            let excess = usize::try_from(needed - allowed).unwrap_or(usize::MAX).div_ceil(MOST_FILES);
            new.truncate(new.len().saturating_sub(excess));
            cut = true;
        }
        for path in new {
            let files = Files::open(&self.finder.folders(&path));
            self.found.insert(path.into(), files);
        }
        cut
    }
}

/// What the kernel has on a group's account now.
pub fn account(folders: &[Folder]) -> Account {
    Files::open(folders).read().unwrap_or_default()
}
