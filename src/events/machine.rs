//! Finds what must be opened on this machine for an event name.

use std::collections::BTreeSet;

use super::generic::{self, GenericKind};
use super::modifier::Modifiers;
use super::name::{is_clock, parts};
use super::pmu::{BadTerms, Pmu, Pmus};
use super::{EventId, bandwidth, set, terms, tracepoint};
use crate::linux::files::Roots;

/// `perf_event_attr.type` of events that are given by the CPU's own number.
const RAW: u32 = 4;

/// If a machine has several kinds of CPU, the kernel expects the number of the PMU in the upper half of a generic
/// event's.
const PMU_SHIFT: u32 = 32;

/// What one row of an interval counts.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterSpec {
    /// The name that perf prints.
    pub name: String,
    /// Added up: several memory controllers of a machine are one series.
    pub sources: Vec<CounterSource>,
    pub modifiers: Modifiers,
    /// The count times this factor is in `unit`.
    pub scale: f64,
    pub unit: Option<String>,
    /// The value itself is meant, not its growth.
    pub is_level: bool,
}

/// One number to open, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterSource {
    pub id: EventId,
    /// Its number in older kernels.
    pub older: Option<EventId>,
    /// `None`: on every CPU.
    pub cpus: Option<BTreeSet<u32>>,
    /// It counts for a whole socket or machine, so it cannot count for a process or a cgroup.
    pub is_uncore: bool,
}

impl CounterSource {
    fn anywhere(id: EventId) -> CounterSource {
        CounterSource { id, older: None, cpus: None, is_uncore: false }
    }

    fn on_pmu(pmu: &Pmu, id: EventId) -> CounterSource {
        CounterSource { id, older: None, cpus: pmu.cpus.clone(), is_uncore: pmu.cpus.is_some() && !pmu.is_core }
    }
}

/// Why a name cannot be opened by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// Nothing here has this name, according to sysfs and tracefs.
    Unknown(String),
    /// perf may know more: event names of CPU models, breakpoints, probes.
    OnlyPerf(String),
}

impl From<BadTerms> for Unresolved {
    fn from(bad: BadTerms) -> Unresolved {
        match bad {
            BadTerms::Word(reason) => Unresolved::OnlyPerf(reason),
            BadTerms::Value(reason) => Unresolved::Unknown(reason),
        }
    }
}

impl Unresolved {
    pub fn reason(&self) -> &str {
        match self {
            Unresolved::Unknown(reason) | Unresolved::OnlyPerf(reason) => reason,
        }
    }
}

/// The event names of this machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub roots: Roots,
    pub pmus: Pmus,
    /// The PMUs of the kinds of CPU, if there are several.
    hybrid: Vec<Pmu>,
}

impl Machine {
    pub fn from_roots(roots: &Roots) -> Machine {
        let pmus = Pmus::new(roots);
        Machine { roots: roots.clone(), hybrid: pmus.hybrid(), pmus }
    }

