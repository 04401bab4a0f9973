//! Counters that are read at the tick, so that their rows have the same `ts` as all others.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use super::counters::{CounterPlace, Counters, PlaceOf};
use super::open::Kernel;
use super::plan::{Bundle, CounterPlan, CounterTrial, Planned, Refusal, Why, plan};
use crate::collect::collector::{CollectError, Collector, Setup};
use crate::collect::perf::now::Now;
use crate::collect::perf::options::Per;
use crate::collect::perf::rows::{Missing, PERF, push_error, push_status};
use crate::collect::perf::scope::{self, Cgroup, Scope};
use crate::events::machine::Machine;
use crate::events::request::Request;
use crate::linux::cpus;
use crate::linux::descriptors::make_room;
use crate::linux::files::{self, Roots, SharedFile, read_once};
use crate::linux::pidfd::{Watched, all_ended, end_of};
use crate::table::sample::{Sample, Stamp};

/// Minimum time between two searches for cgroups. A restarted service has a new cgroup with the old name.
const CHECK_CGROUPS_EVERY_NS: i64 = 10_000_000_000;

/// The result of opening.
pub struct OpenedCounters {
    /// `None`: nothing that was requested can be counted.
    pub collector: Option<AtTick>,
    pub refused: Vec<Refusal>,
    /// Events that are counted in user mode only.
    pub user_only: Vec<String>,
}

/// Opens what can be counted; the rest is reported.
pub fn open(setup: &Setup, scope: &Scope, requests: &Arc<[Request]>, kernel: &Kernel) -> OpenedCounters {
    let on_cpus = match scope {
        Scope::Cpus(cpus) => Some(&cpus.list),
        _ => None,
    };
    let together = !matches!(scope, Scope::Processes(_));
    let trial = CounterTrial { whose: scope.trial(), on_cpus, together };
    let plan = plan(requests, &Machine::from_roots(&setup.roots), kernel, &trial);
    let (mut refused, user_only) = (plan.refused.clone(), plan.user_only.clone());
    if plan.planned.is_empty() {
        return OpenedCounters { collector: None, refused, user_only };
    }
    if let Err((needed, limit)) = make_room(needed(&plan, setup, scope)) {
        let refuse = |p: &Planned| Refusal {
            request: p.requests.first().copied().unwrap_or(0),
            event: p.counter.name.clone(),
            why: Why::NoRoom { needed, limit },
        };
        refused.extend(plan.planned.iter().map(refuse));
        return OpenedCounters { collector: None, refused, user_only };
    }
    let collector = AtTick::new(setup, scope, requests, plan, kernel, &mut refused);
    OpenedCounters { collector: Some(collector).filter(|c| c.counters.descriptors() > 0), refused, user_only }
}

/// Maximum number of descriptors that opening everything takes.
fn needed(plan: &CounterPlan, setup: &Setup, scope: &Scope) -> usize {
    let places = |bundle: &Bundle| match (scope, &bundle.cpus) {
        (Scope::Processes(pids), _) => pids.iter().map(|pid| threads(setup, *pid).len()).sum(),
        (Scope::Cpus(cpus), None) => cpus.list.len(),
        (Scope::Cpus(cpus), Some(own)) => own.intersection(&cpus.list).count(),
        (Scope::Cgroups(cgroups, cpus), None) => cgroups.len() * cpus.list.len(),
        (Scope::Cgroups(cgroups, cpus), Some(own)) => cgroups.len() * own.intersection(&cpus.list).count(),
    };
    plan.bundles.iter().map(|b| b.members.len() * places(b)).sum()
}

/// The interval that results from `--perf-interval` if counters are read at the tick: a whole number of ticks.
pub fn interval_at_ticks(setup: &Setup) -> Option<Duration> {
    let (asked, tick) = (setup.options.perf.interval?, setup.interval);
    let ticks = (asked.as_secs_f64() / tick.as_secs_f64()).round().max(1.0);
    Some(tick.mul_f64(ticks))
}

