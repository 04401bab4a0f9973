//! All events that the kernel has a name for, and whether they can be counted here.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde::Serialize;

use super::facts::Facts;
use super::scope;
use super::syscall::open::{Kernel, Whose};
use super::syscall::probe::{ProbeAnswer, probe, probe_source};
use crate::events::bandwidth;
use crate::events::generic::{self, Generic, GenericKind};
use crate::events::machine::{CounterSpec, Machine};
use crate::events::tracepoint;
use crate::linux::cpus;
use crate::linux::files::Roots;

/// An event and its properties.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Offer {
    /// The name for `--perf-events`.
    pub name: String,
    pub aliases: Vec<String>,
    #[serde(rename = "type")]
    pub kind: EventKind,
    pub pmu: Option<String>,
    /// `core`: what programs do on CPUs; `uncore`: what a socket or machine does as a whole. Null: counted by the
    /// kernel.
    pub scope: Option<&'static str>,
    /// What is opened to count it; several if several kinds of CPU or units count it.
    pub encodings: Vec<Encoding>,
    pub unit: Option<String>,
    pub scale: Option<f64>,
    /// What it counts, in words or in the terms of the PMU.
    pub description: Option<String>,
    /// Source of the name: `perf_event.h`, or a path.
    pub source: String,
    pub state: Availability,
    /// Whether it can be counted system-wide, including the kernel.
    pub available: bool,
    /// Why it cannot be counted.
    pub reason: Option<String>,
    pub advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    Hardware,
    Software,
    Cache,
    Pmu,
    Tracepoint,
}

impl EventKind {
    pub const ALL: [EventKind; 5] =
        [EventKind::Hardware, EventKind::Software, EventKind::Cache, EventKind::Pmu, EventKind::Tracepoint];

    pub const fn word(self) -> &'static str {
        match self {
            EventKind::Hardware => "hardware",
            EventKind::Software => "software",
            EventKind::Cache => "cache",
            EventKind::Pmu => "pmu",
            EventKind::Tracepoint => "tracepoint",
        }
    }
}

impl From<GenericKind> for EventKind {
    fn from(kind: GenericKind) -> EventKind {
        match kind {
            GenericKind::Hardware => EventKind::Hardware,
            GenericKind::Software => EventKind::Software,
            GenericKind::Cache => EventKind::Cache,
        }
    }
}

/// Whether an event can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    Available,
    /// System-wide, but only in user mode.
    UserModeOnly,
    /// Only for the user's own processes (`--pid`), not system-wide.
    OwnProcesses,
    Unavailable,
}

/// The numbers for `perf_event_attr`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Encoding {
    /// The name of the series, which differs from the event's if there are several kinds of CPU.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: u32,
    /// Hexadecimal, because JSON numbers have too few bits.
    pub config: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config2: Option<String>,
    /// Null means any CPU.
    pub cpus: Option<String>,
}

/// Lists everything that has a name here.
pub struct Offers {
    machine: Machine,
    kernel: Kernel,
    facts: Facts,
    cpu: u32,
}

impl Offers {
    pub fn new(roots: &Roots, kernel: Kernel) -> Offers {
        let cpu = scope::online(roots).and_then(|cpus| cpus.first().copied()).unwrap_or(0);
        Offers { machine: Machine::from_roots(roots), kernel, facts: Facts::read(roots), cpu }
    }

    /// The events of the set `memory-bandwidth`; empty: this machine has none.
    pub fn memory_bandwidth(&self) -> Vec<String> {
        bandwidth::events(&self.machine.pmus)
    }

    /// Hardware, software and cache events.
    pub fn generic(&self) -> Vec<Offer> {
        generic::all().map(|event| self.generic_offer(event)).collect()
    }

    fn generic_offer(&self, event: Generic) -> Offer {
        let mut names = event.names.into_iter();
        let name = names.next().unwrap_or_default();
        let is_software = event.kind == GenericKind::Software;
        Offer {
            aliases: names.collect(),
            kind: event.kind.into(),
            scope: (!is_software).then_some("core"),
            description: Some(event.doc),
            source: "perf_event.h".into(),
            ..self.offer(name.clone(), self.machine.resolve(&name).map_err(|u| u.reason().to_string()))
        }
    }