    /// What to open for one event. There are several counters if several kinds of CPU count it, because their counts
    /// have different meanings.
    ///
    /// # Errors
    /// If the event is not known here.
    pub fn resolve(&self, event: &str) -> Result<Vec<CounterSpec>, Unresolved> {
        let parts = parts(event);
        let letters = parts.modifiers.unwrap_or_default();
        let modifiers = Modifiers::parse(letters)
            .ok_or_else(|| Unresolved::OnlyPerf(format!("`:{letters}` is more than counting")))?;
        let counter = |name: &str, sources: Vec<CounterSource>| CounterSpec {
            name: name.to_string(),
            sources,
            modifiers,
            // The kernel's clocks are in nanoseconds; users of perf know them in milliseconds.
            scale: if is_clock(parts.base) { 1e-6 } else { 1.0 },
            unit: is_clock(parts.base).then(|| "msec".to_string()),
            is_level: false,
        };
        if let Some(pmu) = parts.pmu {
            return self.resolve_on_pmus(event, pmu, parts.base, counter);
        }
        if let Some(terms) = terms::of(event).filter(|_| generic::id_of(parts.base).is_some()) {
            let bare = if letters.is_empty() { parts.base.to_string() } else { format!("{}:{letters}", parts.base) };
            return self.with_terms(&bare, terms);
        }
        if let Some(config) = raw(parts.base) {
            return Ok(self.on_each_kind(event, EventId::new(RAW, config), counter));
        }
        if let Some(id) = generic::id_of(parts.base) {
            if id.kind == GenericKind::Software.number() {
                return Ok(vec![counter(event, vec![CounterSource::anywhere(id)])]);
            }
            return Ok(self.on_each_kind(event, id, counter));
        }
        if let Some((name, letters)) = parts.base.split_once(':').filter(|(name, _)| generic::id_of(name).is_some()) {
            return Err(Unresolved::Unknown(format!("`{letters}` are not modifiers of `{name}`")));
        }
        if tracepoint::split(parts.base).is_some() {
            return match tracepoint::id_of(&self.roots, parts.base) {
                Some(id) => Ok(vec![counter(event, vec![CounterSource::anywhere(id)])]),
                None => Err(match tracepoint::all(&self.roots) {
                    Ok(_) => Unresolved::Unknown("no such tracepoint".into()),
                    Err(error) => Unresolved::OnlyPerf(format!("tracepoints cannot be read: {error}")),
                }),
            };
        }
        if parts.base == set::MEMORY_BANDWIDTH {
            let is_none = bandwidth::events(&self.pmus).is_empty();
            let why = if is_none { bandwidth::NONE } else { "a set has no modifiers, and is no member of a group" };
            return Err(Unresolved::Unknown(why.into()));
        }
        match self.pmus.with_event(parts.base).as_slice() {
            [] => Err(Unresolved::OnlyPerf("the kernel has no event with this name".into())),
            pmus => counters(pmus, event, parts.base, &counter).map_err(Unresolved::from),
        }
    }

    /// `cs/name=mine,period=1000/`: terms after a generic event.
    fn with_terms(&self, bare: &str, terms: &str) -> Result<Vec<CounterSpec>, Unresolved> {
        // Periods and frequencies concern sampling; all other words change what is counted.
        let harmless = |term: &&str| matches!(term.split('=').next(), Some("name" | "period" | "freq" | "metric-id"));
        if let Some(term) = terms::split(terms).find(|term| !harmless(term)) {
            return Err(Unresolved::OnlyPerf(format!("only perf knows `{term}` of a generic event")));
        }
        let mut counters = self.resolve(bare)?;
        // Several kinds of CPU keep their own names.
        if let ([counter], Some(name)) = (counters.as_mut_slice(), terms::given_name(terms)) {
            counter.name = name.to_string();
        }
        Ok(counters)
    }

    fn resolve_on_pmus(
        &self,
        event: &str,
        pmu: &str,
        terms: &str,
        counter: impl Fn(&str, Vec<CounterSource>) -> CounterSpec,
    ) -> Result<Vec<CounterSpec>, Unresolved> {
        let pmus = self.pmus.matching(pmu);
        if pmus.is_empty() {
            // perf accepts patterns, and has its own names for some units.
            return Err(Unresolved::OnlyPerf(format!("no PMU `{pmu}`")));
        }
        match counters(&pmus, event, terms, &counter) {
            Ok(counters) => Ok(counters),
            Err(bad) => match (pmus.as_slice(), generic::id_of(terms)) {
                // `cpu_core/cycles/`: a generic event of one kind of CPU.
                ([pmu], Some(id)) if pmu.is_core && id.kind != GenericKind::Software.number() => {
                    Ok(vec![counter(event, vec![on_kind(pmu, id)])])
                }
                _ => Err(bad.into()),
            },
        }
    }

