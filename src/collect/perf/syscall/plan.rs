//! Which counters to open for the requested events: each is looked up, tried once, and put into a bundle.

use std::collections::BTreeSet;

use super::open::{Kernel, Whose};
use super::probe::{ProbeAnswer, probe_source};
use crate::events::generic::GenericKind;
use crate::events::machine::{CounterSource, CounterSpec, Machine, Unresolved};
use crate::events::name::parts;
use crate::events::request::{Request, events_of};

/// A planned series of rows: what it counts, and for which requests, the first of them first.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub requests: Vec<usize>,
    /// The single events that it answers, as indices of [`events_of`] the requests.
    pub answers: Vec<usize>,
    pub counter: CounterSpec,
    /// It was given its own name: `cs/name=mine/`.
    pub is_named: bool,
}

/// Counters that are opened as one group, so that they count at the same times and are read at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// Indices of [`CounterPlan::planned`], and of the source within.
    pub members: Vec<(usize, usize)>,
    /// `None`: on every CPU.
    pub cpus: Option<BTreeSet<u32>>,
    /// They count for whole sockets: the kernel moves them when the CPU through which they are read goes offline.
    pub is_uncore: bool,
    /// Members that do not fit in the group may count on their own.
    pub is_weak: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CounterPlan {
    pub planned: Vec<Planned>,
    pub bundles: Vec<Bundle>,
    pub refused: Vec<Refusal>,
    /// The names of events that only count user mode, although more was requested.
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
    /// It counts for a whole socket, but a process or cgroup was requested.
    Uncore,
    /// This many descriptors are needed, and this many allowed.
    NoRoom {
        needed: u64,
        limit: u64,
    },
}

/// Where events are tried before they are opened everywhere.
#[derive(Clone, Copy, Debug)]
pub struct CounterTrial<'a> {
    /// For events that can be counted anywhere.
    pub whose: Whose,
    /// Whole CPUs are counted: events of a socket are possible, and events of one kind of CPU are tried there.
    pub on_cpus: Option<&'a BTreeSet<u32>>,
    /// Software events are put together. For a thread this has no advantage, because children are read one by one.
    pub together: bool,
}

/// Looks up and tries every event. An event that is requested twice is counted once, in its group if it has one.
pub fn plan(requests: &[Request], machine: &Machine, kernel: &Kernel, trial: &CounterTrial<'_>) -> CounterPlan {
    let mut plan = CounterPlan::default();
    let events = events_of(requests);
    let groups_first = || requests.iter().enumerate().filter(|(_, r)| r.is_group());
    let then_others = requests.iter().enumerate().filter(|(_, r)| !r.is_group());
    for (request, asked) in groups_first().chain(then_others) {
        let mut of_group = Vec::new();
        for event in asked.members() {
            let answers = events.iter().position(|e| e.text == event).unwrap_or(events.len());
            let counters = match machine.resolve(&event) {
                Ok(counters) => counters,
                Err(unresolved) => {
                    plan.refused.push(Refusal { request, event, why: Why::Unresolved(unresolved) });
                    continue;
                }
            };
            let (mut taken, mut refusal) = (false, None);
            for counter in counters {
                match ask(counter, kernel, trial) {
                    Ok((counter, user_only)) => {
                        taken = true;
                        let is_named = Request::new(event.as_str()).given_name().is_some();
                        of_group.extend(plan.add(request, answers, counter, user_only, is_named));
                    }
                    Err(why) => refusal = Some(why),
                }
            }
            // If there are several kinds of CPU, one may lack the event: then only the counts of the other exist.
            if let (false, Some(why)) = (taken, refusal) {
                plan.refused.push(Refusal { request, event, why });
            }
        }
        if asked.is_group() {
            plan.group(&of_group, asked.is_weak(), trial.together);
        } else {
            of_group.iter().for_each(|planned| plan.single(*planned, trial.together));
        }
    }
    plan
}

