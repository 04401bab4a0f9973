//! The activity of all CPUs together, and the number of runnable tasks. Sources: `/proc/stat` and `/proc/loadavg`.

use std::path::PathBuf;
use std::time::Duration;

use super::absent;
use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::cpu_set::{CpuSet, MOST_MS_PER_SEC, idle_ms};
use super::stat::{CpuLine, CpuTimes, JiffiesPerSec, cpu_line};
use crate::linux::files::{HeldFile, SharedFile};
use crate::linux::possible::{load, tasks};
use crate::linux::scan::{ParseError, cut_line, decimal, number, words};
use crate::table::Unit::{self, Count, Milliseconds, MillisecondsPerSec, Percent};
use crate::table::sample::Sample;
use crate::table::{Formula, Table, counter, derived, gauge, gauge_float, label_int};

pub const ENTRY: Entry = Entry {
    name: "cpu",
    doc: "all CPUs together, context switches, forks, load averages",
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

/// The parts that add up to the whole time of a CPU. `guest` is not among them: the kernel already counts it in `user`.
/// Uses the steal column that is zero where the kernel does not know steal time, so that the sum has a value.
pub(super) const ALL_MS: &[&str] =
    &["user_ms", "nice_ms", "system_ms", "idle_ms", "iowait_ms", "irq_ms", "softirq_ms", "steal_or_zero_ms"];

pub(super) const BUSY_MS: &[&str] = &["user_ms", "nice_ms", "system_ms", "irq_ms", "softirq_ms", "steal_or_zero_ms"];

static TABLE: Table<Cpu> = Table {
    name: "cpu",
    source: "/proc/stat, /proc/loadavg",
    doc: "All CPUs together: one row per tick. Percentages are shares of the CPU time in the interval; times are sums \
          over all CPUs. If CPUs were added or removed and the kernel's sum is not continuous, the percentages are \
          null. If steal time decreased, steal_percent is null and the other percentages are shares of the rest.",
    columns: &[
        derived(
            "usage_percent",
            Percent,
            "Share of all CPU time that was neither idle nor waiting for I/O.",
            Formula::share(BUSY_MS, ALL_MS),
        )
        .lower_is_better(),
        derived(
            "user_percent",
            Percent,
            "Time in user mode. Includes guests that run on this machine, as counted by the kernel.",
            Formula::share(&["user_ms"], ALL_MS),
        ),
        derived(
            "nice_percent",
            Percent,
            "Time in user mode at a lowered priority (nice). Includes niced guests.",
            Formula::share(&["nice_ms"], ALL_MS),
        ),
        derived("system_percent", Percent, "Time in the kernel.", Formula::share(&["system_ms"], ALL_MS)),
        derived("idle_percent", Percent, "Idle time.", Formula::share(&["idle_ms"], ALL_MS)),
        derived(
            "iowait_percent",
            Percent,
            "Idle time while a task of this CPU waited for a disk.",
            Formula::share(&["iowait_ms"], ALL_MS),
        )
        .lower_is_better(),
        derived("irq_percent", Percent, "Time handling interrupts.", Formula::share(&["irq_ms"], ALL_MS)),
        derived("softirq_percent", Percent, "Time handling softirqs.", Formula::share(&["softirq_ms"], ALL_MS)),
        derived(
            "steal_percent",
            Percent,
            "Time in which the CPU was ready to run but the hypervisor ran others; null before Linux 2.6.11.",
            Formula::share(&["steal_ms"], ALL_MS),
        )
        .lower_is_better(),
        derived(
            "guest_percent",
            Percent,
            "Time running a guest, also counted in user_percent; null before Linux 2.6.24.",
            Formula::share(&["guest_ms"], ALL_MS),
        ),
        counter("user_ms", Milliseconds, "Time in user mode since boot, including guests.", |c: &Cpu| {
            c.times.user.into()
        }),
        counter(
            "nice_ms",
            Milliseconds,
            "Time in user mode at a lowered priority (nice), including niced guests.",
            |c: &Cpu| c.times.nice.into(),
        ),
        counter("system_ms", Milliseconds, "Time in the kernel.", |c: &Cpu| c.times.system.into()),
        counter("idle_ms", Milliseconds, "Idle time; the kernel sometimes lets it decrease slightly.", |c: &Cpu| {
            c.times.idle.into()
        })
        .wobbles()
        .while_same(CPUS),
        counter(
            "iowait_ms",
            Milliseconds,
            "Idle time while a task waited for a disk; the kernel sometimes lets it decrease slightly.",
            |c: &Cpu| c.times.iowait.into(),
        )
        .wobbles()
        .while_same(CPUS),
        counter("irq_ms", Milliseconds, "Time handling interrupts.", |c: &Cpu| c.times.irq.into()),
        counter("softirq_ms", Milliseconds, "Time handling softirqs.", |c: &Cpu| c.times.softirq.into()),
        counter(
            "steal_ms",
            Milliseconds,
            "Time that the hypervisor gave to others; null before Linux 2.6.11.",
            |c: &Cpu| c.times.steal.into(),
        )
        .limited_by(MAX_MS),
        counter(
            "guest_ms",
            Milliseconds,
            "Time running a guest, also in user_ms; null before Linux 2.6.24.",
            |c: &Cpu| c.times.guest.into(),
        ),
        counter("steal_or_zero_ms", Milliseconds, "steal_ms for sums: zero where steal_ms is null.", |c: &Cpu| {
            c.times.steal_or_zero().into()
        })
        .unsteady()
        .limited_by(MAX_MS)
        .hidden(),
        gauge(MAX_MS, MillisecondsPerSec, "An upper limit above the time of all CPUs.", |c: &Cpu| {
            c.most_ms_per_sec.into()
        })
        .hidden(),
        label_int(CPUS, Count, "How often the sum of idle time was not continuous.", |c: &Cpu| c.cpu_changes.into())
            .hidden(),
        counter(
            "interrupts",
            Count,
            "Interrupts handled since boot, without softirqs: the total in line `intr` of /proc/stat, the same as in \
             psutil and vmstat.",
            |c: &Cpu| c.interrupts.into(),
        )
        .with_rate("interrupts_per_sec"),
        counter("context_switches", Count, "Context switches since boot.", |c: &Cpu| c.context_switches.into())
            .with_rate("context_switches_per_sec"),
        counter("forks", Count, "Processes and threads started since boot.", |c: &Cpu| c.forks.into())
            .with_rate("forks_per_sec"),
        gauge(
            "procs_running",
            Count,
            "Tasks that were running or ready to run when the tick began, without the recorder itself, which always \
             runs then: procs_running of /proc/stat minus 1. Includes others that wake at the same multiples of the \
             interval (a second recorder, timers at whole seconds).",
            |c: &Cpu| c.others_running().into(),
        ),
        gauge("procs_blocked", Count, "Tasks waiting for I/O.", |c: &Cpu| tasks(c.procs_blocked).into())
            .lower_is_better(),
        gauge_float("load1", Unit::None, "Load average over 1 minute.", |c: &Cpu| c.load[0].into()),
        gauge_float("load5", Unit::None, "Load average over 5 minutes.", |c: &Cpu| c.load[1].into()),
        gauge_float("load15", Unit::None, "Load average over 15 minutes.", |c: &Cpu| c.load[2].into()),
    ],
};

#[derive(Debug, Default, PartialEq)]
struct Cpu {
    times: CpuTimes,
    interrupts: Option<u64>,
    context_switches: Option<u64>,
    forks: Option<u64>,
    procs_running: Option<u64>,
    procs_blocked: Option<u64>,
    load: [Option<f64>; 3],
    cpu_changes: i64,
    most_ms_per_sec: Option<i64>,
}

impl Cpu {
    /// The process that reads the file is running, so the kernel always counts it.
    fn others_running(&self) -> Option<u64> {
        tasks(self.procs_running).map(|n| n.saturating_sub(1))
    }
}

/// The hidden column with the limit that only steal time made up by a hypervisor exceeds.
const MAX_MS: &str = "most_ms_per_sec";

/// The hidden column that changes where the sum of idle time is not continuous.
const CPUS: &str = "cpu_changes";

/// Some hypervisors let steal time decrease at every reading.
const STEAL_DECREASED: &str =
    "steal time decreased: in such intervals steal_percent is null, and the other percentages are shares of the rest";

/// The warning for a time that decreased; printed once.
fn decrease_warning(before: &CpuTimes, now: &CpuTimes) -> Option<String> {
    if before.steal.zip(now.steal).is_some_and(|(before, now)| now < before) {
        return Some(STEAL_DECREASED.into());
    }
    let back = steady_part_that_fell(before, now)?;
    Some(format!("{back} time decreased: in such intervals the percentages are null"))
}

/// The name of a time that decreased although it must not: any except idle time and steal.
pub(super) fn steady_part_that_fell(before: &CpuTimes, now: &CpuTimes) -> Option<&'static str> {
    let of = |times: &CpuTimes| [times.user, times.nice, times.system, times.irq, times.softirq];
    let names = ["user", "nice", "system", "irq", "softirq"];
    let mut parts = names.into_iter().zip(of(before).into_iter().zip(of(now)));
    parts.find(|(_, (before, now))| now < before).map(|(name, _)| name)
}

