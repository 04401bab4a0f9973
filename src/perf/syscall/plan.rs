//! What is to be opened for the events that were asked for: each is looked up, asked for once, and put into a bundle.

use std::collections::BTreeSet;

use super::open::{Kernel, Whose};
use super::probe::{Answer, probe};
use crate::perf::event::generic::Kind;
use crate::perf::event::machine::{Counter, CounterSource, Machine, Unresolved};
use crate::perf::event::name::parts;
use crate::perf::event::request::Request;

/// A series of rows to be: what it counts, and for which request.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub request: usize,
    pub counter: Counter,
}

/// Counters that are opened as one group, so that they count at the same times and are read at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// Indices of [`Plan::planned`], and of the source within.
    pub members: Vec<(usize, usize)>,
    /// None: on every CPU.
    pub cpus: Option<BTreeSet<u32>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub planned: Vec<Planned>,
    pub bundles: Vec<Bundle>,
    pub refused: Vec<Refusal>,
    /// The names of those that count user mode only, although more was asked for.
    pub user_only: Vec<String>,
}

/// An event that is not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub request: usize,
    pub event: String,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    Unresolved(Unresolved),
    /// It may exist, but this user may not count it.
    Denied(i32),
    Missing(i32),
    /// It counts for a whole socket, but a process or cgroup was asked for.
    Uncore,
}

/// Where events are asked for, before they are opened everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// For events that can be counted anywhere.
    pub whose: Whose,
    /// Whole CPUs are counted: an event of a socket can be, and one of a kind of CPU is asked for there.
    pub on_cpus: Option<&'a BTreeSet<u32>>,
    /// Counters of one group can be read at once; not where children inherit them.
    pub groups: bool,
}

/// Looks up and asks for every event.
pub fn plan(requests: &[Request], machine: &Machine, kernel: &Kernel, trial: &Trial<'_>) -> Plan {
    let mut plan = Plan::default();
    for (request, asked) in requests.iter().enumerate() {
        let mut of_members = Vec::new();
        for event in asked.members() {
            let counters = match machine.resolve(&event) {
                Ok(counters) => counters,
                Err(unresolved) => {
                    plan.refused.push(Refusal { request, event, why: Why::Unresolved(unresolved) });
                    continue;
                }
            };
            let mut taken = Vec::new();
            let mut refusal = None;
            for counter in counters {
                match ask(counter, kernel, trial) {
                    Ok((counter, user_only)) => {
                        if user_only {
                            plan.user_only.push(counter.name.clone());
                        }
                        taken.push(plan.planned.len());
                        plan.planned.push(Planned { request, counter });
                    }
                    Err(why) => refusal = Some(why),
                }
            }
            // Of several kinds of CPU one may lack the event: the other one's counts are what there is.
            if let (true, Some(why)) = (taken.is_empty(), refusal) {
                plan.refused.push(Refusal { request, event, why });
            }
            of_members.push(taken);
        }
        if asked.is_group() && trial.groups {
            plan.group(&of_members);
        } else {
            of_members.iter().flatten().for_each(|planned| plan.single(*planned, trial.groups));
        }
    }
    plan
}

/// Asks where the event counts; gives the counter as it can be counted, and whether only in user mode.
fn ask(mut counter: Counter, kernel: &Kernel, trial: &Trial<'_>) -> Result<(Counter, bool), Why> {
    let mut user_only = false;
    for source in &mut counter.sources {
        if source.is_uncore && trial.on_cpus.is_none() {
            return Err(Why::Uncore);
        }
        let whose = match (&source.cpus, trial.whose) {
            (Some(own), Whose::Cpu(_)) => match own.iter().find(|cpu| trial.on_cpus.is_none_or(|c| c.contains(cpu))) {
                Some(cpu) => Whose::Cpu(*cpu),
                None => return Err(Why::Missing(libc::ENODEV)),
            },
            (Some(own), Whose::Cgroup(folder, _)) => Whose::Cgroup(folder, own.first().copied().unwrap_or(0)),
            (_, whose) => whose,
        };
        let mut answer = probe(kernel, source.id, whose, counter.modifiers);
        if let (Answer::Missing(_), Some(older)) = (answer, source.older) {
            let second = probe(kernel, older, whose, counter.modifiers);
            if !matches!(second, Answer::Missing(_)) {
                (answer, source.id) = (second, older);
            }
        }
        match answer {
            Answer::Counts => {}
            Answer::UserOnly => user_only = true,
            Answer::Denied(errno) => return Err(Why::Denied(errno)),
            Answer::Missing(errno) => return Err(Why::Missing(errno)),
        }
    }
    if user_only {
        counter.modifiers = counter.modifiers.user_only();
        // As perf names it.
        let (pmu, letters) = (parts(&counter.name).pmu.is_some(), parts(&counter.name).modifiers.is_some());
        counter.name += if pmu || letters { "u" } else { ":u" };
    }
    Ok((counter, user_only))
}