/// Tries the event. Returns the counter in the form that can be counted, and whether only in user mode.
fn ask(mut counter: CounterSpec, kernel: &Kernel, trial: &CounterTrial<'_>) -> Result<(CounterSpec, bool), Why> {
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
            (_, whose) => whose,
        };
        let answer;
        (answer, source.id) = probe_source(kernel, source, whose, counter.modifiers);
        match answer {
            ProbeAnswer::Counts => {}
            ProbeAnswer::UserOnly => user_only = true,
            ProbeAnswer::Denied(errno) => return Err(Why::Denied(errno)),
            ProbeAnswer::Missing(errno) => return Err(Why::Missing(errno)),
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

impl CounterPlan {
    /// The index of a new series; `None` if one with this name exists, which then answers this request too.
    fn add(
        &mut self,
        request: usize,
        answers: usize,
        counter: CounterSpec,
        user_only: bool,
        is_named: bool,
    ) -> Option<usize> {
        // `cs` is another name of `context-switches`; a given name has its own series.
        let is_same = |p: &Planned| {
            let is_alias = !is_named && !p.is_named;
            let c = &p.counter;
            c.name == counter.name || is_alias && c.sources == counter.sources && c.modifiers == counter.modifiers
        };
        if let Some(same) = self.planned.iter_mut().find(|p| is_same(p)) {
            same.requests.push(request);
            same.requests.sort_unstable();
            same.answers.push(answers);
            return None;
        }
        if user_only {
            self.user_only.push(counter.name.clone());
        }
        self.planned.push(Planned { requests: vec![request], answers: vec![answers], counter, is_named });
        Some(self.planned.len() - 1)
    }

    fn source(&self, member: (usize, usize)) -> Option<&CounterSource> {
        self.planned.get(member.0)?.counter.sources.get(member.1)
    }

    /// A single counter. Software events share a bundle: they always fit, and one read for all is cheaper.
    fn single(&mut self, index: usize, together: bool) {
        let Some(planned) = self.planned.get(index) else { return };
        let counter = planned.counter.clone();
        let is_software = |c: &CounterSpec| c.sources.iter().all(|s| s.id.kind == GenericKind::Software.number());
        if together && is_software(&counter) {
            let same = |b: &&mut Bundle| {
                b.members.iter().all(|(m, _)| {
                    let planned = self.planned.get(*m).map(|p| &p.counter);
                    planned.is_some_and(|c| is_software(c) && c.modifiers == counter.modifiers)
                })
            };
            if let Some(bundle) = self.bundles.iter_mut().find(same) {
                bundle.members.push((index, 0));
                return;
            }
        }
        for (n, source) in counter.sources.iter().enumerate() {
            self.bundles.push(Bundle::single((index, n), source));
        }
    }

    /// The members of `{a,b}`, in as many bundles as there are kinds of CPU and socket units among them.
    fn group(&mut self, planned: &[usize], is_weak: bool, together: bool) {
        let first = self.bundles.len();
        for index in planned {
            let sources = self.planned.get(*index).map_or(0, |p| p.counter.sources.len());
            for member in (0..sources).map(|n| (*index, n)) {
                let Some(source) = self.source(member).cloned() else { continue };
                // Only events that count on the same CPUs can be a group; socket units are alone in their own.
                let fits = |b: &Bundle| {
                    let leader = b.members.first().and_then(|m| self.source(*m));
                    b.cpus == source.cpus
                        && leader.is_some_and(|l| !l.is_uncore && !source.is_uncore || l.id.kind == source.id.kind)
                };
                match self.bundles[first..].iter().position(fits) {
                    Some(at) => self.bundles[first + at].members.push(member),
                    None => self.bundles.push(Bundle { is_weak, ..Bundle::single(member, &source) }),
                }
            }
        }
        // A single remaining event is not a group.
        let (groups, alone): (Vec<Bundle>, Vec<Bundle>) =
            self.bundles.drain(first..).partition(|b| b.members.len() > 1);
        self.bundles.extend(groups);
        for bundle in alone {
            match bundle.members.first() {
                Some((index, 0)) if self.planned.get(*index).is_some_and(|p| p.counter.sources.len() == 1) => {
                    self.single(*index, together);
                }
                _ => self.bundles.push(bundle),
            }
        }
    }
}

impl Bundle {
    fn single(member: (usize, usize), source: &CounterSource) -> Bundle {
        Bundle { members: vec![member], cpus: source.cpus.clone(), is_uncore: source.is_uncore, is_weak: true }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::open::Ask;
    use super::*;
    use crate::collect::perf::testing::counts;
    use crate::events::pmu::tests::{roots, tree};
    use crate::events::request::split_list;

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

    fn planned(files: &[(&str, &str)], list: &str, kernel: Kernel, trial: &CounterTrial<'_>) -> CounterPlan {
        let dir = tree(files);
        let requests: Vec<Request> = split_list(list).into_iter().map(Request::new).collect();
        plan(&requests, &Machine::from_roots(&roots(&dir)), &kernel, trial)
    }

    fn system(cpus: &BTreeSet<u32>) -> CounterTrial<'_> {
        CounterTrial { whose: Whose::Cpu(0), on_cpus: Some(cpus), together: true }
    }

    fn everything() -> Kernel {
        Arc::new(|_: &Ask| counts())
    }

    /// The names of each bundle's members.
    fn bundles(plan: &CounterPlan) -> Vec<String> {
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
        let of_a_process = CounterTrial { whose: Whose::Thread(17), on_cpus: None, together: false };
        let plan = planned(&[], "cs,page-faults,{cycles,instructions}", everything(), &of_a_process);
        assert_eq!(bundles(&plan), ["cycles+instructions", "cs", "page-faults"]);
    }

    #[test]
    fn an_event_with_a_given_name_has_its_own_series() {
        let cpus = BTreeSet::from([0]);
        let list = "cs,context-switches,cs/name=one/,cs/name='two,2'/,page-faults/name=three/";
        let plan = planned(&[], list, everything(), &system(&cpus));
        assert_eq!(bundles(&plan), ["cs+one+two,2+three"]);
        assert!(plan.refused.is_empty(), "{:?}", plan.refused);
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
            ["cpu_atom/cycles/+cpu_atom/instructions/", "cpu_core/cycles/+cpu_core/instructions/", "cs"]
        );
        let cpus_of = |b: usize| plan.bundles[b].cpus.clone();
        assert_eq!((cpus_of(0), cpus_of(2)), (Some(BTreeSet::from([2, 3])), None));
        let plan = planned(HYBRID, "{imc/config=1/,imc/config=2/}", everything(), &system(&cpus));
        assert_eq!(bundles(&plan), ["imc/config=1/#0+imc/config=2/#0", "imc/config=1/#1+imc/config=2/#1"]);
    }

    #[test]
    fn a_group_only_contains_events_of_the_same_cpus() {
        let cpus = BTreeSet::from([0, 1, 2, 3]);
        for list in ["{imc_0/config=1/,cpu-clock,cs}", "{cpu-clock,imc_0/config=1/,cs}"] {
            let plan = planned(HYBRID, list, everything(), &system(&cpus));
            assert_eq!(bundles(&plan), ["cpu-clock+cs", "imc_0/config=1/"], "{list}");
            assert_eq!(plan.bundles[0].cpus, None, "{list}: the clock of all CPUs");
        }
        // One kind of CPU lacks an event: its other members stay together, and so do those of the other kind.
        let kernel: Kernel = Arc::new(|ask: &Ask| match ask.id.config {
            config if config >> 32 == 10 && config & 0xff == 1 || config >> 32 == 0 => Err(libc::ENOENT),
            _ => counts(),
        });
        let plan = planned(HYBRID, "{cycles,instructions,branches}", kernel, &system(&cpus));
        assert_eq!(
            bundles(&plan),
            ["cpu_atom/cycles/+cpu_atom/branches/", "cpu_core/cycles/+cpu_core/instructions/+cpu_core/branches/"]
        );
    }

    #[test]
    fn an_event_requested_twice_is_counted_once() {
        let cpus = BTreeSet::from([0, 1, 2, 3]);
        let plan = planned(&[], "cs,{cs,page-faults},instructions,{cycles,instructions}", everything(), &system(&cpus));
        assert_eq!(bundles(&plan), ["cs+page-faults", "cycles+instructions"]);
        let requests: Vec<_> = plan.planned.iter().map(|p| (&*p.counter.name, p.requests.clone())).collect();
        assert_eq!(
            requests,
            [("cs", vec![0, 1]), ("page-faults", vec![1]), ("cycles", vec![3]), ("instructions", vec![2, 3])]
        );
        let plan = planned(&[], "cs,context-switches,cs:u", everything(), &system(&cpus));
        let names: Vec<_> = plan.planned.iter().map(|p| (&*p.counter.name, p.answers.clone())).collect();
        assert_eq!(names, [("cs", vec![0, 1]), ("cs:u", vec![2])], "an alias is the same event");
        let plan = planned(HYBRID, "cycles,cpu_core/cycles/", everything(), &system(&cpus));
        assert_eq!(bundles(&plan), ["cpu_atom/cycles/", "cpu_core/cycles/"]);
    }

    #[test]
    fn modifiers_of_a_group() {
        let cpus = BTreeSet::from([0]);
        let plan = planned(&[], "{cycles,instructions}:D,{branches,branch-misses}:W", everything(), &system(&cpus));
        let pinned: Vec<bool> = plan.planned.iter().map(|p| p.counter.modifiers.pinned).collect();
        assert_eq!(pinned, [true, false, false, false], "the leader's applies to the group");
        assert_eq!(plan.bundles.iter().map(|b| b.is_weak).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn missing_events_are_refused_and_the_rest_is_counted() {
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
    fn older_kernels_identify_kinds_of_cpu_by_their_cpus() {
        let cpus = BTreeSet::from([0, 1, 2, 3]);
        let kernel: Kernel = Arc::new(|ask: &Ask| if ask.id.config >> 32 == 0 { counts() } else { Err(libc::EINVAL) });
        let plan = planned(HYBRID, "cycles", kernel, &system(&cpus));
        let ids: Vec<u64> = plan.planned.iter().map(|p| p.counter.sources[0].id.config).collect();
        assert_eq!(ids, [0, 0]);
    }

    #[test]
    fn without_permission_user_mode_is_counted_and_reported() {
        let kernel: Kernel = Arc::new(|ask: &Ask| if ask.modifiers.no_kernel { counts() } else { Err(libc::EACCES) });
        let own = CounterTrial { whose: Whose::Thread(17), on_cpus: None, together: false };
        let plan = planned(&[], "cycles,instructions:u,cpu/x/", kernel, &own);
        let names: Vec<_> = plan.planned.iter().map(|p| &*p.counter.name).collect();
        assert_eq!(names, ["cycles:u", "instructions:u"]);
        assert_eq!(plan.user_only, ["cycles:u"]);
    }

    #[test]
    fn an_event_of_a_socket_cannot_be_counted_for_a_process() {
        let own = CounterTrial { whose: Whose::Thread(17), on_cpus: None, together: false };
        let plan = planned(HYBRID, "imc/config=1/", everything(), &own);
        assert_eq!(plan.refused[0].why, Why::Uncore);
        let far = BTreeSet::from([1]);
        let plan = planned(HYBRID, "imc_0/config=1/", everything(), &system(&far));
        assert_eq!(plan.refused[0].why, Why::Missing(libc::ENODEV), "not on the chosen CPUs");
    }
}
