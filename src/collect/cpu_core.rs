//! Activity, frequency and temperature of each CPU. Sources: `/proc/stat`, cpufreq or `/proc/cpuinfo`, hwmon.

use std::path::PathBuf;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::cpu::{ALL_MS, BUSY_MS, PROBE, steady_part_that_fell};
use super::cpu_set::MOST_MS_PER_SEC;
use super::frequency::Frequencies;
use super::group::Group;
use super::run_queue::RunQueues;
use super::stat::{CpuLine, CpuTimes, JiffiesPerSec, cpu_lines};
use super::temperature::{SensorIndex, Temperatures};
use crate::linux::files::SharedFile;
use crate::linux::possible::megahertz;
use crate::linux::scan::ParseError;
use crate::table::Unit::{Celsius, Megahertz, Microseconds, Milliseconds, Percent};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Column, Formula, Table, Value, counter, derived, entity_int, gauge_float};

pub const ENTRY: Entry = Entry {
    name: "cpu_core",
    doc: "each CPU: usage, frequency, temperature",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

static TABLE: Table<CoreRow> = Table {
    name: "cpu_core",
    source: "/proc/stat, cpufreq or /proc/cpuinfo, /sys/class/hwmon, /proc/schedstat",
    doc: "Each online CPU: one row per CPU and tick. Percentages are shares of the CPU's time in the interval. They \
          are null where its idle time restarted or jumped, as happens when some CPUs come back online. If steal time \
          decreased, steal_percent is null and the other percentages are shares of the rest.",
    charts: Charts::Drawn(&[
        Chart::heat("Busy per CPU", &["usage_percent"]),
        Chart::heat("Frequency per CPU", &["frequency_mhz"]),
        Chart::heat("Temperature per CPU", &["temperature_celsius"]),
        Chart::heat("Tasks waiting for each CPU, in percent of the time", &["wait_percent"]),
    ]),
    columns: &[
        entity_int("cpu", "The kernel's number of the CPU.", |c: &CoreRow| c.cpu.into()),
        derived(
            "usage_percent",
            Percent,
            "Share of the CPU's time that was neither idle nor waiting for I/O.",
            Formula::share(BUSY_MS, ALL_MS),
        )
        .lower_is_better(),
        derived("user_percent", Percent, "Time in user mode, including guests.", Formula::share(&["user_ms"], ALL_MS)),
        derived(
            "nice_percent",
            Percent,
            "Time in user mode at a lowered priority (nice).",
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
        part("user_ms", |c| c.times.user.into()),
        part("nice_ms", |c| c.times.nice.into()),
        part("system_ms", |c| c.times.system.into()),
        part("idle_ms", |c| c.times.idle.into()).wobbles(),
        part("iowait_ms", |c| c.times.iowait.into()).wobbles(),
        part("irq_ms", |c| c.times.irq.into()),
        part("softirq_ms", |c| c.times.softirq.into()),
        part("steal_ms", |c| c.times.steal.into()).unsteady(),
        part("steal_or_zero_ms", |c| c.times.steal_or_zero().into()).unsteady(),
        counter("busy_ms", Milliseconds, "All time since boot except idle and waiting for I/O.", |c: &CoreRow| {
            c.times.busy().into()
        })
        // Includes steal time.
        .unsteady()
        .at_most_per_sec(MOST_MS_PER_SEC as f64),
        gauge_float(
            "frequency_mhz",
            Megahertz,
            "From cpufreq, read at most once per second and for at most 16 CPUs per tick (64 CPUs: every fourth tick). \
             For CPUs without cpufreq, from /proc/cpuinfo (x86, POWER, s390, LoongArch), every 10 s. In between, the \
             last value. Null if neither source has it, and for impossible values: 0, or more than 20,000.",
            |c: &CoreRow| c.frequency_mhz.into(),
        ),
        gauge_float(
            "temperature_celsius",
            Celsius,
            "Of the core (coretemp), else of its package, else of the only processor chip (k10temp, zenpower). Read at \
             most once per second, at most 16 sensors per tick. Null if unknown, and outside -100 to 250.",
            |c: &CoreRow| c.temperature_celsius.into(),
        )
        .lower_is_better(),
        counter("wait_us", Microseconds, "As wait_ms.", |c: &CoreRow| c.wait_ns.map(|ns| ns / 1000).into()).hidden(),
        counter(
            "wait_ms",
            Milliseconds,
            "Time in which tasks could run on this CPU, and another one ran, summed over the tasks. Null where the kernel \
             has no /proc/schedstat, and where it is too long to read at every tick: more than 256 KiB per second.",
            |c: &CoreRow| c.wait_ns.map(|ns| ns / 1_000_000).into(),
        ),
        derived(
            "wait_percent",
            Percent,
            "Time in which tasks waited for this CPU, in percent of the interval: 250 means two and a half tasks.",
            Formula::rate(&["wait_us"]).times(0.0001),
        )
        .lower_is_better(),
    ],
};

/// A part of a CPU's time. It cannot grow faster than time passes. Growth of ten times that means that the kernel took
/// the time from other counters (as when a CPU is added or removed), or that a hypervisor made it up.
const fn part(name: &'static str, get: fn(&CoreRow) -> Value<'_>) -> Column<CoreRow> {
    counter(name, Milliseconds, "Part of ALL_MS.", get).at_most_per_sec(MOST_MS_PER_SEC as f64).hidden()
}

#[derive(Debug, PartialEq)]
struct CoreRow {
    cpu: i32,
    times: CpuTimes,
    frequency_mhz: Option<f64>,
    temperature_celsius: Option<f64>,
    wait_ns: Option<u64>,
}

struct CpuCoreCollector {
    stat: SharedFile,
    stat_path: PathBuf,
    hz: JiffiesPerSec,
    frequencies: Frequencies,
    temperatures: Temperatures,
    queues: Option<RunQueues>,
    known: Vec<KnownCpu>,
    calls: u64,
    rows: Vec<CoreRow>,
}

/// What is remembered about a CPU; sorted by `cpu`.
struct KnownCpu {
    cpu: i32,
    sensor: Option<SensorIndex>,
    /// The call at which it was last online, and its times then.
    seen: u64,
    times: CpuTimes,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let stat_path = setup.roots.proc("stat");
    let hz = JiffiesPerSec::here();
    let mut rows = Vec::new();
    let parsed = setup.stat.with(PROBE, |text| parse(text, hz, &mut rows))?;
    parsed.map_err(|error| Unavailable::new(format!("{}: {error}", stat_path.display())))?;
    let cpus: Vec<i32> = rows.iter().map(|r| r.cpu).collect();
    let interval = setup.interval;
    let frequencies = Frequencies::open(&setup.roots, &cpus, interval);
    let temperatures = Temperatures::open(&setup.roots, interval);

    let mut notes = Vec::new();
    if frequencies.are_unknown() {
        notes.push("no value for frequency_mhz: there is no cpufreq, and /proc/cpuinfo has no frequencies".to_string());
    }
    if temperatures.is_empty() {
        notes.push("no value for temperature_celsius: no processor sensor (coretemp, k10temp, zenpower)".to_string());
    }
    let queues = RunQueues::open(&setup.roots, interval);
    notes.extend(queues.as_ref().err().map(|why| format!("no value for wait_ms: {why}")));
    let (stat, queues) = (setup.stat.clone(), queues.ok());
    let (known, calls) = (Vec::new(), 0);
    let collector = CpuCoreCollector { stat, stat_path, hz, frequencies, temperatures, queues, known, calls, rows };
    Ok(Opened::with_notes(collector, notes))
}

impl Collector for CpuCoreCollector {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.rows.clear();
        let (hz, rows) = (self.hz, &mut self.rows);
        let parsed = self.stat.with(tick, |text| parse(text, hz, rows))?;
        parsed.map_err(|error| CollectError::Parse { path: self.stat_path.clone(), error })?;

        if let Some(Err(error)) = self.queues.as_mut().map(RunQueues::read) {
            out.warn(format!("no value for wait_ms: {error}"));
        }
        self.calls += 1;
        self.frequencies.advance(self.rows.len());
        if self.temperatures.advance() {
            for known in &mut self.known {
                known.sensor = self.temperatures.sensor_of(known.cpu);
            }
        }
        for row in &mut self.rows {
            let index = match self.known.binary_search_by_key(&row.cpu, |k| k.cpu) {
                Ok(index) => index,
                Err(index) => {
                    let sensor = self.temperatures.sensor_of(row.cpu);
                    self.known.insert(index, KnownCpu { cpu: row.cpu, sensor, seen: 0, times: row.times });
                    index
                }
            };
            let Some(known) = self.known.get_mut(index) else { continue };
            let returned = known.seen + 1 != self.calls;
            if let Some(part) = steady_part_that_fell(&known.times, &row.times).filter(|_| !returned) {
                out.warn(format!("{part} time of a CPU decreased: in such intervals its percentages are null"));
            }
            (known.seen, known.times) = (self.calls, row.times);
            row.frequency_mhz = self.frequencies.mhz(row.cpu, returned).and_then(megahertz);
            row.wait_ns = self.queues.as_ref().and_then(|queues| queues.wait_ns(row.cpu));
            row.temperature_celsius = known.sensor.and_then(|s| self.temperatures.celsius(s));
        }
        out.push(&TABLE, &self.rows);
        Ok(())
    }
}

/// Parses the online CPUs; frequency and temperature are added later.
fn parse(text: &[u8], hz: JiffiesPerSec, rows: &mut Vec<CoreRow>) -> Result<(), ParseError> {
    cpu_lines(text, hz, |which, times| {
        if let CpuLine::Cpu(cpu) = which {
            rows.push(CoreRow { cpu, times, frequency_mhz: None, temperature_celsius: None, wait_ns: None });
        }
    })?;
    match rows.is_empty() {
        true => Err(ParseError { line: 1, what: "no CPU line".into() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::linux::hwmon::tests::tree;
    use crate::table::sample::Cell;

    const HZ: JiffiesPerSec = JiffiesPerSec(100);

    /// `/proc/stat` with these CPUs. The times of each CPU are its number of jiffies plus a constant.
    fn stat(cpus: &[i32]) -> String {
        let mut text = "cpu  1 0 1 1 0 0 0 0 0 0\n".to_string();
        for cpu in cpus {
            text += &format!("cpu{cpu} {} 20 30 40 50 60 70 80 0 0\n", 1000 + cpu);
        }
        text + "intr 1 1\nctxt 2\n"
    }

    fn column<'a>(sample: &'a Sample, name: &str) -> Vec<Cell> {
        let def = TABLE.def();
        let index = def.raw.iter().position(|c| c.name == name).unwrap();
        let cells: &'a [Cell] = sample.cells_of(&sample.blocks[0]);
        cells.chunks(def.raw.len()).map(|row| row[index]).collect()
    }

    fn open_in(dir: &Path) -> Opened {
        open(&Setup::new(Roots { proc: dir.into(), sys: dir.into() }, Options::default())).ok().unwrap()
    }

    #[test]
    fn sixty_four_cpus() {
        let cpus: Vec<i32> = (0..64).collect();
        let mut rows = Vec::new();
        parse(stat(&cpus).as_bytes(), HZ, &mut rows).unwrap();
        assert_eq!(rows.iter().map(|r| r.cpu).collect::<Vec<_>>(), cpus);
        // (1063 + 20 + 30 + 60 + 70 + 80) jiffies of 10 ms.
        assert_eq!(rows[63].times.busy(), 13_230);
    }

    #[test]
    fn cpus_go_offline_and_return() {
        let dir = tempfile::tempdir().unwrap();
        let freq = |cpu: i32| format!("devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq");
        tree(
            dir.path(),
            &[("stat", &stat(&[0, 1, 3])), (&freq(0), "1000000"), (&freq(1), "1100000"), (&freq(3), "1300000")],
        );
        let mut opened = open_in(dir.path());
        assert_eq!(opened.notes.len(), 2, "{:?}", opened.notes);
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        let mut tick = |number, cpus: &[i32]| {
            tree(dir.path(), &[("stat", &stat(cpus))]);
            sample.clear();
            opened.collector.collect(number, &mut sample).unwrap();
            (column(&sample, "cpu"), column(&sample, "frequency_mhz"))
        };
        let (int, float) = (Cell::Int, Cell::Float);
        assert_eq!(
            tick(0, &[0, 1, 3]),
            (vec![int(0), int(1), int(3)], vec![float(1000.0), float(1100.0), float(1300.0)])
        );
        assert_eq!(tick(1, &[0, 3]), (vec![int(0), int(3)], vec![float(1000.0), float(1300.0)]));
        tree(dir.path(), &[(&freq(1), "1900000"), (&freq(2), "1200000")]);
        let (cpus, mhz) = tick(2, &[0, 1, 2, 3]);
        assert_eq!(cpus, (0..4).map(int).collect::<Vec<_>>());
        assert_eq!(mhz, [1000.0, 1900.0, 1200.0, 1300.0].map(float));
    }

    #[test]
    fn temperatures_of_cores_and_package() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("stat", &stat(&[0, 1])),
                ("class/hwmon/hwmon0/name", "coretemp\n"),
                ("class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
                ("class/hwmon/hwmon0/temp1_input", "61000\n"),
                ("class/hwmon/hwmon0/temp2_label", "Core 4\n"),
                ("class/hwmon/hwmon0/temp2_input", "52000\n"),
                ("devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
                ("devices/system/cpu/cpu0/topology/core_id", "4\n"),
                ("devices/system/cpu/cpu1/topology/physical_package_id", "0\n"),
                ("devices/system/cpu/cpu1/topology/core_id", "5\n"),
            ],
        );
        let mut opened = open_in(dir.path());
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        assert_eq!(column(&sample, "temperature_celsius"), [Cell::Float(52.0), Cell::Float(61.0)]);
        assert_eq!(column(&sample, "frequency_mhz"), [Cell::Null; 2]);
        assert!(opened.notes[0].contains("frequency_mhz"), "{:?}", opened.notes);
    }

    /// Expectations read by hand from the files of the fixture.
    #[test]
    fn a_machine_of_two_packages() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/big64");
        let roots = Roots { proc: root.join("proc"), sys: root.join("sys") };
        let mut opened = open(&Setup::new(roots, Options::default())).ok().unwrap();
        assert_eq!(opened.notes, [] as [String; 0]);
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        let last = |name: &str| column(&sample, name)[63];
        assert_eq!((last("cpu"), last("busy_ms")), (Cell::Int(63), Cell::Int(17_803_580)));
        assert_eq!(last("frequency_mhz"), Cell::Float(3054.032));
        assert_eq!(last("temperature_celsius"), Cell::Float(58.0));
        assert_eq!(last("wait_ms"), Cell::Int(64_000));
    }

    #[test]
    fn damaged_text() {
        let mut rows = Vec::new();
        assert_eq!(parse(b"", HZ, &mut rows).unwrap_err().to_string(), "line 1: no CPU line");
        assert!(parse(b"cpu  1 2 3 4 5 6 7 8 9 0\nintr 1\n", HZ, &mut rows).is_err());
        let cut = parse(b"cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1 2 3", HZ, &mut rows).unwrap_err();
        assert_eq!(cut.to_string(), "line 2: expected at least 7 times, found 3");
    }

    #[test]
    fn columns_are_in_the_documented_order() {
        let def = TABLE.def();
        let names: Vec<_> = def.stored.iter().map(|c| c.name).collect();
        let expected = "cpu usage_percent user_percent nice_percent system_percent idle_percent iowait_percent \
                        irq_percent softirq_percent steal_percent busy_ms frequency_mhz temperature_celsius wait_ms \
                        wait_percent";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }
}