    fn on_each_kind(
        &self,
        event: &str,
        id: EventId,
        counter: impl Fn(&str, Vec<CounterSource>) -> CounterSpec,
    ) -> Vec<CounterSpec> {
        if self.hybrid.is_empty() {
            return vec![counter(event, vec![CounterSource::anywhere(id)])];
        }
        let (base, letters) = event.split_once(':').unwrap_or((event, ""));
        let name = |pmu: &Pmu| format!("{}/{base}/{letters}", pmu.name);
        self.hybrid.iter().map(|pmu| counter(&name(pmu), vec![on_kind(pmu, id)])).collect()
    }
}

/// A generic or raw event, counted by one kind of CPU.
fn on_kind(pmu: &Pmu, id: EventId) -> CounterSource {
    if id.kind == RAW {
        return CounterSource::on_pmu(pmu, EventId { kind: pmu.kind, ..id });
    }
    if !pmu.is_hybrid {
        return CounterSource::on_pmu(pmu, id);
    }
    let extended = EventId { config: id.config | u64::from(pmu.kind) << PMU_SHIFT, ..id };
    CounterSource { older: Some(id), ..CounterSource::on_pmu(pmu, extended) }
}

/// Terms of several PMUs: many units with one name become one series, kinds of CPU one series each.
fn counters(
    pmus: &[Pmu],
    event: &str,
    terms: &str,
    counter: &impl Fn(&str, Vec<CounterSource>) -> CounterSpec,
) -> Result<Vec<CounterSpec>, BadTerms> {
    let mut all: Vec<CounterSpec> = Vec::new();
    for pmu in pmus {
        let encoded = pmu.encode(terms)?;
        let source = CounterSource::on_pmu(pmu, encoded.id);
        match all.first_mut() {
            Some(first) if !pmu.is_core => first.sources.push(source),
            _ => {
                let own =
                    || if pmus.len() > 1 && pmu.is_core { format!("{}/{terms}/", pmu.name) } else { event.into() };
                let name = encoded.name.unwrap_or_else(own);
                let mut new = counter(&name, vec![source]);
                new.scale *= encoded.described.scale.unwrap_or(1.0);
                new.unit = encoded.described.unit.or(new.unit);
                new.is_level = encoded.described.is_level;
                all.push(new);
            }
        }
    }
    Ok(all)
}

