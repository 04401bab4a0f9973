//! Selects the collectors and their settings, and opens them.

use std::collections::BTreeSet;

use super::Usage;
use crate::collect::REGISTRY;
use crate::collect::collector::Entry;
use crate::collect::options::Options;
use crate::linux::cpus;
use crate::text::nearest::did_you_mean;

/// The names that `--collectors` selects: all, the listed ones, or all with changes.
///
/// # Errors
/// When a name is unknown, or no collector is left.
pub fn selection(list: Option<&str>) -> Result<BTreeSet<&'static str>, Usage> {
    let all: BTreeSet<&'static str> = REGISTRY.iter().map(|e| e.name).collect();
    let Some(list) = list else { return Ok(all) };
    let items: Vec<&str> = list.split(',').map(str::trim).filter(|i| !i.is_empty()).collect();
    if items.is_empty() {
        return Err(Usage("--collectors selects no collector".into()));
    }
    let relative = items.iter().all(|i| i.starts_with(['+', '-']));
    let mut wanted = if relative { all.clone() } else { BTreeSet::new() };
    for item in items {
        let name = item.trim_start_matches(['+', '-']);
        let known = *all.get(name).ok_or_else(|| {
            let hint = owner_of(name).unwrap_or_else(|| did_you_mean(name, all.iter().copied()));
            Usage(format!(
                "--collectors: unknown collector `{name}`{hint}; there are: {}",
                all.iter().copied().collect::<Vec<_>>().join(", ")
            ))
        })?;
        if item.starts_with('-') {
            wanted.remove(known)
        } else {
            wanted.insert(known)
        };
    }
    if wanted.is_empty() {
        return Err(Usage(format!("--collectors {list}: no collector is left")));
    }
    Ok(wanted)
}

/// A hint about the collector that fills the table of this name.
fn owner_of(table: &str) -> Option<String> {
    let fills = |entry: &&Entry| entry.tables.iter().any(|of| of().name == table);
    match REGISTRY.iter().find(fills) {
        Some(entry) => Some(format!(" (table {table} is filled by collector `{}`)", entry.name)),
        None if table == "all" => Some(" (all are recorded if --collectors is not given)".into()),
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
