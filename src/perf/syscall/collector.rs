//! Counters that are read at the tick, so that their rows have the same `ts` as all others.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use super::counters::{Counters, Place, PlaceOf};
use super::descriptors;
use super::open::{Kernel, Whose};
use super::plan::{Plan, Planned, Refusal, Trial, Why, plan};
use crate::collector::{CollectError, Collector, Per, Setup};
use crate::perf::cpus;
use crate::perf::event::machine::Machine;
use crate::perf::event::request::Request;
use crate::perf::now::Now;
use crate::perf::process::{Process, all_ended, end_of};
use crate::perf::rows::{Missing, PERF, push_error, push_status};
use crate::perf::scope::{self, Scope};
use crate::sample::{Sample, Stamp};
use crate::source::HeldFile;

/// CPUs come and go rarely; the list of those on-line costs a few microseconds to read.
const LOOK_FOR_CPUS_NS: i64 = 10_000_000_000;

/// What opening came to.
pub struct Opened {
    /// `None`: nothing that was asked for can be counted.
    pub collector: Option<AtTick>,
    pub refused: Vec<Refusal>,
    /// Events that are counted in user mode alone.
    pub user_only: Vec<String>,
}

/// Opens what can be counted; the rest is told.
pub fn open(setup: &Setup, scope: &Scope, requests: &Arc<[Request]>, kernel: &Kernel) -> Opened {
    let machine = Machine::look(&setup.roots);
    let folders: Vec<File> = match scope {
        Scope::Cgroups(cgroups, _) => cgroups.iter().filter_map(|c| File::open(&c.folder).ok()).collect(),
        _ => Vec::new(),
    };
    let (whose, on_cpus) = match scope {
        Scope::Cpus(cpus) => (Whose::Cpu(cpus.list.first().copied().unwrap_or(0)), Some(&cpus.list)),
        Scope::Processes(pids) => {
            let pid = pids.first().and_then(|pid| libc::pid_t::try_from(*pid).ok()).unwrap_or(0);
            (Whose::Thread(pid), None)
        }
        Scope::Cgroups(_, cpus) => {
            let cpu = cpus.list.first().copied().unwrap_or(0);
            (Whose::Cgroup(folders.first().map_or(-1, AsRawFd::as_raw_fd), cpu), None)
        }
    };
    let groups = !matches!(scope, Scope::Processes(_));
    let plan = plan(requests, &machine, kernel, &Trial { whose, on_cpus, groups });
    let (mut refused, user_only) = (plan.refused.clone(), plan.user_only.clone());
    let places = match scope {
        Scope::Cpus(cpus) => cpus.list.len(),
        Scope::Cgroups(cgroups, cpus) => cgroups.len() * cpus.list.len(),
        Scope::Processes(pids) => pids.iter().map(|pid| threads(setup, *pid).len()).sum(),
    };
    if !descriptors::has_room(plan.descriptors(places)) {
        let none = |p: &Planned| Refusal {
            request: p.request,
            event: p.counter.name.clone(),
            why: Why::Missing(libc::EMFILE),
        };
        refused.extend(plan.planned.iter().map(none));
        return Opened { collector: None, refused, user_only };
    }
    let collector =
        (!plan.planned.is_empty()).then(|| AtTick::new(setup, scope, requests, plan, kernel, folders, &mut refused));
    Opened { collector: collector.filter(|c| c.counters.descriptors() > 0), refused, user_only }
}

/// The collector.
pub struct AtTick {
    counters: Counters,
    missing: Missing,
    /// Read no more often than this; zero: at every tick.
    every_ns: i64,
    /// Half the time between two ticks: a tick that is a little early is in time still.
    grace_ns: i64,
    read_ns: Option<i64>,
    cpus: Option<OnlineCpus>,
    processes: Vec<Process>,
    ended: bool,
    is_last: bool,
}

/// Which CPUs are on-line, followed while counting.
struct OnlineCpus {
    file: HeldFile,
    text: Vec<u8>,
    /// Those that were asked for; none: all.
    chosen: Option<BTreeSet<u32>>,
    open: BTreeSet<u32>,
    looked_ns: i64,
    per: Per,
    cgroups: Vec<String>,
    roots: crate::source::Roots,
}

