//! Open counters, and the rows that an interval makes of them.
//!
//! The kernel adds up from the opening on; an interval is the difference of two reads. Where more events than counters were
//! asked for, the kernel takes turns and tells how long each one counted: the difference is scaled up by that, CPU by CPU, as
//! perf does it.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::open::{Ask, Kernel, Open, Reading, Whose};
use super::plan::{Plan, Planned, Refusal, Why};
use super::probe::aside;
use crate::perf::event::name;
use crate::perf::rows::{Missing, Name, Row, Status};
use crate::schema::significant;

/// Whose counts go into which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
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
struct Series {
    /// What its rows are sorted by, and the events that they answer.
    request: usize,
    answers: Vec<usize>,
    name: Arc<Name>,
    unit: Option<Arc<str>>,
    scale: f64,
    is_level: bool,
    cpu: Option<i32>,
    target: Option<Arc<str>>,
    /// Where its counter could not be opened: what the other places count would pass for the whole.
    broken_at: Vec<PlaceOf>,
    /// The interval at hand.
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
    /// It was there all the time without being enabled: the process or cgroup did not run.
    slept: bool,
}

/// One descriptor that is read, and the group behind it.
#[derive(Debug)]
struct Held {
    open: Open,
    /// The rest of a group that is read through its leader; they end when they are closed.
    members: Vec<Open>,
    /// The series of each value.
    series: Vec<usize>,
    place: PlaceOf,
    is_uncore: bool,
    is_pinned: bool,
    before: Option<Reading>,
}

/// What a series is found by while counters are opened: what it counts, and the rows' `cpu` and `target`.
type Key = (usize, Option<i32>, Option<Arc<str>>);

/// Everything that is open.
pub struct Counters {
    plan: Plan,
    kernel: Kernel,
    /// Folders of cgroups, which must stay open for CPUs that come later.
    cgroups: Vec<File>,
    /// A group is read at once; not where children inherit it, which older kernels do not allow.
    read_as_group: bool,
    series: Vec<Series>,
    index: HashMap<Key, usize>,
    held: Vec<Held>,
    /// CPUs on which nothing counted in the interval: they went off-line, and their counters with them.
    stalled: BTreeSet<u32>,
    now: Reading,
    rows: Vec<Row>,
}

impl Counters {
    pub fn new(plan: Plan, kernel: Kernel, cgroups: Vec<File>, read_as_group: bool) -> Counters {
        Counters {
            plan,
            kernel,
            cgroups,
            read_as_group,
            series: Vec::new(),
            index: HashMap::new(),
            held: Vec::new(),
            stalled: BTreeSet::new(),
            now: Reading::default(),
            rows: Vec::new(),
        }
    }

    /// Descriptors that are open.
    pub fn descriptors(&self) -> usize {
        self.held.iter().map(|h| 1 + h.members.len()).sum()
    }

    /// Opens everything that can be counted at this place; returns what cannot, which then has no rows at all.
    pub fn open(&mut self, place: &Place) -> Vec<Refusal> {
        let mut refused = Vec::new();
        for bundle in 0..self.plan.bundles.len() {
            let own = self.plan.bundles[bundle].cpus.as_ref();
            if own.zip(place.whose.cpu()).is_none_or(|(own, cpu)| own.contains(&cpu)) {
                self.open_bundle(bundle, place, &mut refused);
            }
        }
        refused
    }