/// `r01c2`.
fn raw(base: &str) -> Option<u64> {
    let digits = base.strip_prefix('r').filter(|d| (1..=16).contains(&d.len()))?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::super::pmu::tests::{roots, tree};
    use super::super::request::{Request, split_list};
    use super::*;
    use proptest::prelude::*;

    type Files = &'static [(&'static str, &'static str)];

    const HYBRID: Files = &[
        ("bus/event_source/devices/cpu_core/type", "4\n"),
        ("bus/event_source/devices/cpu_core/cpus", "0-1\n"),
        ("bus/event_source/devices/cpu_core/format/event", "config:0-7\n"),
        ("bus/event_source/devices/cpu_core/events/mem-loads", "event=0xcd\n"),
        ("bus/event_source/devices/cpu_atom/type", "10\n"),
        ("bus/event_source/devices/cpu_atom/cpus", "2-5\n"),
        ("bus/event_source/devices/cpu_atom/format/event", "config:0-7\n"),
        ("bus/event_source/devices/cpu_atom/events/mem-loads", "event=0xd0\n"),
        ("bus/event_source/devices/power/type", "9\n"),
        ("bus/event_source/devices/power/cpumask", "0\n"),
        ("bus/event_source/devices/power/format/event", "config:0-7\n"),
        ("bus/event_source/devices/power/events/energy-pkg", "event=0x02\n"),
        ("bus/event_source/devices/power/events/energy-pkg.unit", "Joules\n"),
        ("bus/event_source/devices/power/events/energy-pkg.scale", "2.3283064365386962890625e-10\n"),
        ("bus/event_source/devices/uncore_imc_0/type", "20\n"),
        ("bus/event_source/devices/uncore_imc_0/cpumask", "0\n"),
        ("bus/event_source/devices/uncore_imc_0/events/reads", "config=1\n"),
        ("bus/event_source/devices/uncore_imc_1/type", "21\n"),
        ("bus/event_source/devices/uncore_imc_1/cpumask", "0\n"),
        ("bus/event_source/devices/uncore_imc_1/events/reads", "config=1\n"),
        ("kernel/tracing/events/sched/sched_switch/id", "316\n"),
    ];

    /// (name, [(type, config, CPUs)])
    type Plain = (String, Vec<(u32, u64, Option<Vec<u32>>)>);

    fn resolve(files: Files, event: &str) -> Result<Vec<Plain>, Unresolved> {
        let dir = tree(files);
        let counters = Machine::from_roots(&roots(&dir)).resolve(event)?;
        let source = |s: &CounterSource| (s.id.kind, s.id.config, s.cpus.as_ref().map(|c| c.iter().copied().collect()));
        Ok(counters.iter().map(|c| (c.name.clone(), c.sources.iter().map(source).collect())).collect())
    }

    fn one(name: &str, kind: u32, config: u64, cpus: Option<&[u32]>) -> Plain {
        (name.to_string(), vec![(kind, config, cpus.map(<[u32]>::to_vec))])
    }

    #[test]
    fn an_ordinary_machine() {
        assert_eq!(resolve(&[], "cycles").unwrap(), [one("cycles", 0, 0, None)]);
        assert_eq!(resolve(&[], "cs:u").unwrap(), [one("cs:u", 1, 3, None)]);
        assert_eq!(resolve(&[], "r01c2:k").unwrap(), [one("r01c2:k", 4, 0x1c2, None)]);
        assert_eq!(resolve(&[], "L2-misses").unwrap(), [one("L2-misses", 3, 0x10002, None)]);
    }

    #[test]
    fn given_names_may_be_quoted() {
        let core: Option<&[u32]> = Some(&[0, 1]);
        for terms in ["event=0x3c,name='a,b'", "name=\"a,b\",event=0x3c"] {
            let found = resolve(HYBRID, &format!("cpu_core/{terms}/")).unwrap();
            assert_eq!(found, [one("a,b", 4, 0x3c, core)], "{terms}");
        }
        assert_eq!(resolve(&[], "cs/name='a,b'/u").unwrap(), [one("a,b", 1, 3, None)]);
        assert_eq!(resolve(&[], "cs/period=1000/").unwrap(), [one("cs", 1, 3, None)]);
        assert_eq!(resolve(HYBRID, "cycles/name=mine/").unwrap().len(), 2, "one per kind of CPU");
        assert!(matches!(resolve(&[], "cycles/config1=3/"), Err(Unresolved::OnlyPerf(_))));
    }

    #[test]
    fn each_kind_of_cpu_has_its_own_counter() {
        let atom: Option<&[u32]> = Some(&[2, 3, 4, 5]);
        let core: Option<&[u32]> = Some(&[0, 1]);
        assert_eq!(
            resolve(HYBRID, "cycles:u").unwrap(),
            [one("cpu_atom/cycles/u", 0, 10 << 32, atom), one("cpu_core/cycles/u", 0, 4 << 32, core)]
        );
        assert_eq!(
            resolve(HYBRID, "LLC-loads").unwrap(),
            [one("cpu_atom/LLC-loads/", 3, 10 << 32 | 2, atom), one("cpu_core/LLC-loads/", 3, 4 << 32 | 2, core)]
        );
        assert_eq!(
            resolve(HYBRID, "r3c").unwrap(),
            [one("cpu_atom/r3c/", 10, 0x3c, atom), one("cpu_core/r3c/", 4, 0x3c, core)]
        );
        assert_eq!(resolve(HYBRID, "cpu_core/cycles/").unwrap(), [one("cpu_core/cycles/", 0, 4 << 32, core)]);
        assert_eq!(resolve(HYBRID, "cpu_core/event=0x3c/").unwrap(), [one("cpu_core/event=0x3c/", 4, 0x3c, core)]);
        assert_eq!(
            resolve(HYBRID, "mem-loads").unwrap(),
            [one("cpu_atom/mem-loads/", 10, 0xd0, atom), one("cpu_core/mem-loads/", 4, 0xcd, core)]
        );
        assert_eq!(
            resolve(HYBRID, "page-faults").unwrap(),
            [one("page-faults", 1, 2, None)],
            "not an event of the CPU"
        );
    }

    #[test]
    fn many_units_of_one_name_are_one_series() {
        let both = vec![(20, 1, Some(vec![0])), (21, 1, Some(vec![0]))];
        assert_eq!(resolve(HYBRID, "uncore_imc/reads/").unwrap(), [("uncore_imc/reads/".to_string(), both.clone())]);
        assert_eq!(resolve(HYBRID, "reads").unwrap(), [("reads".to_string(), both)]);
        assert_eq!(resolve(HYBRID, "uncore_imc_1/reads/").unwrap(), [one("uncore_imc_1/reads/", 21, 1, Some(&[0]))]);
    }

    #[test]
    fn units_and_scales() {
        let dir = tree(HYBRID);
        let machine = Machine::from_roots(&roots(&dir));
        let energy = machine.resolve("power/energy-pkg/").unwrap().remove(0);
        assert_eq!((energy.unit.as_deref(), energy.scale), (Some("Joules"), 2.328_306_436_538_696_3e-10));
        assert!(energy.sources[0].is_uncore);
        let clock = machine.resolve("task-clock").unwrap().remove(0);
        assert_eq!((clock.unit.as_deref(), clock.scale), (Some("msec"), 1e-6));
    }

    #[test]
    fn tracepoints() {
        assert_eq!(resolve(HYBRID, "sched:sched_switch").unwrap(), [one("sched:sched_switch", 2, 316, None)]);
        assert_eq!(resolve(HYBRID, "sched:nosuch").unwrap_err(), Unresolved::Unknown("no such tracepoint".into()));
        assert!(matches!(resolve(&[], "sched:sched_switch").unwrap_err(), Unresolved::OnlyPerf(_)));
    }

    #[test]
    fn names_that_only_perf_may_know() {
        for event in
            ["ls_dispatch.ld_dispatch", "mem:0x1000:rw", "nosuch/x/", "cycles:P", "duration_time", "cpu_core/slots/"]
        {
            assert!(matches!(resolve(HYBRID, event), Err(Unresolved::OnlyPerf(_))), "{event}");
        }
        assert_eq!(
            resolve(HYBRID, "power/nosuch/").unwrap_err().reason(),
            "the PMU power has no event or term `nosuch`"
        );
        assert!(matches!(resolve(HYBRID, "cpu_core/event=0xfff/"), Err(Unresolved::Unknown(_))));
    }

    proptest! {
        #[test]
        fn no_list_of_events_makes_it_panic(pieces in prop::collection::vec(
            prop::sample::select(vec![
                "cycles", "cpu_core", "uncore_imc", "/", "{", "}", ",", ":", "u", "event=0x3c", "=", "r01c2", "sched:sched_switch",
                "\u{e4}", " ", "..", "name=", "'", "\"", "mem-loads", "power/energy-pkg/", "0xffffffffffffffffff", "?",
            ]),
            0..12,
        )) {
            let dir = tree(HYBRID);
            let machine = Machine::from_roots(&roots(&dir));
            for request in split_list(&pieces.concat()).into_iter().map(Request::new) {
                for member in request.members() {
                    let _ = (machine.resolve(&member), request.is_answered_by(&member));
                }
            }
        }
    }
}
