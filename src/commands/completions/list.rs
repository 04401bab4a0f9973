//! Names for shell completion, one per line. Must be fast, because the user waits at the prompt.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli::completions::List;
use crate::collect::group::Group;
use crate::collect::{REGISTRY, catalog};
use crate::events::{generic, set};
use crate::linux::files::Roots;
use crate::report::phases::phases;
use crate::store::manifest::Manifest;
use crate::store::read;
use crate::store::read::piece::{Source, Window};
use crate::store::runs::all_recordings;

pub fn names(list: List, recordings: &[PathBuf]) -> String {
    let names: Vec<String> = match list {
        List::Tables => catalog::tables().iter().map(|t| t.name.to_string()).collect(),
        List::Metrics => {
            let all: BTreeSet<&str> = catalog::tables().iter().flat_map(|t| t.metrics()).map(|c| c.name).collect();
            all.into_iter().map(str::to_string).collect()
        }
        List::Collectors => {
            let groups = Group::EVERY.map(Group::name);
            REGISTRY.iter().map(|entry| entry.name).chain(groups).map(str::to_string).collect()
        }
        List::Events => events(),
        List::Phases => of_each(recordings, |path| {
            let Ok(recording) = read::open(path, catalog::tables()) else { return Vec::new() };
            let found = phases(&recording as &dyn Source, Window::ALL, &mut Vec::new());
            found.into_iter().map(|phase| phase.phase).collect()
        }),
        List::Tags => {
            of_each(recordings, |path| Manifest::read(path).map(|m| m.tags.into_keys().collect()).unwrap_or_default())
        }
    };
    names.iter().filter(|name| !name.chars().any(char::is_control)).map(|name| format!("{name}\n")).collect()
}

fn of_each(recordings: &[PathBuf], names: impl Fn(&PathBuf) -> Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in all_recordings(recordings).unwrap_or_default().iter().flat_map(names) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// Names only: trying each event would take too long.
fn events() -> Vec<String> {
    let sets = set::SETS.iter().map(|(name, _)| name.to_string());
    let generic = generic::all().flat_map(|event| event.names);
    let pmus = std::fs::read_dir(Roots::default().sys("bus/event_source/devices")).into_iter().flatten().flatten();
    let of_pmu = pmus.flat_map(|pmu| {
        let name = pmu.file_name().to_string_lossy().into_owned();
        let events = std::fs::read_dir(pmu.path().join("events")).into_iter().flatten().flatten();
        let events = events.map(|event| event.file_name().to_string_lossy().into_owned());
        let events: Vec<String> =
            events.filter(|event| !event.contains('.')).map(|event| format!("{name}/{event}/")).collect();
        events
    });
    sets.chain(generic).chain(of_pmu).collect()
}