/// The collector.
pub struct AtTick {
    counters: Counters,
    missing: Missing,
    /// Minimum time between two reads; zero: read at every tick.
    every_ns: i64,
    /// Half the time between two ticks: a tick that is slightly early still counts as in time.
    grace_ns: i64,
    read_ns: Option<i64>,
    on_cpus: Option<OnCpus>,
    processes: Vec<Watched>,
    /// They are the recorded command.
    is_command: bool,
    ended: bool,
    is_last: bool,
}

/// CPUs that are counted on, followed as they go online and offline; and cgroups on them.
struct OnCpus {
    /// `/proc/stat`, which other collectors already read at this tick; the list in sysfs would cost 26 us.
    stat: SharedFile,
    online: Vec<u32>,
    /// The requested CPUs; `None`: all.
    chosen: Option<BTreeSet<u32>>,
    open: BTreeSet<u32>,
    per: Per,
    cgroups: Vec<Cgroup>,
    cgroups_checked_ns: i64,
    roots: Roots,
}

impl AtTick {
    fn new(
        setup: &Setup,
        scope: &Scope,
        requests: &Arc<[Request]>,
        plan: CounterPlan,
        kernel: &Kernel,
        refused: &mut Vec<Refusal>,
    ) -> AtTick {
        let (mut on_cpus, mut processes) = (None, Vec::new());
        let mut counters;
        match scope {
            Scope::Processes(pids) => {
                counters = Counters::new(plan, kernel.clone(), Vec::new(), false);
                for pid in pids {
                    processes.push(Watched::watch(*pid));
                    for place in threads(setup, *pid) {
                        refused.extend(counters.open(&place));
                    }
                }
            }
            Scope::Cpus(of) | Scope::Cgroups(_, of) => {
                let cgroups = match scope {
                    Scope::Cgroups(cgroups, _) => cgroups.clone(),
                    _ => Vec::new(),
                };
                // The scope has just found them. One that was removed in between is reported as one without tasks, and
                // searched again.
                let folder = |c: &Cgroup| files::open(&c.folder).or_else(|_| files::open("/"));
                let folders = cgroups.iter().filter_map(|c| folder(c).ok()).collect();
                counters = Counters::new(plan, kernel.clone(), folders, true);
                let roots = setup.roots.clone();
                let per = setup.options.perf.per;
                for place in places(&roots, &of.list, per, &cgroups) {
                    refused.extend(counters.open(&place));
                }
                on_cpus = Some(OnCpus {
                    stat: setup.stat.clone(),
                    online: of.list.iter().copied().collect(),
                    chosen: setup.options.perf.cpus.as_deref().and_then(cpus::parse),
                    open: of.list.clone(),
                    per,
                    cgroups,
                    cgroups_checked_ns: 0,
                    roots,
                });
            }
        }
        // An event that is refused on sixty CPUs is reported once.
        let mut seen = BTreeSet::new();
        refused.retain(|r| seen.insert((r.request, r.event.clone())));
        counters.sort();
        counters.close_broken();
        let ns = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        AtTick {
            counters,
            missing: Missing::new(requests.clone()),
            every_ns: interval_at_ticks(setup).map_or(0, ns),
            grace_ns: ns(setup.interval / 2),
            read_ns: None,
            on_cpus,
            processes,
            is_command: scope::is_of_command(setup),
            ended: false,
            is_last: false,
        }
    }

