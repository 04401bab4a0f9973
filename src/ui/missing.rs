//! What is missing of a collector, in a few words.

use crate::manifest::{CollectorFacts, State};
use crate::perf::event::set;

/// How a note begins that says of which column there is no value.
const NO_VALUE: &str = "no value for ";

/// `sensor`, `cpu_core.temperature_celsius`, `13 of 17 perf events`: the reasons are in the notes.
pub fn brief(fact: &CollectorFacts) -> Vec<String> {
    let name = &fact.name;
    if fact.state == State::Unavailable {
        return vec![name.clone()];
    }
    if name == "perf" {
        return vec![perf(&fact.notes)];
    }
    let columns: Vec<&str> =
        fact.notes.iter().filter_map(|note| note.strip_prefix(NO_VALUE)?.split(':').next()).collect();
    match columns.as_slice() {
        [] => vec![format!("a part of {name}")],
        columns => columns.iter().map(|column| format!("{name}.{column}")).collect(),
    }
}

/// A note has the reason, and behind it the events.
fn perf(notes: &[String]) -> String {
    let defaults = |note: &&String| {
        let (_, events) = note.rsplit_once(": ").unwrap_or_default();
        events.split(", ").filter(|event| set::DEFAULT.contains(event)).count()
    };
    let missing: usize = notes
        .iter()
        .filter(|note| !note.starts_with("counted in") && !note.starts_with("always zero"))
        .map(|note| defaults(&note))
        .sum();
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
        CollectorFacts { name: name.into(), state: State::Partial, notes, ..CollectorFacts::default() }
    }

    #[test]
    fn in_a_few_words() {
        let gone = CollectorFacts { name: "sensor".into(), state: State::Unavailable, ..CollectorFacts::default() };
        assert_eq!(brief(&gone), ["sensor"]);
        let core = partial(
            "cpu_core",
            &["no value for temperature_celsius: no processor's sensor (coretemp, k10temp, zenpower)"],
        );
        assert_eq!(brief(&core), ["cpu_core.temperature_celsius"]);
        let perf = |notes: &[&str]| brief(&partial("perf", notes));
        assert_eq!(
            perf(&["not supported here (a virtual machine without a PMU): cycles, instructions, LLC-loads"]),
            ["3 of 17 perf events"]
        );
        assert_eq!(perf(&["counted in user mode only, for lack of permission: cycles"]), ["a part of perf"]);
        assert_eq!(brief(&partial("cpu", &["load1, load5, load15: cannot read /proc/loadavg"])), ["a part of cpu"]);
    }
}
