//! Open counters, and the rows of an interval.
//!
//! The kernel adds up from the opening on; an interval is the difference of two reads. If more events were requested
//! than there are counters, the kernel takes turns and tells how long each one counted. The difference is scaled up
//! accordingly, CPU by CPU, as perf does it.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::open::{Ask, CounterReading, Kernel, OpenCounter, Whose};
use super::plan::{CounterPlan, Planned, Refusal, Why};
use super::probe::aside;
use crate::collect::perf::rows::{CountStatus, EventName, Missing, PerfRow};
use crate::events::modifier::counts_nothing_in_user_mode;
use crate::events::name;
use crate::table::significant;

/// Which counts go into which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterPlace {
    pub whose: PlaceOf,
    /// The rows' `cpu` and `target`; places that agree in both are added up.
    pub cpu: Option<u32>,
    pub target: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceOf {
    Cpu(u32),
    Thread(u32),
    /// The index of a cgroup, and a CPU.
    Cgroup(usize, u32),
}

impl PlaceOf {
    fn cpu(self) -> Option<u32> {
        match self {
            PlaceOf::Cpu(cpu) | PlaceOf::Cgroup(_, cpu) => Some(cpu),
            PlaceOf::Thread(_) => None,
        }
    }
}

/// A series of rows.
#[derive(Debug)]
struct CounterSeries {
    /// What its rows are sorted by, and the events that they answer.
    request: usize,
    answers: Vec<usize>,
    name: Arc<EventName>,
    unit: Option<Arc<str>>,
    scale: f64,
    is_level: bool,
    /// It always stays at zero: it happens in the kernel, and only user mode is counted.
    is_never: bool,
    cpu: Option<i32>,
    target: Option<Arc<str>>,
    /// Where its counter could not be opened: the sum of the other places would look like the whole.
    broken_at: Vec<PlaceOf>,
    /// The current interval.
    sum: Sum,
}

/// What the places of a series counted in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    value: f64,
    enabled_ns: u64,
    running_ns: u64,
    /// The enabled time of the places where it ran.
    seen_ns: u64,
    /// It was open all the time without being enabled: the process or cgroup did not run.
    slept: bool,
}

/// One descriptor that is read, and the group behind it.
#[derive(Debug)]
struct HeldCounter {
    open: OpenCounter,
    /// The rest of a group that is read through its leader; closed when dropped.
    members: Vec<OpenCounter>,
    /// The series of each value.
    series: Vec<usize>,
    place: PlaceOf,
    /// Index of [`CounterPlan::bundles`].
    bundle: usize,
    is_pinned: bool,
    before: Option<CounterReading>,
    /// Its time increased between the last two reads.
    goes_on: bool,
}

/// Identifies a series while counters are opened: what it counts, and the rows' `cpu` and `target`.
type Key = (usize, Option<i32>, Option<Arc<str>>);

/// Everything that is open.
pub struct Counters {
    plan: CounterPlan,
    kernel: Kernel,
    /// Folders of cgroups, which must stay open for CPUs that are added later.
    cgroups: Vec<File>,
    /// Whether a group is read at once; not possible with inheritance by children, which older kernels do not allow.
    read_as_group: bool,
    series: Vec<CounterSeries>,
    index: HashMap<Key, usize>,
    held: Vec<HeldCounter>,
    /// CPUs on which nothing counted in the interval: they went offline, and lost their counters.
    stalled: BTreeSet<u32>,
    now: CounterReading,
    rows: Vec<PerfRow>,
}

impl Counters {
    pub fn new(plan: CounterPlan, kernel: Kernel, cgroups: Vec<File>, read_as_group: bool) -> Counters {
        Counters {
            plan,
            kernel,
            cgroups,
            read_as_group,
            series: Vec::new(),
            index: HashMap::new(),
            held: Vec::new(),
            stalled: BTreeSet::new(),
            now: CounterReading::default(),
            rows: Vec::new(),
        }
    }

    /// Descriptors that are open.
    pub fn descriptors(&self) -> usize {
        self.held.iter().map(|h| 1 + h.members.len()).sum()
    }