    /// Opens on CPUs that went online, closes on those that went offline. Returns what could not be opened.
    fn follow_cpus(&mut self, tick: u64) -> Vec<Refusal> {
        let Some(cpus) = &mut self.on_cpus else { return Vec::new() };
        let is_calm = self.counters.stalled().is_empty();
        let before = &cpus.online;
        let now_online = cpus.stat.with(tick, |text| {
            let is_same = is_calm && cpus::of_stat(text).eq(before.iter().copied());
            (!is_same).then(|| cpus::of_stat(text).collect::<Vec<u32>>())
        });
        let Ok(Some(now_online)) = now_online else { return Vec::new() };
        if now_online.is_empty() {
            return Vec::new();
        }
        let mut online: BTreeSet<u32> = now_online.iter().copied().collect();
        cpus.online = now_online;
        if let Some(chosen) = &cpus.chosen {
            online.retain(|cpu| chosen.contains(cpu));
        }
        // A CPU that went offline and came back between two checks is in the list, but its counters are gone.
        let alive: BTreeSet<u32> = cpus.open.difference(self.counters.stalled()).copied().collect();
        let kept: BTreeSet<u32> = online.intersection(&alive).copied().collect();
        let new: BTreeSet<u32> = online.difference(&alive).copied().collect();
        self.counters.keep_only(&kept);
        let mut refused = Vec::new();
        for place in places(&cpus.roots, &new, cpus.per, &cpus.cgroups) {
            refused.extend(self.counters.open(&place));
        }
        if !new.is_empty() {
            self.counters.sort();
        }
        cpus.open = online;
        refused
    }

    /// Opens the new cgroup if one was removed and created again. Returns the names of those that are gone.
    fn follow_cgroups(&mut self, now_ns: i64) -> Vec<String> {
        let Some(cpus) = self.on_cpus.as_mut().filter(|c| !c.cgroups.is_empty()) else { return Vec::new() };
        if now_ns.saturating_sub(cpus.cgroups_checked_ns) < CHECK_CGROUPS_EVERY_NS {
            return Vec::new();
        }
        cpus.cgroups_checked_ns = now_ns;
        let mut gone = Vec::new();
        for (n, cgroup) in cpus.cgroups.iter().enumerate() {
            let held = self.counters.cgroups().get(n).and_then(|f| f.metadata().ok()).map(|m| m.ino());
            let Ok(folder) = files::open(&cgroup.folder) else {
                gone.push(cgroup.name.clone());
                continue;
            };
            if folder.metadata().ok().map(|m| m.ino()) != held {
                self.counters.close_cgroup(n, folder);
                let all = places(&cpus.roots, &cpus.open, cpus.per, &cpus.cgroups);
                for place in all.iter().filter(|p| matches!(p.whose, PlaceOf::Cgroup(of, _) if of == n)) {
                    self.counters.open(place);
                }
            }
        }
        gone
    }
}

/// The places of whole CPUs, or of cgroups on them.
fn places(roots: &Roots, cpus: &BTreeSet<u32>, per: Per, cgroups: &[Cgroup]) -> Vec<CounterPlace> {
    let mut places = Vec::new();
    for cpu in cpus.iter().copied() {
        let own = (per == Per::Cpu).then_some(cpu);
        if cgroups.is_empty() {
            places.push(CounterPlace { whose: PlaceOf::Cpu(cpu), cpu: own, target: scope::part_of(roots, cpu, per) });
        } else {
            places.extend(cgroups.iter().enumerate().map(|(n, cgroup)| CounterPlace {
                whose: PlaceOf::Cgroup(n, cpu),
                cpu: own,
                target: Some(cgroup.name.clone()),
            }));
        }
    }
    places
}

/// The threads that a process has now; those started later are counted with the thread that starts them.
fn threads(setup: &Setup, pid: u32) -> Vec<CounterPlace> {
    let folder = setup.roots.proc(&pid.to_string()).join("task");
    let tids = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let tids = tids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let by_thread = setup.options.perf.per == Per::Thread;
    tids.map(|tid| {
        let comm = || read_once(&folder.join(tid.to_string()).join("comm")).unwrap_or_default();
        let target = by_thread.then(|| format!("{}-{tid}", comm().trim_end_matches('\n')));
        CounterPlace { whose: PlaceOf::Thread(tid), cpu: None, target }
    })
    .collect()
}