impl Plan {
    /// What opening everything at so many places takes, at most.
    pub fn descriptors(&self, places: usize) -> usize {
        let each = |b: &Bundle| b.members.len() * b.cpus.as_ref().map_or(places, |own| own.len().min(places));
        self.bundles.iter().map(each).sum()
    }

    /// One counter. Software events share a bundle: there is always room for them all, and one read for them is cheaper.
    fn single(&mut self, index: usize, groups: bool) {
        let Some(planned) = self.planned.get(index) else { return };
        let counter = &planned.counter;
        let is_software = |c: &Counter| c.sources.iter().all(|s| s.id.kind == Kind::Software.number());
        if groups && is_software(counter) {
            let same = |b: &&mut Bundle| {
                let first = b.members.first().and_then(|(planned, _)| self.planned.get(*planned));
                first.is_some_and(|f| {
                    is_software(&f.counter)
                        && f.counter.modifiers == counter.modifiers
                        && b.members.iter().all(|(m, _)| self.planned.get(*m).is_some_and(|p| is_software(&p.counter)))
                })
            };
            if let Some(bundle) = self.bundles.iter_mut().find(same) {
                bundle.members.push((index, 0));
                return;
            }
        }
        let each =
            |(n, source): (usize, &CounterSource)| Bundle { members: vec![(index, n)], cpus: source.cpus.clone() };
        self.bundles.extend(counter.sources.iter().enumerate().map(each));
    }

