//! Which collectors are wanted, and with what settings; opening them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Usage;
use crate::cli::source::SourceArgs;
use crate::collect::REGISTRY;
use crate::collect::collector::{Collector, Entry, Options, Per, PerfOptions, Setup};
use crate::collect::perf::cpus;
use crate::events::request::split_list;
use crate::linux::files::Roots;
use crate::store::manifest::{CollectorFacts, State};
use crate::text::nearest::did_you_mean;

/// The names that `--collectors` leaves of the registry: all, the listed ones, or all with changes.
///
/// # Errors
/// When a name is unknown, or none is left.
pub fn selection(list: Option<&str>) -> Result<BTreeSet<&'static str>, Usage> {
    let all: BTreeSet<&'static str> = REGISTRY.iter().map(|e| e.name).collect();
    let Some(list) = list else { return Ok(all) };
    let items: Vec<&str> = list.split(',').map(str::trim).filter(|i| !i.is_empty()).collect();
    if items.is_empty() {
        return Err(Usage("--collectors names none".into()));
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
        return Err(Usage(format!("--collectors {list}: that leaves none")));
    }
    Ok(wanted)
}

/// The collector that fills the table of this name.
fn owner_of(table: &str) -> Option<String> {
    let fills = |entry: &&Entry| entry.tables.iter().any(|of| of().name == table);
    match REGISTRY.iter().find(fills) {
        Some(entry) => Some(format!(" (table {table} is filled by collector `{}`)", entry.name)),
        None if table == "all" => Some(" (all are recorded where --collectors is left out)".into()),
        None if crate::collect::catalog::table(table).is_some() => Some(format!(" (table {table} is always recorded)")),
        None => None,
    }
}

/// The collectors' settings from the arguments.
///
/// # Errors
/// When a root is not there, or a list is none.
pub fn setup(args: &SourceArgs, interval: Duration) -> Result<Setup, Usage> {
    for (option, root) in [("--proc-root", &args.proc_root), ("--sys-root", &args.sys_root)] {
        if !root.is_dir() {
            return Err(Usage(format!("{option}: {} is not a directory", root.display())));
        }
    }
    if let Some(list) = args.cpus.as_deref().filter(|list| cpus::parse(list).is_none()) {
        return Err(Usage(format!("--cpus {list}: a list of CPUs is written like 0-3,8")));
    }
    if args.perf_events.as_deref().is_some_and(|list| split_list(list).is_empty()) {
        return Err(Usage("--perf-events names none; `perfwatch events` lists them".into()));
    }
    let options = Options {
        interval,
        all_interfaces: args.all_interfaces,
        all_disks: args.all_disks,
        all_filesystems: args.all_filesystems,
        processes: args.processes.clone(),
        cgroups: args.cgroups.clone(),
        perf: PerfOptions {
            backend: args.perf_backend.into(),
            path: args.perf_path.clone(),
            format: args.perf_format.into(),
            events: args.perf_events.iter().flat_map(|list| split_list(list)).collect(),
            interval: args.perf_interval,
            cpus: args.cpus.clone(),
            per: if args.perf_per_cpu { Per::Cpu } else { args.perf_per.map_or(Per::Whole, Into::into) },
            pids: args.pids.clone(),
            cgroups: args.perf_cgroups.clone(),
        },
    };
    Ok(Setup::new(Roots { proc: args.proc_root.clone(), sys: args.sys_root.clone() }, options))
}

/// Collectors that are open, with their place in the registry.
pub type Ready = Vec<(&'static Entry, Box<dyn Collector>)>;

/// Opens the wanted collectors; what became of each, wanted or not, is in the facts.
///
/// # Errors
/// When something was asked for that no machine has.
pub fn open_collectors(setup: &Setup, wanted: impl Fn(&str) -> bool) -> Result<(Ready, Vec<CollectorFacts>), Usage> {
    let mut ready = Vec::new();
    let mut facts = Vec::new();
    for entry in REGISTRY {
        let fact = |state, notes, advice| CollectorFacts {
            name: entry.name.to_string(),
            state,
            notes,
            advice,
            ..Default::default()
        };
        if !wanted(entry.name) {
            facts.push(fact(State::Disabled, Vec::new(), None));
            continue;
        }
        facts.push(match (entry.open)(setup) {
            Ok(opened) => {
                ready.push((entry, opened.collector));
                let state = if opened.notes.is_empty() { State::Recorded } else { State::Partial };
                CollectorFacts { by: opened.by, ..fact(state, opened.notes, None) }
            }
            Err(why) if why.is_mistake => {
                let advice = why.advice.map_or_else(String::new, |a| format!(" ({a})"));
                return Err(Usage(format!("{}: {}{advice}", entry.name, why.reason)));
            }
            Err(why) if why.is_optional => fact(State::Disabled, vec![why.reason], why.advice),
            Err(why) => {
                ready.extend(why.instead.map(|instead| (entry, instead(setup, &why))));
                fact(State::Unavailable, vec![why.reason], why.advice)
            }
        });
    }
    Ok((ready, facts))
}