impl AtTick {
    fn new(
        setup: &Setup,
        scope: &Scope,
        requests: &Arc<[Request]>,
        plan: Plan,
        kernel: &Kernel,
        folders: Vec<File>,
        refused: &mut Vec<Refusal>,
    ) -> AtTick {
        let groups = !matches!(scope, Scope::Processes(_));
        let mut counters = Counters::new(plan, kernel.clone(), folders, groups);
        let (mut cpus, mut processes) = (None, Vec::new());
        match scope {
            Scope::Processes(pids) => {
                for pid in pids {
                    processes.push(Process::watch(*pid));
                    for place in threads(setup, *pid) {
                        refused.extend(counters.open(&place));
                    }
                }
            }
            Scope::Cpus(of) | Scope::Cgroups(_, of) => {
                let cgroups = match scope {
                    Scope::Cgroups(cgroups, _) => cgroups.iter().map(|c| c.name.clone()).collect(),
                    _ => Vec::new(),
                };
                let roots = setup.roots.clone();
                let per = setup.options.perf.per;
                for place in places(&roots, &of.list, per, &cgroups) {
                    refused.extend(counters.open(&place));
                }
                let chosen = setup.options.perf.cpus.as_deref().and_then(cpus::parse);
                cpus = HeldFile::open(scope::online_file(&roots)).ok().map(|file| OnlineCpus {
                    file,
                    text: Vec::new(),
                    chosen,
                    open: of.list.clone(),
                    looked_ns: 0,
                    per,
                    cgroups,
                    roots,
                });
            }
        }
        // Refused on sixty CPUs is refused once.
        let mut seen = BTreeSet::new();
        refused.retain(|r| seen.insert((r.request, r.event.clone())));
        counters.sort();
        counters.close_broken();
        let ns = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        AtTick {
            counters,
            missing: Missing::new(requests.clone()),
            every_ns: setup.options.perf.interval.map_or(0, ns),
            grace_ns: ns(setup.options.interval / 2),
            read_ns: None,
            cpus,
            processes,
            ended: false,
            is_last: false,
        }
    }

    /// Opens on CPUs that came, closes on those that went.
    fn follow_cpus(&mut self, now_ns: i64) {
        let Some(cpus) = &mut self.cpus else { return };
        if now_ns.saturating_sub(cpus.looked_ns) < LOOK_FOR_CPUS_NS {
            return;
        }
        cpus.looked_ns = now_ns;
        let Ok(text) = cpus.file.read() else { return };
        if text == cpus.text {
            return;
        }
        cpus.text = text.to_vec();
        let Some(mut online) = std::str::from_utf8(text).ok().and_then(cpus::parse) else { return };
        if let Some(chosen) = &cpus.chosen {
            online.retain(|cpu| chosen.contains(cpu));
        }
        let new: BTreeSet<u32> = online.difference(&cpus.open).copied().collect();
        self.counters.keep_only(&online);
        for place in places(&cpus.roots, &new, cpus.per, &cpus.cgroups) {
            self.counters.open(&place);
        }
        if !new.is_empty() {
            self.counters.sort();
        }
        cpus.open = online;
    }
}

/// The places of whole CPUs, or of cgroups on them.
fn places(roots: &crate::source::Roots, cpus: &BTreeSet<u32>, per: Per, cgroups: &[String]) -> Vec<Place> {
    let mut places = Vec::new();
    for cpu in cpus.iter().copied() {
        let own = (per == Per::Cpu).then_some(cpu);
        let part = scope::part_of(roots, cpu, per);
        if cgroups.is_empty() {
            places.push(Place { whose: PlaceOf::Cpu(cpu), cpu: own, target: part });
        } else {
            places.extend(cgroups.iter().enumerate().map(|(n, name)| Place {
                whose: PlaceOf::Cgroup(n, cpu),
                cpu: own,
                target: Some(name.clone()),
            }));
        }
    }
    places
}