    /// Opens everything that can be counted at this place. Returns what cannot, which then has no rows at all.
    pub fn open(&mut self, place: &CounterPlace) -> Vec<Refusal> {
        let mut refused = Vec::new();
        for bundle in 0..self.plan.bundles.len() {
            let own = self.plan.bundles[bundle].cpus.as_ref();
            let counts_here = own.zip(place.whose.cpu()).is_none_or(|(own, cpu)| own.contains(&cpu));
            // Those of a socket were kept when this CPU went offline.
            let is_held = || self.held.iter().any(|h| h.bundle == bundle && h.place == place.whose);
            if counts_here && !is_held() {
                self.open_bundle(bundle, place, &mut refused);
            }
        }
        refused
    }

    fn open_bundle(&mut self, number: usize, place: &CounterPlace, refused: &mut Vec<Refusal>) {
        let bundle = self.plan.bundles[number].clone();
        let is_group = bundle.members.len() > 1;
        let whose = match place.whose {
            PlaceOf::Cpu(cpu) => Whose::Cpu(cpu),
            PlaceOf::Thread(tid) => Whose::Thread(libc::pid_t::try_from(tid).unwrap_or(libc::pid_t::MAX)),
            PlaceOf::Cgroup(n, cpu) => Whose::Cgroup(self.cgroups.get(n).map_or(-1, AsRawFd::as_raw_fd), cpu),
        };
        // The first is the leader; members that do not fit in its group are opened alone.
        let mut opened: Vec<(OpenCounter, usize)> = Vec::new();
        let mut alone: Vec<(OpenCounter, usize)> = Vec::new();
        let mut is_pinned = false;
        for (planned, source) in bundle.members.iter().copied() {
            let counter = &self.plan.planned[planned].counter;
            let Some(source) = counter.sources.get(source) else { continue };
            let ask = Ask {
                leader: opened.first().map(|(leader, _)| leader.fd()),
                leads: is_group && opened.is_empty(),
                read_as_group: is_group && self.read_as_group,
                ..Ask::single(source.id, whose, counter.modifiers)
            };
            is_pinned |= counter.modifiers.pinned;
            let values = if ask.read_as_group { bundle.members.len() } else { 0 };
            let answer = match (self.kernel)(&ask) {
                Err(libc::EINVAL) if bundle.is_weak && ask.leader.is_some() => {
                    let by_itself = (self.kernel)(&Ask::single(source.id, whose, counter.modifiers));
                    by_itself.map(|fd| alone.push((OpenCounter::new(fd, 0), planned)))
                }
                answer => answer.map(|fd| opened.push((OpenCounter::new(fd, values), planned))),
            };
            let series = self.series_of(planned, place);
            match answer {
                Ok(()) => self.series[series].broken_at.retain(|at| *at != place.whose),
                // The CPU just went offline, or the thread ended: there is nothing to count.
                Err(libc::ENODEV | libc::ESRCH) => {}
                Err(errno) => {
                    let Planned { requests, counter, .. } = &self.plan.planned[planned];
                    let request = requests.first().copied().unwrap_or(0);
                    refused.push(Refusal { request, event: counter.name.clone(), why: Why::Missing(errno) });
                    if !self.series[series].broken_at.contains(&place.whose) {
                        self.series[series].broken_at.push(place.whose);
                    }
                }
            }
        }
        if let Some((leader, _)) = opened.first().filter(|_| is_group) {
            leader.enable();
        }
        let of = |open: OpenCounter, series: Vec<usize>, members: Vec<OpenCounter>| HeldCounter {
            open,
            members,
            series,
            place: place.whose,
            bundle: number,
            is_pinned,
            before: None,
            goes_on: false,
        };
        if is_group && self.read_as_group {
            let (mut opens, planned): (Vec<OpenCounter>, Vec<usize>) = opened.into_iter().unzip();
            if !opens.is_empty() {
                let leader = opens.remove(0);
                let series = planned.into_iter().map(|p| self.series_of(p, place)).collect();
                self.held.push(of(leader, series, opens));
            }
        } else {
            alone.extend(opened);
        }
        for (open, planned) in alone {
            let series = self.series_of(planned, place);
            self.held.push(of(open, vec![series], Vec::new()));
        }
    }