impl Collector for AtTick {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let now_ns = Now::read().mono_ns;
        let due =
            self.read_ns.is_none_or(|at| now_ns.saturating_add(self.grace_ns) >= at.saturating_add(self.every_ns));
        if self.ended || !due && !self.is_last {
            return Ok(());
        }
        // Checked before the last read, so that this read includes everything.
        let ended = all_ended(&mut self.processes);
        let rows = self.counters.read(&mut self.missing);
        if let Some(before_ns) = self.read_ns {
            let elapsed_s = now_ns.saturating_sub(before_ns) as f64 / 1e9;
            let stamp = Stamp { ts_us: out.ts_us, elapsed_s: Some(elapsed_s) };
            out.push_at(&PERF, stamp, rows);
            push_status(stamp, self.missing.take(), out);
        }
        self.read_ns = Some(now_ns);
        for refusal in self.follow_cpus(tick) {
            out.warn(format!("{} cannot be counted on a CPU that came online, and is left out", refusal.event));
        }
        for cgroup in self.follow_cgroups(now_ns) {
            out.warn(format!("the cgroup {cgroup} is gone; it is counted again when one with this name exists"));
        }
        if ended && self.is_command {
            // Its end is also the end of the recording.
            self.ended = true;
        } else if ended {
            let end = end_of(&self.processes);
            out.warn(format!("{end}: its events are no longer counted"));
            push_error(out.ts_us, end, out);
            self.counters.close();
            self.ended = true;
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.is_last = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::options::Options;
    use crate::collect::perf::options::PerfOptions;
    use crate::collect::perf::rows::PERF_STATUS;
    use crate::collect::perf::testing::Script;
    use crate::events::pmu::tests::{roots, tree};
    use crate::table::TableDef;
    use crate::table::sample::Block;

    struct Bench {
        tree: tempfile::TempDir,
        script: Script,
        at_tick: AtTick,
        ticks: u64,
        catalog: Vec<TableDef>,
    }

    /// `/proc/stat` with these CPUs online.
    fn stat(online: &str) -> String {
        let cpus = cpus::parse(online).unwrap_or_default();
        let lines: String = cpus.iter().map(|cpu| format!("cpu{cpu} 1 2 3\n")).collect();
        format!("cpu  1 2 3\n{lines}intr 5 0\n")
    }

    impl Bench {
        fn new(online: &str, perf: PerfOptions) -> Bench {
            let tree = tree(&[("devices/system/cpu/online", online), ("../proc/stat", &stat(online))]);
            let setup = Setup::new(roots(&tree), Options { perf, ..Options::default() });
            let script = Script::default();
            let scope = Scope::from_setup(&setup, &mut Vec::new()).unwrap();
            let requests: Arc<[Request]> = [Request::new("cs")].into();
            let opened = open(&setup, &scope, &requests, &script.kernel());
            let at_tick = opened.collector.unwrap();
            Bench { tree, script, at_tick, ticks: 0, catalog: vec![PERF.def(), PERF_STATUS.def()] }
        }

        /// The blocks of a tick at this instant, with each counter's reading.
        fn tick(&mut self, ts_us: i64, readings: &[(u32, u64)]) -> Vec<Block> {
            for (cpu, value) in readings {
                self.script.last_answers(*cpu, &[*value, 100 + *value, 100 + *value]);
            }
            let mut sample = Sample::new(&self.catalog);
            sample.ts_us = ts_us;
            self.ticks += 1;
            self.at_tick.collect(self.ticks, &mut sample).unwrap();
            sample.blocks
        }

        /// Number of descriptors after a tick at which these CPUs are online.
        fn with_online(&mut self, text: &str) -> usize {
            std::fs::write(self.tree.path().join("proc/stat"), stat(text)).unwrap();
            self.ticks += 1;
            assert_eq!(self.at_tick.follow_cpus(self.ticks), []);
            self.at_tick.counters.descriptors()
        }
    }

    #[test]
    fn rows_have_the_instant_of_the_tick() {
        let mut b = Bench::new("0-1\n", PerfOptions::default());
        assert_eq!(b.tick(1_000_000, &[(0, 5), (1, 5)]), [], "the first tick begins the first interval");
        let blocks = b.tick(2_000_000, &[(0, 7), (1, 9)]);
        let stamps: Vec<_> = blocks.iter().map(|b| (b.table, b.rows, b.stamp.unwrap().ts_us)).collect();
        assert_eq!(stamps, [(0, 1, 2_000_000), (1, 1, 2_000_000)]);
        assert!(blocks.iter().all(|b| b.stamp.unwrap().elapsed_s.is_some_and(|s| s > 0.0)));
    }

    #[test]
    fn a_longer_interval_ends_at_the_last_tick_as_well() {
        let hourly = PerfOptions { interval: Some(Duration::from_secs(3600)), ..PerfOptions::default() };
        let mut b = Bench::new("0\n", hourly);
        for n in 0..3 {
            assert_eq!(b.tick(n, &[(0, 5)]), []);
        }
        b.at_tick.finish();
        assert_eq!(b.tick(3, &[]).len(), 2);
    }

    #[test]
    fn cpus_come_and_go() {
        let mut b = Bench::new("0-1\n", PerfOptions::default());
        assert_eq!(b.at_tick.counters.descriptors(), 2);
        assert_eq!(b.with_online("0"), 1);
        assert_eq!(b.with_online("0,2-3"), 3);
        assert_eq!(b.with_online("garbage"), 3, "an unreadable list changes nothing");
        // CPUs that were not requested stay closed.
        let mut b = Bench::new("0-1\n", PerfOptions { cpus: Some("1-2".into()), ..PerfOptions::default() });
        assert_eq!(b.with_online("0-3"), 2);
    }

    #[test]
    fn a_cpu_that_was_offline_between_two_checks_is_counted_again() {
        let mut b = Bench::new("0-1\n", PerfOptions::default());
        b.tick(1, &[(0, 5), (1, 5)]);
        b.tick(2, &[(0, 6), (1, 6)]);
        // The kernel removed the counter of CPU 1: its times do not change.
        b.tick(3, &[(0, 8), (1, 6)]);
        assert_eq!(b.at_tick.counters.descriptors(), 2, "closed, and opened again");
        b.tick(4, &[(0, 9), (1, 3)]);
        let catalog = b.catalog.clone();
        let mut sample = Sample::new(&catalog);
        b.script.last_answers(0, &[11, 111, 111]);
        b.script.last_answers(1, &[7, 107, 107]);
        b.at_tick.collect(99, &mut sample).unwrap();
        // 2 on CPU 0, 4 on the new counter of CPU 1.
        assert_eq!(sample.cells[3], crate::table::sample::Cell::Float(6.0), "{:?}", sample.cells);
    }

    #[test]
    fn a_cgroup_that_is_created_again_is_counted_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("web");
        let make = || {
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("cgroup.procs"), "").unwrap();
        };
        make();
        let mounts = format!("30 23 0:26 / {} rw - cgroup2 cgroup2 rw\n", dir.path().display());
        let tree = tree(&[("devices/system/cpu/online", "0-1\n"), ("../proc/self/mountinfo", &mounts)]);
        let perf = PerfOptions { cgroups: vec!["web".into()], ..PerfOptions::default() };
        let setup = Setup::new(roots(&tree), Options { perf, ..Options::default() });
        let scope = Scope::from_setup(&setup, &mut Vec::new()).unwrap();
        let opens = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = opens.clone();
        let kernel: Kernel = Arc::new(move |ask: &super::super::open::Ask| {
            if matches!(ask.whose, super::super::open::Whose::Cgroup(fd, _) if fd > 2) {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            crate::collect::perf::testing::counts()
        });
        let requests: Arc<[Request]> = [Request::new("cs")].into();
        let mut at_tick = open(&setup, &scope, &requests, &kernel).collector.unwrap();
        let opens = || opens.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(opens(), 2, "on each CPU");
        let later = |n: i64| n * 2 * CHECK_CGROUPS_EVERY_NS;
        assert_eq!((at_tick.follow_cgroups(later(1)), opens()), (vec![], 2));
        // The old one is kept, so that the new one has another inode number.
        std::fs::rename(&folder, dir.path().join("old")).unwrap();
        assert_eq!((at_tick.follow_cgroups(later(2)), opens()), (vec!["web".to_string()], 2));
        make();
        assert_eq!((at_tick.follow_cgroups(later(3)), opens()), (vec![], 4));
        assert_eq!(at_tick.counters.descriptors(), 2);
    }
}