    /// The members of `{a,b}`: a bundle; on several kinds of CPU one for each, and of several units one for each.
    fn group(&mut self, of_members: &[Vec<usize>]) {
        let kinds = of_members.iter().map(Vec::len).max().unwrap_or(0);
        // A software event is of no kind of CPU: it is counted everywhere, by itself.
        let (of_kinds, alone): (Vec<_>, Vec<_>) = of_members.iter().partition(|m| m.len() == kinds);
        alone.into_iter().flatten().for_each(|planned| self.single(*planned, true));
        for kind in 0..kinds {
            let planned: Vec<usize> = of_kinds.iter().filter_map(|m| m.get(kind)).copied().collect();
            let source = |p: usize, n: usize| self.planned.get(p).and_then(|p| p.counter.sources.get(n));
            for n in 0.. {
                let members: Vec<(usize, usize)> =
                    planned.iter().filter(|p| source(**p, n).is_some()).map(|p| (*p, n)).collect();
                let Some(first) = members.first().and_then(|(p, n)| source(*p, *n)) else { break };
                let cpus = first.cpus.clone();
                self.bundles.push(Bundle { members, cpus });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::open::Ask;
    use super::*;
    use crate::perf::event::pmu::tests::{roots, tree};
    use crate::perf::event::request::split_list;
    use crate::perf::testing::counts;

    const HYBRID: &[(&str, &str)] = &[
        ("bus/event_source/devices/cpu_core/type", "4\n"),
        ("bus/event_source/devices/cpu_core/cpus", "0-1\n"),
        ("bus/event_source/devices/cpu_atom/type", "10\n"),
        ("bus/event_source/devices/cpu_atom/cpus", "2-3\n"),
        ("bus/event_source/devices/imc_0/type", "20\n"),
        ("bus/event_source/devices/imc_0/cpumask", "0\n"),
        ("bus/event_source/devices/imc_1/type", "21\n"),
        ("bus/event_source/devices/imc_1/cpumask", "2\n"),
    ];

    fn planned(files: &[(&str, &str)], list: &str, kernel: Kernel, trial: &Trial<'_>) -> Plan {
        let dir = tree(files);
        let requests: Vec<Request> = split_list(list).into_iter().map(Request::new).collect();
        plan(&requests, &Machine::look(&roots(&dir)), &kernel, trial)
    }

    fn system(cpus: &BTreeSet<u32>) -> Trial<'_> {
        Trial { whose: Whose::Cpu(0), on_cpus: Some(cpus), groups: true }
    }

    fn everything() -> Kernel {
        Arc::new(|_: &Ask| counts())
    }

    /// The names of each bundle's members.
    fn bundles(plan: &Plan) -> Vec<String> {
        let name = |(p, n): &(usize, usize)| {
            let counter = &plan.planned[*p].counter;
            if counter.sources.len() > 1 { format!("{}#{n}", counter.name) } else { counter.name.clone() }
        };
        plan.bundles.iter().map(|b| b.members.iter().map(name).collect::<Vec<_>>().join("+")).collect()
    }

    #[test]
    fn software_events_are_read_together() {
        let cpus = BTreeSet::from([0, 1]);
        let plan = planned(&[], "cs,cycles,page-faults,cs:u,instructions,cpu-clock", everything(), &system(&cpus));
        assert_eq!(bundles(&plan), ["cs+page-faults+cpu-clock", "cycles", "cs:u", "instructions"]);
        let of_a_process = Trial { whose: Whose::Thread(17), on_cpus: None, groups: false };
        let plan = planned(&[], "cs,page-faults,{cycles,instructions}", everything(), &of_a_process);
        assert_eq!(bundles(&plan), ["cs", "page-faults", "cycles", "instructions"], "children inherit no groups");
    }

    #[test]
    fn groups_stay_together() {
        let cpus = BTreeSet::from([0, 1, 2, 3]);
        let plan = planned(&[], "{cycles,instructions}:u,cs", everything(), &system(&cpus));
        assert_eq!(bundles(&plan), ["cycles:u+instructions:u", "cs"]);
        assert!(plan.planned[0].counter.modifiers.no_kernel);
        let plan = planned(HYBRID, "{cycles,instructions,cs}", everything(), &system(&cpus));
        assert_eq!(
            bundles(&plan),
            ["cs", "cpu_atom/cycles/+cpu_atom/instructions/", "cpu_core/cycles/+cpu_core/instructions/"]
        );
        let cpus_of = |b: usize| plan.bundles[b].cpus.clone();
        assert_eq!((cpus_of(0), cpus_of(1)), (None, Some(BTreeSet::from([2, 3]))));
        let plan = planned(HYBRID, "{imc/config=1/,imc/config=2/}", everything(), &system(&cpus));
        assert_eq!(bundles(&plan), ["imc/config=1/#0+imc/config=2/#0", "imc/config=1/#1+imc/config=2/#1"]);
    }

    #[test]
    fn what_is_not_there_is_refused_and_the_rest_counts() {
        let cpus = BTreeSet::from([0, 1, 2, 3]);
        let kernel: Kernel = Arc::new(|ask: &Ask| match (ask.id.kind, ask.id.config) {
            (1, _) => counts(),
            (0, config) if config >> 32 == 4 => counts(),
            _ => Err(libc::ENOENT),
        });
        let plan = planned(HYBRID, "cs,cycles,LLC-loads,sched:x,power/y/", kernel, &system(&cpus));
        assert_eq!(bundles(&plan), ["cs", "cpu_core/cycles/"], "the other kind of CPU lacks it");
        let refused: Vec<_> = plan.refused.iter().map(|r| (r.request, &*r.event)).collect();
        assert_eq!(refused, [(2, "LLC-loads"), (3, "sched:x"), (4, "power/y/")]);
        assert_eq!(plan.refused[0].why, Why::Missing(libc::ENOENT));
        assert!(matches!(plan.refused[1].why, Why::Unresolved(_)));
    }

    #[test]
    fn older_kernels_know_kinds_of_cpu_by_their_cpus_alone() {
        let cpus = BTreeSet::from([0, 1, 2, 3]);
        let kernel: Kernel = Arc::new(|ask: &Ask| if ask.id.config >> 32 == 0 { counts() } else { Err(libc::EINVAL) });
        let plan = planned(HYBRID, "cycles", kernel, &system(&cpus));
        let ids: Vec<u64> = plan.planned.iter().map(|p| p.counter.sources[0].id.config).collect();
        assert_eq!(ids, [0, 0]);
    }

    #[test]
    fn without_rights_user_mode_is_counted_and_named() {
        let kernel: Kernel = Arc::new(|ask: &Ask| if ask.modifiers.no_kernel { counts() } else { Err(libc::EACCES) });
        let own = Trial { whose: Whose::Thread(17), on_cpus: None, groups: false };
        let plan = planned(&[], "cycles,instructions:u,cpu/x/", kernel, &own);
        let names: Vec<_> = plan.planned.iter().map(|p| &*p.counter.name).collect();
        assert_eq!(names, ["cycles:u", "instructions:u"]);
        assert_eq!(plan.user_only, ["cycles:u"]);
    }

    #[test]
    fn a_socket_is_no_part_of_a_process() {
        let own = Trial { whose: Whose::Thread(17), on_cpus: None, groups: false };
        let plan = planned(HYBRID, "imc/config=1/", everything(), &own);
        assert_eq!(plan.refused[0].why, Why::Uncore);
        let far = BTreeSet::from([1]);
        let plan = planned(HYBRID, "imc_0/config=1/", everything(), &system(&far));
        assert_eq!(plan.refused[0].why, Why::Missing(libc::ENODEV), "not on the CPUs that were chosen");
    }
}