    /// The series of this counter and place, which may already exist.
    fn series_of(&mut self, planned: usize, place: &CounterPlace) -> usize {
        let cpu = place.cpu.and_then(|cpu| i32::try_from(cpu).ok());
        let key = (planned, cpu, place.target.as_deref().map(Arc::from));
        if let Some(at) = self.index.get(&key) {
            return *at;
        }
        let Planned { requests, answers, counter, .. } = &self.plan.planned[planned];
        let parts = name::parts(&counter.name);
        self.series.push(CounterSeries {
            request: requests.first().copied().unwrap_or(0),
            answers: answers.clone(),
            name: Arc::new(EventName {
                printed: counter.name.clone(),
                pmu: parts.pmu.map(str::to_string),
                modifiers: parts.modifiers.map(str::to_string),
            }),
            unit: counter.unit.as_deref().map(Into::into),
            scale: counter.scale,
            is_level: counter.is_level,
            is_never: counts_nothing_in_user_mode(&counter.name),
            cpu,
            target: key.2.clone(),
            broken_at: Vec::new(),
            sum: Sum::default(),
        });
        self.index.insert(key, self.series.len() - 1);
        self.series.len() - 1
    }

    /// Closes counters on other CPUs than these. Counters of a socket stay: the kernel reads them through another CPU.
    pub fn keep_only(&mut self, cpus: &BTreeSet<u32>) {
        let stays = |place: PlaceOf| place.cpu().is_none_or(|cpu| cpus.contains(&cpu));
        let of_socket: Vec<bool> = self.plan.bundles.iter().map(|b| b.is_uncore).collect();
        self.close_where(|h| of_socket.get(h.bundle) != Some(&true) && !stays(h.place));
        self.series.iter_mut().for_each(|s| s.broken_at.retain(|at| stays(*at)));
    }

    /// Closes the counters of this cgroup.
    pub fn close_cgroup(&mut self, n: usize, folder: File) {
        self.close_where(|h| matches!(h.place, PlaceOf::Cgroup(of, _) if of == n));
        if let Some(slot) = self.cgroups.get_mut(n) {
            *slot = folder;
        }
    }

    pub fn cgroups(&self) -> &[File] {
        &self.cgroups
    }

    /// Closes counters that only broken series would read.
    pub fn close_broken(&mut self) {
        let whole: Vec<bool> = self.series.iter().map(|s| s.broken_at.is_empty()).collect();
        self.close_where(|h| !h.series.iter().any(|s| whole.get(*s) == Some(&true)));
    }

    /// Closes everything.
    pub fn close(&mut self) {
        self.close_where(|_| true);
    }

    fn close_where(&mut self, goes: impl Fn(&HeldCounter) -> bool) {
        let (going, staying): (Vec<HeldCounter>, Vec<HeldCounter>) = self.held.drain(..).partition(goes);
        self.held = staying;
        if !going.is_empty() {
            aside(going);
        }
    }