struct CpuCollector {
    stat: SharedFile,
    stat_path: PathBuf,
    loadavg: Option<HeldFile>,
    hz: JiffiesPerSec,
    set: CpuSet,
    /// The idle time of each CPU at this tick.
    each: Vec<(i32, u64)>,
    before: Option<CpuTimes>,
}

/// A separate tick number for the reading at the start, so that the first tick reads again.
pub(super) const PROBE: u64 = u64::MAX;

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let mut notes = Vec::new();
    let loadavg = HeldFile::open(setup.roots.proc("loadavg"));
    if let Err(error) = &loadavg {
        notes.push(format!("load1, load5, load15: {error}"));
    }
    let mut collector = CpuCollector {
        stat: setup.stat.clone(),
        stat_path: setup.roots.proc("stat"),
        loadavg: loadavg.ok(),
        hz: JiffiesPerSec::here(),
        set: CpuSet::default(),
        each: Vec::new(),
        before: None,
    };
    let first = collector.read(PROBE).map_err(|e| Unavailable::new(e.to_string()))?;
    notes.extend(absent::note(&TABLE, &first));
    Ok(Opened::with_notes(collector, notes))
}

impl CpuCollector {
    fn read(&mut self, tick: u64) -> Result<Cpu, CollectError> {
        let mut cpu = self
            .stat
            .with(tick, |text| {
                idle_of_each(text, self.hz, &mut self.each);
                parse(text, self.hz)
            })?
            .map_err(|error| CollectError::Parse { path: self.stat_path.clone(), error })?;
        // The load averages are optional: without them the row is still valid.
        if let Some(Ok(text)) = self.loadavg.as_mut().map(HeldFile::read) {
            cpu.load = parse_loadavg(text);
        }
        Ok(cpu)
    }
}