    /// The events that the drivers of PMUs name.
    pub fn pmus(&self) -> Vec<Offer> {
        let mut offers = Vec::new();
        for pmu in self.machine.pmus.names().iter().filter_map(|name| self.machine.pmus.get(name)) {
            for event in pmu.events() {
                let name = format!("{}/{event}/", pmu.name);
                let counters = self.machine.resolve(&name).map_err(|u| u.reason().to_string());
                let described = pmu.event(&event).unwrap_or_default();
                offers.push(Offer {
                    aliases: Vec::new(),
                    kind: EventKind::Pmu,
                    pmu: Some(pmu.name.clone()),
                    scope: Some(if pmu.cpus.is_some() && !pmu.is_core { "uncore" } else { "core" }),
                    unit: described.unit,
                    scale: described.scale,
                    description: Some(described.terms),
                    source: format!("/sys/bus/event_source/devices/{}/events/{event}", pmu.name),
                    ..self.offer(name, counters)
                });
            }
        }
        offers
    }

    /// The tracepoints, thousands of them. Only one is tried and stands for all, because opening each would take the
    /// kernel a while.
    ///
    /// # Errors
    /// If tracefs cannot be read, with the reason.
    pub fn tracepoints(&self) -> Result<Vec<Offer>, String> {
        let names = tracepoint::all(&self.machine.roots).map_err(|e| e.to_string())?;
        let first = names.iter().find_map(|name| {
            let counters = self.machine.resolve(name).ok()?;
            Some(self.offer(name.clone(), Ok(counters)))
        });
        let Some(first) = first else { return Err("no tracepoint has a number that can be read".into()) };
        let offer = |name: String| Offer {
            kind: EventKind::Tracepoint,
            encodings: self.machine.resolve(&name).iter().flatten().flat_map(encodings).collect(),
            name,
            source: "tracefs".into(),
            ..first.clone()
        };
        Ok(names.into_iter().map(offer).collect())
    }

    fn offer(&self, name: String, counters: Result<Vec<CounterSpec>, String>) -> Offer {
        let mut offer = Offer {
            name,
            aliases: Vec::new(),
            kind: EventKind::Pmu,
            pmu: None,
            scope: None,
            encodings: Vec::new(),
            unit: None,
            scale: None,
            description: None,
            source: String::new(),
            state: Availability::Unavailable,
            available: false,
            reason: None,
            advice: None,
        };
        let counters = match counters {
            Ok(counters) => counters,
            Err(reason) => {
                offer.reason = Some(reason);
                return offer;
            }
        };
        offer.unit = counters.first().and_then(|c| c.unit.clone());
        offer.scale = counters.first().map(|c| c.scale).filter(|s| *s != 1.0);
        offer.encodings = counters.iter().flat_map(encodings).collect();
        // If there are several kinds of CPU, one is enough.
        for counter in &counters {
            let (state, errno) = self.state(counter);
            if offer.state == Availability::Unavailable {
                offer.state = state;
                offer.reason = errno.map(|e| self.facts.explain(e));
                offer.advice = errno.and_then(|e| self.facts.advise(e));
            }
        }
        offer.available = offer.state == Availability::Available;
        offer
    }

    fn state(&self, counter: &CounterSpec) -> (Availability, Option<i32>) {
        let Some(source) = counter.sources.first() else { return (Availability::Unavailable, Some(libc::ENOENT)) };
        let cpu = source.cpus.as_ref().and_then(BTreeSet::first).copied().unwrap_or(self.cpu);
        let ask = |id, whose| probe(&self.kernel, id, whose, counter.modifiers);
        match probe_source(&self.kernel, source, Whose::Cpu(cpu), counter.modifiers).0 {
            ProbeAnswer::Counts => (Availability::Available, None),
            ProbeAnswer::UserOnly => (Availability::UserModeOnly, Some(libc::EACCES)),
            ProbeAnswer::Missing(errno) => (Availability::Unavailable, Some(errno)),
            ProbeAnswer::Denied(errno) if source.is_uncore => (Availability::Unavailable, Some(errno)),
            ProbeAnswer::Denied(errno) => match ask(source.id, Whose::Thread(0)) {
                ProbeAnswer::Counts | ProbeAnswer::UserOnly => (Availability::OwnProcesses, Some(errno)),
                _ => (Availability::Unavailable, Some(errno)),
            },
        }
    }
}

