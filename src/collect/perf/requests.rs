//! Which events are asked for: names and sets become a list of events.

use std::sync::Arc;

use super::scope::{online, pids, thread};
use super::syscall::open::{Kernel, Whose};
use super::syscall::probe::{ProbeAnswer, probe};
use crate::collect::collector::{Setup, Unavailable};
use crate::events::generic::{self, usual_name};
use crate::events::modifier::Modifiers;
use crate::events::name::parts;
use crate::events::pmu::Pmus;
use crate::events::request::{Request, events_of, mistake_in, split_list};
use crate::events::set;

/// The requested events, with the names of sets replaced by their events.
///
/// # Errors
/// If one of them is written in a way that has no meaning.
pub fn requests(setup: &Setup, kernel: &Kernel) -> Result<Arc<[Request]>, Unavailable> {
    let whose = match pids(setup).first() {
        Some(pid) => thread(*pid),
        None => Whose::Cpu(online(&setup.roots).and_then(|cpus| cpus.first().copied()).unwrap_or(0)),
    };
    let mut counts = |event: &generic::Generic| {
        matches!(probe(kernel, event.id, whose, Modifiers::NONE), ProbeAnswer::Counts | ProbeAnswer::UserOnly)
    };
    let asked = match split_list(&setup.options.perf.events.join(",")) {
        list if list.is_empty() => vec!["default".to_string()],
        list => list,
    };
    if let Some((name, what)) = asked.iter().find_map(|name| Some((name, mistake_in(name)?))) {
        return Err(Unavailable::mistake(format!("the event `{}`: {what}", name.escape_debug())));
    }
    let pmus = Pmus::new(&setup.roots);
    let mut events: Vec<String> = Vec::new();
    for name in asked {
        for event in set::members(&name, &pmus, &mut counts).unwrap_or_else(|| vec![name]) {
            // `cs` is another name of `context-switches`.
            let known = |name: &str| (parts(name).pmu.map(str::to_string), usual_name(parts(name).base));
            let letters = |name: &str| parts(name).modifiers.map(str::to_string);
            let given = |name: &str| Request::new(name).given_name().map(str::to_string);
            let is_same =
                |e: &String| known(e) == known(&event) && letters(e) == letters(&event) && given(e) == given(&event);
            if !events.iter().any(is_same) {
                events.push(event);
            }
        }
    }
    let requests: Arc<[Request]> = events.into_iter().map(Request::new).collect();
    if let Some(name) = name_of_two(&requests) {
        return Err(Unavailable::mistake(format!(
            "two events would have the name `{name}`: give one of them another name"
        )));
    }
    Ok(requests)
}

/// A name given to an event that is also the name of another event: their rows could not be told apart.
fn name_of_two(requests: &[Request]) -> Option<String> {
    let events = events_of(requests);
    let printed = |event: &Request| event.given_name().unwrap_or(&event.text).to_string();
    let given = events.iter().filter_map(Request::given_name);
    given.into_iter().find(|name| events.iter().filter(|event| printed(event) == *name).count() > 1).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::syscall::open::Ask;
    use super::super::testing::counts;
    use super::*;
    use crate::collect::options::Options;
    use crate::events::pmu::tests::{roots, tree};

    /// The events of a list on a machine with these PMUs.
    fn expanded(files: &[(&str, &str)], list: &str) -> Vec<String> {
        let dir = tree(files);
        let mut options = Options::default();
        options.perf.events = vec![list.to_string()];
        let kernel: Kernel = Arc::new(|_: &Ask| counts());
        let requests = requests(&Setup::new(roots(&dir), options), &kernel).ok().unwrap();
        requests.iter().map(|request| request.text.clone()).collect()
    }

    #[test]
    fn memory_bandwidth_is_what_the_machine_has() {
        let amd = [
            ("bus/event_source/devices/amd_umc_0/type", "30\n"),
            ("bus/event_source/devices/amd_umc_0/cpumask", "0\n"),
            ("bus/event_source/devices/amd_umc_0/format/event", "config:0-7\n"),
            ("bus/event_source/devices/amd_umc_0/format/rdwrmask", "config:8-9\n"),
        ];
        let of_amd = [
            "amd_umc/event=0x0a,rdwrmask=0x1,name=umc_cas_cmd.rd/",
            "amd_umc/event=0x0a,rdwrmask=0x2,name=umc_cas_cmd.wr/",
        ];
        assert_eq!(expanded(&amd, "memory-bandwidth"), of_amd);
        assert_eq!(expanded(&amd, "cs,memory-bandwidth,memory-bandwidth"), ["cs", of_amd[0], of_amd[1]]);
        assert_eq!(expanded(&[], "memory-bandwidth,cs"), ["memory-bandwidth", "cs"], "there is a reason for it");
    }

    #[test]
    fn a_name_belongs_to_one_event() {
        let two = |list: &str| name_of_two(&split_list(list).into_iter().map(Request::new).collect::<Vec<_>>());
        for (list, name) in [
            ("msr/tsc,name='cs'/,cs", "cs"),
            ("cs/name=a/u,cs/name=a/k", "a"),
            ("faults,{cs/name='x,y'/,faults/name=\"x,y\"/}", "x,y"),
        ] {
            assert_eq!(two(list).as_deref(), Some(name), "{list}");
        }
        for list in ["cs/name=a/,cs/name=b/,cs,cs:u", "{cs/name=a/,faults},cs/name=a/", "cs,cs:u,context-switches"] {
            assert_eq!(two(list), None, "{list}");
        }
    }
}