/// The threads that a process has now; those that it starts are counted with the one that starts them.
fn threads(setup: &Setup, pid: u32) -> Vec<Place> {
    let folder = setup.roots.proc(&pid.to_string()).join("task");
    let tids = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let tids = tids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let by_thread = setup.options.perf.per == Per::Thread;
    tids.map(|tid| {
        let comm = || crate::source::read_once(&folder.join(tid.to_string()).join("comm")).unwrap_or_default();
        let target = by_thread.then(|| format!("{}-{tid}", comm().trim_end_matches('\n')));
        Place { whose: PlaceOf::Thread(tid), cpu: None, target }
    })
    .collect()
}

impl Collector for AtTick {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let now_ns = Now::read().mono_ns;
        let due =
            self.read_ns.is_none_or(|at| now_ns.saturating_add(self.grace_ns) >= at.saturating_add(self.every_ns));
        if self.ended || !due && !self.is_last {
            return Ok(());
        }
        // Asked before the last look, so that this look has all of it.
        let ended = all_ended(&mut self.processes);
        self.follow_cpus(now_ns);
        let rows = self.counters.read(&mut self.missing);
        if let Some(before_ns) = self.read_ns {
            let elapsed_s = now_ns.saturating_sub(before_ns) as f64 / 1e9;
            let stamp = Stamp { ts_us: out.ts_us, elapsed_s: Some(elapsed_s) };
            out.push_at(&PERF, stamp, rows);
            push_status(stamp, self.missing.take(), out);
        }
        self.read_ns = Some(now_ns);
        if ended {
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
    use crate::collector::{Options, PerfOptions};
    use crate::perf::event::pmu::tests::{roots, tree};
    use crate::perf::rows::PERF_STATUS;
    use crate::perf::testing::Script;
    use crate::sample::Block;
    use crate::schema::TableDef;

    struct Bench {
        tree: tempfile::TempDir,
        script: Script,
        at_tick: AtTick,
        catalog: Vec<TableDef>,
    }

    impl Bench {
        fn new(online: &str, perf: PerfOptions) -> Bench {
            let tree = tree(&[("devices/system/cpu/online", online)]);
            let setup = Setup::new(roots(&tree), Options { perf, ..Options::default() });
            let script = Script::default();
            let scope = Scope::of(&setup, &mut Vec::new()).unwrap();
            let requests: Arc<[Request]> = [Request::new("cs")].into();
            let opened = open(&setup, &scope, &requests, &script.kernel());
            let at_tick = opened.collector.unwrap();
            Bench { tree, script, at_tick, catalog: vec![PERF.def(), PERF_STATUS.def()] }
        }

        /// The blocks of a tick at this instant, with each counter's reading.
        fn tick(&mut self, ts_us: i64, readings: &[(u32, u64)]) -> Vec<Block> {
            for (cpu, value) in readings {
                self.script.last_answers(*cpu, &[*value, 100 + *value, 100 + *value]);
            }
            let mut sample = Sample::new(&self.catalog);
            sample.ts_us = ts_us;
            self.at_tick.collect(0, &mut sample).unwrap();
            sample.blocks
        }

        fn set_online(&self, text: &str) {
            std::fs::write(self.tree.path().join("sys/devices/system/cpu/online"), text).unwrap();
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
        let later = |seconds: i64| 1_000_000_000_000_000 + seconds * 1_000_000_000;
        b.set_online("0\n");
        b.at_tick.follow_cpus(later(0));
        assert_eq!(b.at_tick.counters.descriptors(), 1);
        b.set_online("0,2-3\n");
        b.at_tick.follow_cpus(later(5));
        assert_eq!(b.at_tick.counters.descriptors(), 1, "it does not look all the time");
        b.at_tick.follow_cpus(later(11));
        assert_eq!(b.at_tick.counters.descriptors(), 3);
        b.set_online("garbage\n");
        b.at_tick.follow_cpus(later(30));
        assert_eq!(b.at_tick.counters.descriptors(), 3);
        // Those that were not asked for stay closed.
        let mut b = Bench::new("0-1\n", PerfOptions { cpus: Some("1-2".into()), ..PerfOptions::default() });
        b.set_online("0-3\n");
        b.at_tick.follow_cpus(later(0));
        assert_eq!(b.at_tick.counters.descriptors(), 2);
    }
}
