//! What a collector lacks on this machine, in a few words.

use crate::events::set;
use crate::store::manifest::{CollectorFacts, CollectorState};

/// Notes about columns without values start with one of these.
const NO_VALUE: &str = "no value for ";
const ON_THIS_KERNEL: &str = "no value on this kernel for ";
/// If more columns of a collector are missing, only their number is shown.
const MOST_COLUMNS: usize = 2;
const EVERYWHERE: [&str; 6] = ["cpu", "cpu_core", "memory", "paging", "network", "disk"];

/// Most machines do not have these, so that it is no news.
const RARE: [&str; 3] = ["battery", "node", "zram"];

/// `sensor`, `cpu_core.temperature_celsius`, `13 of 17 perf events`: the reasons are in the notes.
pub fn brief(fact: &CollectorFacts) -> Vec<String> {
    let name = &fact.name;
    if fact.state == CollectorState::Unavailable {
        return if RARE.contains(&name.as_str()) { Vec::new() } else { vec![name.clone()] };
    }
    if name == "perf" {
        return vec![perf(&fact.notes)];
    }
    let columns: Vec<&str> = fact.notes.iter().flat_map(|note| columns(note)).collect();
    match columns.len() {
        0 => vec![format!("a part of {name}")],
        1..=MOST_COLUMNS => columns.iter().map(|column| format!("{name}.{column}")).collect(),
        n => vec![format!("{n} columns of {name}")],
    }
}

/// The columns that a note names.
fn columns(note: &str) -> Vec<&str> {
    let names = if let Some(rest) = note.strip_prefix(ON_THIS_KERNEL) {
        rest.split(" (").next()
    } else {
        note.strip_prefix(NO_VALUE).and_then(|rest| rest.split(':').next())
    };
    names.map(|names| names.split(", ").collect()).unwrap_or_default()
}

/// Is it missing although every Linux has it? Then the reason is shown too.
pub fn is_strange(fact: &CollectorFacts) -> bool {
    fact.state == CollectorState::Unavailable && EVERYWHERE.contains(&fact.name.as_str())
}

/// A note contains the reason, followed by the events.
fn perf(notes: &[String]) -> String {
    let defaults = |note: &&String| {
        let (_, events) = note.rsplit_once(": ").unwrap_or_default();
        // Some names have the suffix that perf adds if only user mode is counted.
        events.split(", ").filter(|event| set::DEFAULT.contains(&event.trim_end_matches(":u"))).count()
    };
    let missing: usize = notes.iter().filter(|note| !note.starts_with("counted in")).map(|note| defaults(&note)).sum();
    match missing {
        0 => "a part of perf".into(),
        n => format!("{n} of {} perf events", set::DEFAULT.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(name: &str, notes: &[&str]) -> CollectorFacts {
        let notes = notes.iter().map(|note| note.to_string()).collect();
        CollectorFacts { name: name.into(), state: CollectorState::Partial, notes, ..CollectorFacts::default() }
    }

    #[test]
    fn in_a_few_words() {
        let gone =
            CollectorFacts { name: "sensor".into(), state: CollectorState::Unavailable, ..CollectorFacts::default() };
        assert_eq!(brief(&gone), ["sensor"]);
        assert_eq!(brief(&CollectorFacts { name: "zram".into(), ..gone }), [""; 0]);
        let core = partial(
            "cpu_core",
            &["no value for temperature_celsius: no processor's sensor (coretemp, k10temp, zenpower)"],
        );
        assert_eq!(brief(&core), ["cpu_core.temperature_celsius"]);
        let old = partial("memory", &["no value on this kernel for available_bytes (/proc/meminfo)"]);
        assert_eq!(brief(&old), ["memory.available_bytes"]);
        let older = partial("paging", &["no value on this kernel for a, b, c (/proc/vmstat)"]);
        assert_eq!(brief(&older), ["3 columns of paging"]);
        let perf = |notes: &[&str]| brief(&partial("perf", notes));
        assert_eq!(
            perf(&["not supported here (a virtual machine without a PMU): cycles, instructions, LLC-loads"]),
            ["3 of 17 perf events"]
        );
        let in_kernel = "happens in the kernel, and user mode alone is counted: context-switches:u, cpu-migrations:u";
        assert_eq!(
            perf(&["counted in user mode only, for lack of permission: page-faults:u", in_kernel]),
            ["2 of 17 perf events"]
        );
        assert_eq!(perf(&["counted in user mode only, for lack of permission: cycles"]), ["a part of perf"]);
        assert_eq!(brief(&partial("cpu", &["load1, load5, load15: cannot read /proc/loadavg"])), ["a part of cpu"]);
    }
}