impl Collector for CpuCollector {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let mut cpu = self.read(tick)?;
        let cpus = i64::try_from(self.each.len()).ok().filter(|cpus| *cpus > 0);
        cpu.most_ms_per_sec = cpus.map(|cpus| cpus.saturating_mul(MOST_MS_PER_SEC));
        cpu.cpu_changes = self.set.follow(out.mono_ns, idle_ms(&cpu.times), &mut self.each);
        if let Some(warning) = self.before.and_then(|before| decrease_warning(&before, &cpu.times)) {
            out.warn(warning);
        }
        self.before = Some(cpu.times);
        out.push(&TABLE, &[cpu]);
        Ok(())
    }
}

fn parse(text: &[u8], hz: JiffiesPerSec) -> Result<Cpu, ParseError> {
    let (first, mut rest) = cut_line(text);
    let wrong = |what: String| ParseError { line: 1, what };
    let (which, times) = match first.starts_with(b"cpu") {
        true => cpu_line(first, hz).map_err(wrong)?,
        false => return Err(wrong("no `cpu` line".into())),
    };
    if which != CpuLine::All {
        return Err(wrong("a single CPU's line instead of the sum".into()));
    }
    let mut cpu = Cpu { times, ..Cpu::default() };
    while rest.starts_with(b"cpu") {
        rest = cut_line(rest).1;
    }

    // The `intr` line starts with the total and continues for kilobytes; the other values come after it. So the total
    // is read from the start of the line, and the others are searched from the end of the file.
    cpu.interrupts = rest.strip_prefix(b"intr ").and_then(|numbers| words(cut_word(numbers)).next().and_then(number));
    for line in rest.rsplit(|b| *b == b'\n') {
        let mut words = words(line);
        let (Some(key), value) = (words.next(), words.next().and_then(number)) else { continue };
        match key {
            b"procs_blocked" => cpu.procs_blocked = value,
            b"procs_running" => cpu.procs_running = value,
            b"processes" => cpu.forks = value,
            b"ctxt" => {
                cpu.context_switches = value;
                break;
            }
            _ => {}
        }
    }
    Ok(cpu)
}