fn encodings(counter: &CounterSpec) -> impl Iterator<Item = Encoding> {
    let more = |n: u64| (n != 0).then(|| format!("{n:#x}"));
    counter.sources.iter().map(move |source| Encoding {
        name: counter.name.clone(),
        kind: source.id.kind,
        config: format!("{:#x}", source.id.config),
        config1: more(source.id.config1),
        config2: more(source.id.config2),
        cpus: source.cpus.as_ref().map(cpus::format),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::syscall::open::Ask;
    use super::super::testing::{counts, software_only};
    use super::*;
    use crate::events::pmu::tests::{roots, tree};

    const FILES: &[(&str, &str)] = &[
        ("devices/system/cpu/online", "0-1\n"),
        ("bus/event_source/devices/power/type", "9\n"),
        ("bus/event_source/devices/power/cpumask", "0\n"),
        ("bus/event_source/devices/power/format/event", "config:0-7\n"),
        ("bus/event_source/devices/power/events/energy-pkg", "event=0x02\n"),
        ("bus/event_source/devices/power/events/energy-pkg.unit", "Joules\n"),
        ("bus/event_source/devices/power/events/energy-pkg.scale", "0.5\n"),
        ("bus/event_source/devices/power/events/needs", "event=?\n"),
        ("kernel/tracing/events/sched/sched_switch/id", "316\n"),
        ("kernel/tracing/events/sched/sched_wakeup/id", "317\n"),
    ];

    #[test]
    fn each_event_shows_whether_it_counts() {
        let tree = tree(FILES);
        let generic = Offers::new(&roots(&tree), software_only()).generic();
        let of = |name: &str| generic.iter().find(|o| o.name == name).unwrap();
        let clock = of("cpu-clock");
        assert_eq!((clock.available, clock.kind, clock.reason.as_deref()), (true, EventKind::Software, None));
        assert_eq!(of("context-switches").aliases, ["cs"]);
        let misses = of("LLC-load-misses");
        assert_eq!((misses.available, misses.kind, misses.scope), (false, EventKind::Cache, Some("core")));
        assert!(misses.reason.as_deref().unwrap().starts_with("not supported here"));
        assert_eq!(misses.advice, None, "nothing helps");
        assert_eq!((misses.encodings[0].kind, misses.encodings[0].config.as_str()), (3, "0x10002"));
        assert_eq!(generic.len(), 10 + 12 + 32);
    }

    #[test]
    fn without_permission_own_processes_can_be_counted() {
        let kernel: Kernel = Arc::new(|ask: &Ask| match (ask.whose, ask.id.kind) {
            (_, 9) => Err(libc::EACCES),
            (Whose::Thread(0), 1) if ask.modifiers.no_kernel => counts(),
            (Whose::Thread(0), 0) => Err(libc::ENOENT),
            _ => Err(libc::EACCES),
        });
        let tree = tree(FILES);
        let offers = Offers::new(&roots(&tree), kernel);
        let generic = offers.generic();
        let state =
            |name: &str| generic.iter().find(|o| o.name == name).map(|o| (o.state, o.advice.is_some())).unwrap();
        assert_eq!(state("cpu-clock"), (Availability::OwnProcesses, true));
        assert_eq!(state("cycles"), (Availability::Unavailable, false), "the machine has none");
        assert_eq!(offers.pmus()[0].state, Availability::Unavailable);
    }

    #[test]
    fn pmus_and_tracepoints() {
        let tree = tree(FILES);
        let offers = Offers::new(&roots(&tree), Arc::new(|_: &Ask| counts()));
        let pmus = offers.pmus();
        let energy = &pmus[0];
        assert_eq!((energy.name.as_str(), energy.scope, energy.available), ("power/energy-pkg/", Some("uncore"), true));
        assert_eq!((energy.unit.as_deref(), energy.scale), (Some("Joules"), Some(0.5)));
        assert_eq!(energy.encodings[0].cpus.as_deref(), Some("0"));
        assert!(!pmus[1].available);
        assert!(pmus[1].reason.as_deref().unwrap().contains("needs a value for its parameter `event`"));
        let tracepoints = offers.tracepoints().unwrap();
        assert_eq!(tracepoints.len(), 2);
        assert!(tracepoints.iter().all(|t| t.available && t.kind == EventKind::Tracepoint));
        let empty = crate::events::pmu::tests::tree(&[]);
        assert!(Offers::new(&roots(&empty), software_only()).tracepoints().is_err());
    }
}