    fn open_bundle(&mut self, bundle: usize, place: &Place, refused: &mut Vec<Refusal>) {
        let bundle = self.plan.bundles[bundle].clone();
        let is_group = bundle.members.len() > 1;
        let whose = match place.whose {
            PlaceOf::Cpu(cpu) => Whose::Cpu(cpu),
            PlaceOf::Thread(tid) => Whose::Thread(libc::pid_t::try_from(tid).unwrap_or(libc::pid_t::MAX)),
            PlaceOf::Cgroup(n, cpu) => Whose::Cgroup(self.cgroups.get(n).map_or(-1, AsRawFd::as_raw_fd), cpu),
        };
        // The first is the leader; those for whom it has no room stand alone.
        let mut opened: Vec<(Open, usize)> = Vec::new();
        let mut alone: Vec<(Open, usize)> = Vec::new();
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
                    by_itself.map(|fd| alone.push((Open::new(fd, 0), planned)))
                }
                answer => answer.map(|fd| opened.push((Open::new(fd, values), planned))),
            };
            let series = self.series_of(planned, place);
            match answer {
                Ok(()) => self.series[series].broken_at.retain(|at| *at != place.whose),
                // The CPU went off-line, or the thread ended, just now: there is nothing to be counted.
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
        let of = |open: Open, series: Vec<usize>, members: Vec<Open>| Held {
            open,
            members,
            series,
            place: place.whose,
            is_uncore: bundle.is_uncore,
            is_pinned,
            before: None,
        };
        if is_group && self.read_as_group {
            let (mut opens, planned): (Vec<Open>, Vec<usize>) = opened.into_iter().unzip();
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

    /// The series of this counter and place, which may be there already.
    fn series_of(&mut self, planned: usize, place: &Place) -> usize {
        let cpu = place.cpu.and_then(|cpu| i32::try_from(cpu).ok());
        let key = (planned, cpu, place.target.as_deref().map(Arc::from));
        if let Some(at) = self.index.get(&key) {
            return *at;
        }
        let Planned { requests, answers, counter } = &self.plan.planned[planned];
        let parts = name::parts(&counter.name);
        self.series.push(Series {
            request: requests.first().copied().unwrap_or(0),
            answers: answers.clone(),
            name: Arc::new(Name {
                printed: counter.name.clone(),
                pmu: parts.pmu.map(str::to_string),
                modifiers: parts.modifiers.map(str::to_string),
            }),
            unit: counter.unit.as_deref().map(Into::into),
            scale: counter.scale,
            is_level: counter.is_level,
            cpu,
            target: key.2.clone(),
            broken_at: Vec::new(),
            sum: Sum::default(),
        });
        self.index.insert(key, self.series.len() - 1);
        self.series.len() - 1
    }

    /// Closes what counts on other CPUs than these. Counters of a socket stay: the kernel asks through another CPU.
    pub fn keep_only(&mut self, cpus: &BTreeSet<u32>) {
        let stays = |place: PlaceOf| place.cpu().is_none_or(|cpu| cpus.contains(&cpu));
        self.close_where(|h| !h.is_uncore && !stays(h.place));
        self.series.iter_mut().for_each(|s| s.broken_at.retain(|at| stays(*at)));
    }

    /// Closes what counts in this cgroup.
    pub fn close_cgroup(&mut self, n: usize, folder: File) {
        self.close_where(|h| matches!(h.place, PlaceOf::Cgroup(of, _) if of == n));
        if let Some(slot) = self.cgroups.get_mut(n) {
            *slot = folder;
        }
    }

    pub fn cgroups(&self) -> &[File] {
        &self.cgroups
    }

    /// Closes what only broken series would read.
    pub fn close_broken(&mut self) {
        let whole: Vec<bool> = self.series.iter().map(|s| s.broken_at.is_empty()).collect();
        self.close_where(|h| !h.series.iter().any(|s| whole.get(*s) == Some(&true)));
    }

    /// Closes everything.
    pub fn close(&mut self) {
        self.close_where(|_| true);
    }

    fn close_where(&mut self, goes: impl Fn(&Held) -> bool) {
        let (going, staying): (Vec<Held>, Vec<Held>) = self.held.drain(..).partition(goes);
        self.held = staying;
        if !going.is_empty() {
            aside(going);
        }
    }

    /// Event by event, as perf prints them: to be called when all places are open.
    pub fn sort(&mut self) {
        let key = |s: &Series| (s.request, s.name.printed.clone(), s.cpu, s.target.clone());
        let mut order: Vec<usize> = (0..self.series.len()).collect();
        order.sort_by_cached_key(|n| key(&self.series[*n]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| place[*old] = new);
        let mut old: Vec<Option<Series>> = self.series.drain(..).map(Some).collect();
        self.series = order.iter().filter_map(|n| old[*n].take()).collect();
        self.held.iter_mut().flat_map(|h| &mut h.series).for_each(|s| *s = place[*s]);
        self.index.values_mut().for_each(|s| *s = place[*s]);
    }

    /// The CPUs on which nothing counted since the read before the last.
    pub fn stalled(&self) -> &BTreeSet<u32> {
        &self.stalled
    }

    /// Reads everything. The rows are those of the time since the read before; what is read for the first time was not
    /// counted in it.
    pub fn read(&mut self, missing: &mut Missing) -> &[Row] {
        for series in &mut self.series {
            series.sum = Sum::default();
        }
        self.stalled.clear();
        for held in &mut self.held {
            if !held.open.read(&mut self.now) {
                // A pinned counter that lost its place ends; another one when its CPU goes off-line.
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
                if let (PlaceOf::Cpu(cpu), 0, false) = (held.place, enabled_ns, held.is_uncore) {
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
        self.rows.clear();
        for series in self.series.iter().filter(|s| s.broken_at.is_empty()) {
            let row = series.row();
            if row.status == Status::Counted {
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
        // A counter that fell was reset: it says nothing about the interval.
        let Some(growth) = now.checked_sub(before).filter(|_| running_ns > 0) else { return };
        let shared = running_ns < enabled_ns && !is_level;
        let scale = if shared { enabled_ns as f64 / running_ns as f64 } else { 1.0 };
        self.value += growth as f64 * scale;
        self.running_ns += running_ns;
        self.seen_ns += enabled_ns;
    }
}

impl Series {
    fn row(&self) -> Row {
        let Sum { mut value, enabled_ns, running_ns, seen_ns, slept } = self.sum;
        // Nothing that did not run can have counted anything: zero is what the kernel says.
        let counted = running_ns > 0 || slept && enabled_ns == 0;
        if seen_ns < enabled_ns && !self.is_level && seen_ns > 0 {
            // It found no counter on some of the CPUs: they are taken to have done as the others did.
            value *= enabled_ns as f64 / seen_ns as f64;
        }
        // An estimate is a whole number like a count; what has a unit is given as precisely as any measurement.
        let value = if self.scale == 1.0 { value.round() } else { significant(value * self.scale) };
        let percent = || significant(100.0 * running_ns.min(enabled_ns) as f64 / enabled_ns as f64);
        Row {
            name: self.name.clone(),
            cpu: self.cpu,
            target: self.target.clone(),
            value: counted.then_some(value),
            unit: self.unit.clone(),
            status: if counted { Status::Counted } else { Status::NotCounted },
            running_percent: (enabled_ns > 0).then(percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::event::machine::Machine;
    use crate::perf::event::pmu::tests::{roots, tree};
    use crate::perf::event::request::{Request, split_list};
    use crate::perf::syscall::plan::{Trial, plan};
    use crate::perf::testing::Script;

    const HYBRID: &[(&str, &str)] = &[
        ("bus/event_source/devices/cpu_core/type", "4\n"),
        ("bus/event_source/devices/cpu_core/cpus", "0\n"),
        ("bus/event_source/devices/cpu_atom/type", "10\n"),
        ("bus/event_source/devices/cpu_atom/cpus", "1\n"),
        ("bus/event_source/devices/power/type", "9\n"),
        ("bus/event_source/devices/power/cpumask", "0\n"),
        ("bus/event_source/devices/power/format/event", "config:0-7\n"),
        ("bus/event_source/devices/power/events/energy-pkg", "event=0x02\n"),
        ("bus/event_source/devices/power/events/energy-pkg.unit", "Joules\n"),
        ("bus/event_source/devices/power/events/energy-pkg.scale", "0.25\n"),
        ("bus/event_source/devices/msr/type", "11\n"),
        ("bus/event_source/devices/msr/format/event", "config:0-63\n"),
        ("bus/event_source/devices/thermal/type", "30\n"),
        ("bus/event_source/devices/thermal/events/level", "config=1\n"),
        ("bus/event_source/devices/thermal/events/level.snapshot", "1\n"),
    ];

    struct Bench {
        counters: Counters,
        missing: Missing,
        script: Script,
    }

    /// (event, cpu, value, running, status)
    type Plain = (String, Option<i32>, Option<f64>, Option<f64>, &'static str);

    impl Bench {
        fn new(list: &str, per_cpu: bool) -> Bench {
            let dir = tree(HYBRID);
            let requests: Arc<[Request]> = split_list(list).into_iter().map(Request::new).collect();
            let script = Script::default();
            let cpus = BTreeSet::from([0, 1]);
            let trial = Trial { whose: Whose::Cpu(0), on_cpus: Some(&cpus), together: true };
            let plan = plan(&requests, &Machine::look(&roots(&dir)), &script.kernel(), &trial);
            script.forget();
            let mut counters = Counters::new(plan, script.kernel(), Vec::new(), true);
            for cpu in 0..2 {
                let place = Place { whose: PlaceOf::Cpu(cpu), cpu: per_cpu.then_some(cpu), target: None };
                assert_eq!(counters.open(&place), []);
            }
            counters.sort();
            Bench { counters, missing: Missing::new(requests), script }
        }

        fn read(&mut self) -> Vec<Plain> {
            let rows = self.counters.read(&mut self.missing);
            rows.iter().map(|r| (r.name.printed.clone(), r.cpu, r.value, r.running_percent, r.status.word())).collect()
        }
    }

    fn counted(event: &str, cpu: Option<i32>, value: f64, running: f64) -> Plain {
        (event.into(), cpu, Some(value), Some(running), "counted")
    }

    #[test]
    fn counts_are_differences_over_all_cpus() {
        let mut b = Bench::new("cs,page-faults", false);
        // A group: number of members, enabled, running, values.
        b.script.answers(0, &[2, 100, 100, 5, 50]);
        b.script.answers(1, &[2, 100, 100, 7, 70]);
        b.read();
        b.script.answers(0, &[2, 1100, 1100, 6, 53]);
        b.script.answers(1, &[2, 1100, 1100, 10, 70]);
        assert_eq!(b.read(), [counted("cs", None, 4.0, 100.0), counted("page-faults", None, 3.0, 100.0)]);
        assert_eq!(b.missing.take(), None);
    }

    #[test]
    fn each_cpu_by_itself() {
        let mut b = Bench::new("cs", true);
        for (cpu, value) in [(0, 5), (1, 7)] {
            b.script.answers(cpu, &[value, 100, 100]);
        }
        b.read();
        b.script.answers(0, &[6, 200, 200]);
        b.script.answers(1, &[9, 200, 200]);
        assert_eq!(b.read(), [counted("cs", Some(0), 1.0, 100.0), counted("cs", Some(1), 2.0, 100.0)]);
    }

    #[test]
    fn shared_counters_are_scaled_on_each_cpu() {
        let mut b = Bench::new("cpu_core/cycles/,cpu_atom/cycles/", false);
        b.script.answers(0, &[1000, 0, 0]);
        b.script.answers(1, &[1000, 0, 0]);
        b.read();
        b.script.answers(0, &[1300, 1000, 250]);
        b.script.answers(1, &[1000, 1000, 0]);
        assert_eq!(
            b.read(),
            [
                // 300 in a quarter of the time.
                counted("cpu_core/cycles/", None, 1200.0, 25.0),
                ("cpu_atom/cycles/".into(), None, None, Some(0.0), "not_counted"),
            ]
        );
        assert_eq!(b.missing.take().as_deref(), Some("cpu_atom/cycles/"));
        // It was not to count at all: nothing ran there.
        b.script.answers(0, &[1400, 2000, 1250]);
        b.script.answers(1, &[1000, 1000, 0]);
        let rows = b.read();
        assert_eq!(rows[0], counted("cpu_core/cycles/", None, 100.0, 100.0));
        assert_eq!(rows[1], ("cpu_atom/cycles/".into(), None, None, None, "not_counted"));
    }

    #[test]
    fn a_cpu_without_a_free_counter_is_taken_to_do_as_the_others() {
        let mut b = Bench::new("msr/event=1/", false);
        b.script.answers(0, &[0, 0, 0]);
        b.script.answers(1, &[0, 0, 0]);
        b.read();
        // 100 on one CPU in half of its time; the other one's time counts as well.
        b.script.answers(0, &[100, 1000, 500]);
        b.script.answers(1, &[0, 1000, 0]);
        assert_eq!(b.read(), [counted("msr/event=1/", None, 400.0, 25.0)]);
        // A counter that fell is no count.
        b.script.answers(0, &[90, 2000, 1500]);
        b.script.answers(1, &[50, 2000, 1000]);
        assert_eq!(b.read(), [counted("msr/event=1/", None, 100.0, 50.0)]);
    }

    #[test]
    fn one_request_a_row_for_each_kind_of_cpu() {
        let mut b = Bench::new("cycles", false);
        b.script.answers(0, &[0, 0, 0]);
        b.script.answers(1, &[0, 0, 0]);
        b.read();
        b.script.answers(0, &[10, 100, 100]);
        b.script.answers(1, &[20, 100, 100]);
        assert_eq!(
            b.read(),
            [counted("cpu_atom/cycles/", None, 20.0, 100.0), counted("cpu_core/cycles/", None, 10.0, 100.0)]
        );
        assert_eq!(b.missing.take(), None);
    }

    #[test]
    fn units_scales_and_levels() {
        let mut b = Bench::new("power/energy-pkg/,thermal/level/,cpu-clock", false);
        let rows = |b: &Bench| b.counters.series.iter().map(|s| s.unit.clone()).collect::<Vec<_>>();
        assert_eq!(rows(&b), [Some("Joules".into()), None, Some("msec".into())]);
        // In the order of opening on CPU 0: energy, level, clock.
        for (n, words) in [(0, [100, 1, 1]), (1, [40, 1, 1]), (2, [0, 1, 1])] {
            b.script.answers_nth(0, n, &words);
        }
        for n in 0..2 {
            b.script.answers_nth(1, n, &[0, 1, 1]);
        }
        b.read();
        for (n, words) in [(0, [110, 2, 2]), (1, [42, 2, 2]), (2, [1_500_000, 2, 2])] {
            b.script.answers_nth(0, n, &words);
        }
        let values: Vec<_> = b.read().into_iter().map(|r| r.2).collect();
        assert_eq!(values, [Some(2.5), Some(42.0), Some(1.5)]);
    }

    #[test]
    fn counters_of_a_socket_stay_when_their_cpu_goes() {
        let mut b = Bench::new("power/energy-pkg/,cs", false);
        assert_eq!(b.counters.descriptors(), 3);
        b.counters.keep_only(&BTreeSet::from([1]));
        assert_eq!(b.counters.descriptors(), 2, "the kernel asks through another CPU");
        b.counters.keep_only(&BTreeSet::new());
        assert_eq!(b.counters.descriptors(), 1);
    }

    #[test]
    fn a_part_is_not_told_as_the_whole() {
        let dir = tree(&[]);
        let requests: Arc<[Request]> = ["cs", "cycles"].into_iter().map(Request::new).collect();
        // The descriptors are used up on the second CPU.
        let kernel: Kernel = Arc::new(|ask: &Ask| match ask.whose {
            Whose::Cpu(1) if ask.id.kind == 0 => Err(libc::EMFILE),
            _ => crate::perf::testing::counts(),
        });
        let cpus = BTreeSet::from([0, 1]);
        let trial = Trial { whose: Whose::Cpu(0), on_cpus: Some(&cpus), together: true };
        let plan = plan(&requests, &Machine::look(&roots(&dir)), &kernel, &trial);
        for (per_cpu, expected) in [(false, &["cs"][..]), (true, &["cs", "cs", "cycles"])] {
            let mut counters = Counters::new(plan.clone(), kernel.clone(), Vec::new(), true);
            let place = |cpu| Place { whose: PlaceOf::Cpu(cpu), cpu: per_cpu.then_some(cpu), target: None };
            assert_eq!(counters.open(&place(0)), []);
            let refused = counters.open(&place(1));
            assert_eq!(
                (refused.len(), &*refused[0].event, &refused[0].why),
                (1, "cycles", &Why::Missing(libc::EMFILE))
            );
            counters.sort();
            counters.close_broken();
            let rows = counters.read(&mut Missing::new(requests.clone()));
            assert_eq!(rows.iter().map(|r| r.name.printed.as_str()).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_counter_that_ends_gives_no_value() {
        let mut b = Bench::new("cs", false);
        b.script.answers(0, &[5, 100, 100]);
        b.script.answers(1, &[5, 100, 100]);
        b.read();
        b.script.answers(0, &[8, 200, 200]);
        b.script.answers(1, &[]);
        assert_eq!(b.read(), [counted("cs", None, 3.0, 100.0)]);
        b.counters.keep_only(&BTreeSet::new());
        assert_eq!(b.read(), [("cs".into(), None, None, None, "not_counted")]);
        assert_eq!(b.counters.descriptors(), 0);
    }

    /// Touches this many fresh pages.
    fn fault(pages: usize) {
        let length = pages * procfs::page_size() as usize;
        // SAFETY: a mapping of our own, written within its length and given back.
        unsafe {
            let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let start = libc::mmap(std::ptr::null_mut(), length, read_write, private, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            libc::madvise(start, length, libc::MADV_NOHUGEPAGE);
            for page in 0..pages {
                start.cast::<u8>().add(page * procfs::page_size() as usize).write_volatile(1);
            }
            libc::munmap(start, length);
        }
    }

    #[test]
    fn the_real_kernel_counts_what_this_thread_and_its_child_do() {
        let requests: Arc<[Request]> = [Request::new("minor-faults:u")].into();
        let kernel = crate::perf::syscall::open::kernel();
        let trial = Trial { whose: Whose::Thread(0), on_cpus: None, together: false };
        let plan = plan(&requests, &Machine::look(&crate::source::Roots::default()), &kernel, &trial);
        if plan.planned.is_empty() {
            return eprintln!("skipped: perf events are forbidden here: {:?}", plan.refused);
        }
        let mut counters = Counters::new(plan, kernel, Vec::new(), false);
        assert_eq!(counters.open(&Place { whose: PlaceOf::Thread(0), cpu: None, target: None }), []);
        let mut missing = Missing::new(requests);
        counters.read(&mut missing);
        fault(1000);
        let own = counters.read(&mut missing)[0].value.unwrap();
        assert!((1000.0..1050.0).contains(&own), "{own}");
        // A thread that begins now is counted with this one.
        std::thread::spawn(|| fault(2000)).join().unwrap();
        let with_child = counters.read(&mut missing)[0].value.unwrap();
        assert!((2000.0..2200.0).contains(&with_child), "{with_child}");
        assert_eq!(missing.take(), None);
    }

    #[test]
    fn a_target_that_sleeps_counts_nothing_which_is_a_count() {
        let requests: Arc<[Request]> = [Request::new("cs")].into();
        let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        // The first descriptor goes to the trial.
        let ends = std::sync::Mutex::new(vec![std::os::fd::OwnedFd::from(theirs)]);
        let kernel: Kernel = Arc::new(move |ask: &Ask| match ask.whose {
            Whose::Thread(17) => ends.lock().unwrap().pop().ok_or(libc::EMFILE),
            _ => crate::perf::testing::counts(),
        });
        let trial = Trial { whose: Whose::Thread(1), on_cpus: None, together: false };
        let plan = plan(&requests, &Machine::look(&roots(&tree(&[]))), &kernel, &trial);
        let mut counters = Counters::new(plan, kernel, Vec::new(), false);
        assert_eq!(counters.open(&Place { whose: PlaceOf::Thread(17), cpu: None, target: None }), []);
        let mut missing = Missing::new(requests);
        let mut read = |words: [u64; 3]| {
            ours.send(&words.iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<u8>>()).unwrap();
            let row = counters.read(&mut missing)[0].clone();
            (row.value, row.status.word(), row.running_percent, missing.take())
        };
        read([5, 100, 100]);
        assert_eq!(read([5, 100, 100]), (Some(0.0), "counted", None, None), "it slept");
        assert_eq!(read([7, 300, 300]), (Some(2.0), "counted", Some(100.0), None));
        assert_eq!(read([7, 500, 300]).1, "not_counted", "it ran, but found no counter");
    }
}
