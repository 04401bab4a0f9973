//! Selects the collectors and their settings, and opens them.

use std::collections::BTreeSet;

use super::Usage;
use crate::collect::REGISTRY;
use crate::collect::collector::Entry;
use crate::collect::group::Group;
use crate::collect::options::Options;
use crate::linux::cpus;
use crate::text::nearest::did_you_mean;

/// The names that `--collectors` selects: collectors and [`Group`]s, or the default with changes.
///
/// # Errors
/// When a name is unknown, or no collector is left.
pub fn selection(list: Option<&str>) -> Result<BTreeSet<&'static str>, Usage> {
    let Some(list) = list else { return Ok(members(Group::Default).collect()) };
    let items: Vec<&str> = list.split(',').map(str::trim).filter(|i| !i.is_empty()).collect();
    if items.is_empty() {
        return Err(Usage("--collectors selects no collector".into()));
    }
    let relative = items.iter().all(|i| i.starts_with(['+', '-']));
    let mut wanted: BTreeSet<_> = if relative { members(Group::Default).collect() } else { BTreeSet::new() };
    for item in items {
        let named = named(item.trim_start_matches(['+', '-']))?;
        if item.starts_with('-') {
            wanted.retain(|name| !named.contains(name));
        } else {
            wanted.extend(named);
        }
    }
    if wanted.is_empty() {
        return Err(Usage(format!("--collectors {list}: no collector is left")));
    }
    Ok(wanted)
}

/// The collectors with this name, or in the group of this name.
fn named(name: &str) -> Result<Vec<&'static str>, Usage> {
    if let Some(group) = Group::named(name) {
        return Ok(members(group).collect());
    }
    if let Some(entry) = REGISTRY.iter().find(|entry| entry.name == name) {
        return Ok(vec![entry.name]);
    }
    let collectors = || members(Group::All);
    let groups = Group::EVERY.map(Group::name);
    let hint = owner_of(name).unwrap_or_else(|| did_you_mean(name, collectors().chain(groups)));
    let (collectors, groups) = (collectors().collect::<Vec<_>>().join(", "), groups.join(", "));
    Err(Usage(format!(
        "--collectors: unknown collector `{name}`{hint}; there are: {collectors}; and the groups {groups}"
    )))
}

fn members(group: Group) -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().filter(move |entry| group.contains(entry)).map(|entry| entry.name)
}

/// A hint about the collector that fills the table of this name.
fn owner_of(table: &str) -> Option<String> {
    let fills = |entry: &&Entry| entry.tables.iter().any(|of| of().name == table);
    match REGISTRY.iter().find(fills) {
        Some(entry) => Some(format!(" (table {table} is filled by collector `{}`)", entry.name)),
        None if crate::collect::catalog::table(table).is_some() => Some(format!(" (table {table} is always recorded)")),
        None => None,
    }
}

/// The setup with which the collectors are opened.
///
/// # Errors
/// When a root is not a directory, or a list is invalid.
pub fn checked(options: &Options) -> Result<Options, Usage> {
    let roots = options.roots();
    for (option, root) in [("--proc-root", &roots.proc), ("--sys-root", &roots.sys)] {
        if !root.is_dir() {
            return Err(Usage(format!("{option}: {} is not a directory", root.display())));
        }
    }
    let asked = &options.perf;
    if let Some(list) = asked.cpus.as_deref().filter(|list| cpus::parse(list).is_none()) {
        return Err(Usage(format!("--cpus {list}: a list of CPUs is written like 0-3,8")));
    }
    let perf = asked.clone().normalized();
    if !asked.events.is_empty() && perf.events.is_empty() {
        return Err(Usage("--perf-events selects no event; `perfwatch events` lists them".into()));
    }
    Ok(Options { perf, ..options.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        selection(Some(list)).unwrap().into_iter().collect()
    }

    #[test]
    fn names_and_groups_can_be_mixed() {
        assert_eq!(names("disk, cpu"), ["cpu", "disk"]);
        let sar = names("sar");
        assert!(sar.contains(&"network") && !sar.contains(&"perf") && !sar.contains(&"process"), "{sar:?}");
        assert_eq!(names("sar,perf").len(), sar.len() + 1);
        assert_eq!(names("sar,-sar,cpu"), ["cpu"]);
        let without_disk = names("all,-disk");
        assert_eq!(without_disk.len() + 1, REGISTRY.len());
        assert!(!without_disk.contains(&"disk"));
    }

    #[test]
    fn changes_start_from_the_default() {
        let default = selection(None).unwrap();
        assert_eq!(selection(Some("default")).unwrap(), default);
        let mut changed = selection(Some("-perf,+cpu")).unwrap();
        assert!(changed.insert("perf"));
        assert_eq!(changed, default);
        assert_eq!(names("+all").len(), REGISTRY.len());
    }

    #[test]
    fn what_is_unknown_is_named_with_what_there_is() {
        let said = |list| selection(Some(list)).unwrap_err().to_string();
        assert!(said("cpu,dsik").contains("`dsik` (did you mean `disk`?)"), "{}", said("cpu,dsik"));
        assert!(said("defualt").contains("`default`"), "{}", said("defualt"));
        assert!(said("command").contains("filled by collector `process`"), "{}", said("command"));
    }
}