    /// Sorts by event, as perf prints them. Called when all places are open.
    pub fn sort(&mut self) {
        let key = |s: &CounterSeries| (s.request, s.name.printed.clone(), s.cpu, s.target.clone());
        let mut order: Vec<usize> = (0..self.series.len()).collect();
        order.sort_by_cached_key(|n| key(&self.series[*n]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| place[*old] = new);
        let mut old: Vec<Option<CounterSeries>> = self.series.drain(..).map(Some).collect();
        self.series = order.iter().filter_map(|n| old[*n].take()).collect();
        self.held.iter_mut().flat_map(|h| &mut h.series).for_each(|s| *s = place[*s]);
        self.index.values_mut().for_each(|s| *s = place[*s]);
    }

    /// The CPUs on which nothing has counted since the read before the last.
    pub fn stalled(&self) -> &BTreeSet<u32> {
        &self.stalled
    }

    /// Reads everything. The rows cover the time since the previous read; counters that are read for the first time
    /// were not counted in it.
    pub fn read(&mut self, missing: &mut Missing) -> &[PerfRow] {
        for series in &mut self.series {
            series.sum = Sum::default();
        }
        self.stalled.clear();
        for held in &mut self.held {
            if !held.open.read(&mut self.now) {
                // A pinned counter that lost its place ends; another one ends when its CPU goes offline.
                let ended_ns = u64::from(held.is_pinned);
                for series in &held.series {
                    if let Some(series) = self.series.get_mut(*series) {
                        series.sum.enabled_ns += ended_ns;
                    }
                }
                continue;
            }
            if let Some(before) = &held.before {
                let enabled_ns = self.now.enabled_ns.saturating_sub(before.enabled_ns);
                let running_ns = self.now.running_ns.saturating_sub(before.running_ns);
                held.goes_on = enabled_ns > 0;
                if let (PlaceOf::Cpu(cpu), false) = (held.place, held.goes_on) {
                    self.stalled.insert(cpu);
                }
                let sleeps = enabled_ns == 0 && !matches!(held.place, PlaceOf::Cpu(_));
                let values = self.now.values.iter().zip(&before.values).zip(&held.series);
                for ((now, before), series) in values {
                    let Some(series) = self.series.get_mut(*series) else { continue };
                    series.sum.slept |= sleeps;
                    series.sum.add(
                        *now,
                        if series.is_level { 0 } else { *before },
                        enabled_ns,
                        running_ns,
                        series.is_level,
                    );
                }
            }
            let before = held.before.get_or_insert_default();
            std::mem::swap(before, &mut self.now);
        }
        // If one of a CPU's counters continues, the CPU was online.
        let (held, bundles) = (&self.held, &self.plan.bundles);
        let of_cpu = |h: &HeldCounter| bundles.get(h.bundle).is_some_and(|b| !b.is_uncore);
        self.stalled.retain(|cpu| {
            let mut own = held.iter().filter(|h| of_cpu(h) && h.place == PlaceOf::Cpu(*cpu));
            let is_counted = own.clone().next().is_some();
            is_counted && !own.any(|h| h.goes_on)
        });
        self.rows.clear();
        for series in self.series.iter().filter(|s| s.broken_at.is_empty()) {
            let row = series.row();
            if row.status == CountStatus::Counted {
                series.answers.iter().for_each(|event| missing.answer(*event));
            }
            self.rows.push(row);
        }
        &self.rows
    }
}

impl Sum {
    fn add(&mut self, now: u64, before: u64, enabled_ns: u64, running_ns: u64, is_level: bool) {
        self.enabled_ns += enabled_ns;
        // A counter that decreased was reset: it says nothing about the interval.
        let Some(growth) = now.checked_sub(before).filter(|_| running_ns > 0) else { return };
        let shared = running_ns < enabled_ns && !is_level;
        let scale = if shared { enabled_ns as f64 / running_ns as f64 } else { 1.0 };
        self.value += growth as f64 * scale;
        self.running_ns += running_ns;
        self.seen_ns += enabled_ns;
    }
}

impl CounterSeries {
    fn row(&self) -> PerfRow {
        let Sum { mut value, enabled_ns, running_ns, seen_ns, slept } = self.sum;
        // Events that did not run cannot have counted anything: the kernel returns zero.
        let counted = running_ns > 0 || slept && enabled_ns == 0;
        if seen_ns < enabled_ns && !self.is_level && seen_ns > 0 {
            // It found no counter on some of the CPUs: they are assumed to have counted like the others.
            value *= enabled_ns as f64 / seen_ns as f64;
        }
        // An estimate is a whole number like a count; a value with a unit has the precision of any measurement.
        let value = if self.scale == 1.0 { value.round() } else { significant(value * self.scale) };
        let percent = || significant(100.0 * running_ns.min(enabled_ns) as f64 / enabled_ns as f64);
        let is_never = self.is_never && value == 0.0;
        let status = match (is_never, counted) {
            (true, _) => CountStatus::NotSupported,
            (false, true) => CountStatus::Counted,
            (false, false) => CountStatus::NotCounted,
        };
        PerfRow {
            name: self.name.clone(),
            cpu: self.cpu,
            target: self.target.clone(),
            value: (status == CountStatus::Counted).then_some(value),
            unit: self.unit.clone(),
            status,
            running_percent: (enabled_ns > 0 && !is_never).then(percent),
        }
    }
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
