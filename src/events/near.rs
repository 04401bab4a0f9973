//! "Did you mean": the names most similar to an unknown one.

use super::machine::Machine;
use super::name::parts;
use super::request::Request;
use super::{generic, set, tracepoint};
use crate::linux::files::Roots;

/// The names most similar to this one, the nearest first; at most three.
pub fn names(roots: &Roots, name: &str) -> Vec<String> {
    if set::is_set(name) {
        return Vec::new();
    }
    let machine = Machine::from_roots(roots);
    let generic = generic::all().flat_map(|g| g.names);
    let pmus = machine.pmus.names().into_iter().filter_map(|n| machine.pmus.get(&n));
    let of_pmus = pmus.flat_map(|pmu| pmu.events().into_iter().map(move |e| (e.clone(), format!("{}/{e}/", pmu.name))));
    let tracepoints = if name.contains(':') { tracepoint::all(roots).unwrap_or_default() } else { Vec::new() };
    let itself = |n: String| (n.clone(), n);
    let sets = set::SETS.iter().map(|(name, _)| name.to_string());
    let known = generic.chain(sets).map(itself).chain(of_pmus).chain(tracepoints.into_iter().map(itself));
    let mut scored: Vec<(f64, String)> = known
        .map(|(short, long)| {
            let score = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
            (score(&short).max(score(&long)), long)
        })
        .filter(|(score, _)| *score > 0.7)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    // Only names that are almost as near as the best.
    scored.into_iter().filter(|(score, _)| best - score < 0.05).take(3).map(|(_, name)| name).collect()
}

/// ` (did you mean ...?)` for the first name of a request that is not a generic event; empty if no name is similar.
pub fn hint(roots: &Roots, request: &Request) -> String {
    let members = request.members();
    let unknown = members.iter().map(|m| parts(m).base).find(|base| generic::id_of(base).is_none());
    unknown.map_or_else(String::new, |name| did_you_mean(&names(roots, name)))
}

/// Whether one of the names of this request is a typing error.
pub fn is_slip_in(roots: &Roots, request: &Request) -> bool {
    request.members().iter().any(|member| {
        let base = parts(member).base;
        generic::id_of(base).is_none() && is_slip(member, &names(roots, base))
    })
}

/// Whether this is a misspelled generic name, which no machine has. Other names may be events of another machine: names
/// for CPU models contain dots and underscores, generic names do not.
pub fn is_slip(event: &str, near: &[String]) -> bool {
    let base = parts(event).base;
    let is_ours = |known: &str| generic::id_of(known).is_some() || set::is_set(known);
    let is_close = |known: &String| is_ours(known) && strsim::normalized_damerau_levenshtein(base, known) >= 0.8;
    !event.contains(['/', '.', '_']) && tracepoint::split(base).is_none() && near.iter().any(is_close)
}

/// The names as a question.
pub fn did_you_mean(near: &[String]) -> String {
    let quoted: Vec<String> = near.iter().map(|n| format!("`{n}`")).collect();
    if quoted.is_empty() { String::new() } else { format!(" (did you mean {}?)", quoted.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use super::super::pmu::tests::{roots, tree};
    use super::*;

    #[test]
    fn near_names() {
        let tree = tree(&[
            ("bus/event_source/devices/power/type", "9\n"),
            ("bus/event_source/devices/power/events/energy-pkg", "event=0x02\n"),
            ("kernel/tracing/events/sched/sched_switch/id", "316\n"),
            ("kernel/tracing/events/sched/sched_wakeup/id", "317\n"),
        ]);
        let near = |name: &str| names(&roots(&tree), name);
        assert_eq!(near("cycels"), ["cycles"]);
        assert_eq!(near("energy-pgk"), ["power/energy-pkg/"]);
        assert_eq!(near("power/energy-pgk/"), ["power/energy-pkg/"]);
        assert_eq!(near("sched:sched_swich"), ["sched:sched_switch"]);
        for name in ["zzz", "memory-bandwidth"] {
            assert_eq!(near(name), [""; 0], "{name}");
        }
        assert_eq!(near("memory-bandwith"), ["memory-bandwidth"]);
    }

    #[test]
    fn hints_are_about_the_unknown_name() {
        let tree = tree(&[]);
        let hint = |text: &str| hint(&roots(&tree), &Request::new(text));
        assert_eq!(hint("{cycles,instrctions}:S"), " (did you mean `instructions`?)");
        assert_eq!(hint("cycels:u"), " (did you mean `cycles`?)");
        assert_eq!(hint("LLC-load-miss"), "", "another spelling of an event is not a typing error");
        assert_eq!(hint("zzz"), "");
    }

    #[test]
    fn typing_errors_and_events_of_other_machines() {
        let tree = tree(&[]);
        let is_slip = |name: &str| is_slip(name, &names(&roots(&tree), parts(name).base));
        for slip in ["cycels", "cycels:u", "instrctions", "context-swiches", "LLC-lods", "defualt"] {
            assert!(is_slip(slip), "{slip}");
        }
        for other in
            ["cycles-t", "cpu_cycles", "nosuch", "inst_retired.any", "sched:cycels", "cpu/cycels/", "ex_ret_instr"]
        {
            assert!(!is_slip(other), "{other}");
        }
    }
}