/// How long each online CPU was idle, in milliseconds. Invalid lines are skipped: `cpu_core` reports them.
fn idle_of_each(text: &[u8], hz: JiffiesPerSec, each: &mut Vec<(i32, u64)>) {
    each.clear();
    let mut rest = text;
    while rest.starts_with(b"cpu") {
        let (line, tail) = cut_line(rest);
        rest = tail;
        if let Ok((CpuLine::Cpu(cpu), times)) = cpu_line(line, hz) {
            each.push((cpu, idle_ms(&times)));
        }
    }
}

/// The beginning of a line, long enough to contain its first number.
fn cut_word(line: &[u8]) -> &[u8] {
    cut_line(line.get(..32).unwrap_or(line)).0
}

fn parse_loadavg(text: &[u8]) -> [Option<f64>; 3] {
    let mut words = words(cut_line(text).0);
    std::array::from_fn(|_| load(words.next().and_then(decimal)))
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::Cell;

    const HZ: JiffiesPerSec = JiffiesPerSec(100);

    const LINUX_6: &str = "\
cpu  1000 10 200 5000 30 4 50 60 7 0
cpu0 600 5 120 2400 20 2 30 40 7 0
cpu1 400 5 80 2600 10 2 20 20 0 0
intr 987654321 0 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
ctxt 123456789
btime 1700000000
processes 4321
procs_running 3
procs_blocked 1
softirq 99 0 1 2 3 4 5 6 7 8 9
";

    #[test]
    fn a_recent_kernel() {
        let cpu = parse(LINUX_6.as_bytes(), HZ).unwrap();
        let times = CpuTimes {
            user: 10_000,
            nice: 100,
            system: 2000,
            idle: 50_000,
            iowait: 300,
            irq: 40,
            softirq: 500,
            steal: Some(600),
            guest: Some(70),
        };
        let expected = Cpu {
            times,
            interrupts: Some(987_654_321),
            context_switches: Some(123_456_789),
            forks: Some(4321),
            procs_running: Some(3),
            procs_blocked: Some(1),
            load: [None; 3],
            cpu_changes: 0,
            most_ms_per_sec: None,
        };
        assert_eq!(cpu, expected);
        assert_eq!(cpu.others_running(), Some(2), "the reader is one of the three");
    }

    #[test]
    fn linux_2_6_9_has_no_steal_no_guest_and_no_softirq_counts() {
        let text = "cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\nintr 50 50\nctxt 60\nbtime 1\nprocesses 70\n";
        let cpu = parse(text.as_bytes(), HZ).unwrap();
        assert_eq!((cpu.times.steal, cpu.times.guest, cpu.procs_running), (None, None, None));
        assert_eq!((cpu.interrupts, cpu.context_switches, cpu.forks), (Some(50), Some(60), Some(70)));
        assert_eq!(
            absent::note(&TABLE, &Cpu { load: [Some(0.0); 3], ..cpu }).unwrap(),
            "no value on this kernel for steal_ms, guest_ms, procs_running, procs_blocked (/proc/stat, /proc/loadavg)"
        );
    }

    #[test]
    fn an_intr_line_of_many_pages() {
        let text = LINUX_6.replace("intr 987654321", &format!("intr 987654321{}", " 0".repeat(50_000)));
        let cpu = parse(text.as_bytes(), HZ).unwrap();
        assert_eq!((cpu.interrupts, cpu.context_switches), (Some(987_654_321), Some(123_456_789)));
    }

    #[test]
    fn cut_and_damaged_files() {
        assert_eq!(parse(b"", HZ).unwrap_err().to_string(), "line 1: no `cpu` line");
        assert_eq!(parse(b"hello\nworld\n", HZ).unwrap_err().to_string(), "line 1: no `cpu` line");
        assert!(parse(b"cpu0 1 2 3 4 5 6 7\n", HZ).is_err(), "cores, but no sum");
        let only_times = parse(b"cpu  1 2 3 4 5 6 7 8 9 10", HZ).unwrap();
        assert_eq!((only_times.interrupts, only_times.context_switches), (None, None));
        let cpu = parse(b"cpu  1 2 3 4 5 6 7 8 9\nintr x\nctxt 99999999999999999999\nprocesses\n", HZ).unwrap();
        assert_eq!((cpu.interrupts, cpu.context_switches, cpu.forks), (None, None, None));
    }

    #[test]
    fn loads() {
        assert_eq!(parse_loadavg(b"0.42 1.50 12.00 3/512 99\n"), [Some(0.42), Some(1.5), Some(12.0)]);
        assert_eq!(parse_loadavg(b"0.42 x\n"), [Some(0.42), None, None]);
        assert_eq!(parse_loadavg(b""), [None; 3]);
        // The kernel's count of sleepers went below zero and wrapped.
        assert_eq!(parse_loadavg(b"0.01 184467440737095.51 4294967.29 1/2 3\n"), [Some(0.01), None, None]);
    }

    #[test]
    fn impossible_numbers_of_tasks() {
        let text = LINUX_6
            .replace("procs_running 3", "procs_running 0")
            .replace("procs_blocked 1", "procs_blocked 4294967295");
        let cpu = parse(text.as_bytes(), HZ).unwrap();
        assert_eq!(cpu.others_running(), Some(0));
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        sample.push(&TABLE, &[cpu]);
        let blocked = catalog[0].raw.iter().position(|c| c.name == "procs_blocked").unwrap();
        assert_eq!(sample.cells[blocked], Cell::Null);
    }

    #[test]
    fn columns_are_in_the_documented_order() {
        let def = TABLE.def();
        let names: Vec<_> = def.stored.iter().map(|c| c.name).collect();
        let expected = "usage_percent user_percent nice_percent system_percent idle_percent iowait_percent irq_percent \
                        softirq_percent steal_percent guest_percent user_ms nice_ms system_ms idle_ms iowait_ms irq_ms \
                        softirq_ms steal_ms guest_ms interrupts interrupts_per_sec context_switches \
                        context_switches_per_sec forks forks_per_sec procs_running procs_blocked load1 load5 load15";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn no_loadavg_is_a_note_and_nulls() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("stat"), LINUX_6).unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut opened = open(&Setup::new(roots, Options::default())).ok().unwrap();
        assert!(opened.notes[0].starts_with("load1, load5, load15: cannot read "), "{:?}", opened.notes);
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        let cells = sample.cells_of(&sample.blocks[0]);
        let value = |name| cells[catalog[0].raw.iter().position(|c| c.name == name).unwrap()];
        assert_eq!(value("forks"), Cell::Int(4321));
        assert_eq!(value("load1"), Cell::Null);
    }

    #[test]
    fn times_that_decrease_are_named() {
        let now = CpuTimes { user: 100, system: 50, idle: 900, steal: Some(30), ..CpuTimes::default() };
        let with = |change: fn(&mut CpuTimes)| {
            let mut before = now;
            change(&mut before);
            decrease_warning(&before, &now)
        };
        assert_eq!(with(|_| ()), None);
        assert_eq!(with(|t| t.idle = 901), None, "idle time may decrease");
        assert_eq!(with(|t| t.steal = None), None);
        assert!(with(|t| t.steal = Some(31)).unwrap().starts_with("steal time decreased"));
        assert!(with(|t| t.system = 51).unwrap().starts_with("system time decreased"));
    }

    #[test]
    fn a_missing_stat_file_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let unavailable = open(&Setup::new(roots, Options::default())).err().unwrap();
        assert!(unavailable.reason.starts_with("cannot read "), "{}", unavailable.reason);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>) {
            let _ = parse(&text, HZ);
            let mut whole = b"cpu  1 2 3 4 5 6 7 8 9\nintr ".to_vec();
            whole.extend(&text);
            parse(&whole, HZ).unwrap();
            parse_loadavg(&text);
            idle_of_each(&whole, HZ, &mut Vec::new());
        }
    }
}
