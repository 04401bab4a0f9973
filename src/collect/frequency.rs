//! The frequency of each CPU, for `cpu_core`. Sources: `scaling_cur_freq` of cpufreq, and for CPUs without it
//! `/proc/cpuinfo`.

use std::time::Duration;

use super::attribute::{Attribute, Turns, ticks_in};
use crate::linux::files::{HeldFile, Roots};
use crate::linux::scan::{decimal, lines, number, split_once};

/// cpufreq averages over the last ten milliseconds or more, and with some drivers a reading wakes the CPU.
const CPUFREQ_EVERY: Duration = Duration::from_secs(1);

/// Reading `/proc/cpuinfo` takes 35 us on 2 cores and yields 1.5 kB of text per CPU. Where cpufreq is missing, its
/// value is usually the constant of a virtual machine.
const CPUINFO_EVERY: Duration = Duration::from_secs(10);

/// Where the frequencies come from.
#[derive(Debug)]
pub struct Frequencies {
    roots: Roots,
    /// At least one CPU has cpufreq. Sorted by CPU; opened when needed.
    has_cpufreq: bool,
    cpufreq: Vec<(i32, Attribute)>,
    turns: Turns,
    /// Open if a CPU without cpufreq was seen.
    cpuinfo: Option<Cpuinfo>,
    /// Ticks between two checks of what changes rarely, and since the last one.
    period: u64,
    age: u64,
    online: usize,
}

/// The last content of `/proc/cpuinfo`.
#[derive(Debug)]
struct Cpuinfo {
    file: HeldFile,
    mhz: Vec<(i32, f64)>,
}

impl Frequencies {
    /// `cpus` are the CPUs that are online now; `interval` is the time between two ticks.
    pub fn open(roots: &Roots, cpus: &[i32], interval: Duration) -> Frequencies {
        let with = cpus.iter().filter(|cpu| roots.sys(&scaling_cur_freq(**cpu)).exists()).count();
        let cpuinfo = if with < cpus.len() { Cpuinfo::open(roots) } else { None };
        Frequencies {
            roots: roots.clone(),
            has_cpufreq: with > 0,
            cpufreq: Vec::new(),
            turns: Turns::new(CPUFREQ_EVERY, interval),
            cpuinfo,
            period: ticks_in(CPUINFO_EVERY, interval),
            age: 0,
            online: cpus.len(),
        }
    }

    /// Whether no source has a frequency.
    pub fn are_unknown(&self) -> bool {
        !self.has_cpufreq && self.cpuinfo.is_none()
    }

    /// Moves to the next tick, at which this many CPUs are online.
    pub fn advance(&mut self, online: usize) {
        if self.has_cpufreq {
            self.turns.advance(online);
        }
        self.age += 1;
        if self.age >= self.period || self.online != online {
            (self.age, self.online) = (0, online);
            self.cpuinfo.iter_mut().for_each(Cpuinfo::read);
            // A driver may be loaded later.
            self.has_cpufreq = self.has_cpufreq || self.roots.sys(&scaling_cur_freq(0)).exists();
        }
    }

    /// Unit: MHz. `returned`: the CPU was not online at the previous tick.
    pub fn mhz(&mut self, cpu: i32, returned: bool) -> Option<f64> {
        self.by_cpufreq(cpu, returned).or_else(|| self.cpuinfo.as_ref()?.mhz_of(cpu))
    }

    fn by_cpufreq(&mut self, cpu: i32, returned: bool) -> Option<f64> {
        if !self.has_cpufreq {
            return None;
        }
        let index = match self.cpufreq.binary_search_by_key(&cpu, |(c, _)| *c) {
            Ok(index) => index,
            Err(index) => {
                self.cpufreq.insert(index, (cpu, Attribute::new(self.roots.sys(&scaling_cur_freq(cpu)))));
                index
            }
        };
        let (_, khz) = self.cpufreq.get_mut(index)?;
        if returned {
            khz.forget();
        }
        if self.turns.has(index) || !khz.was_asked() {
            khz.refresh();
        }
        khz.value().map(|khz| khz as f64 / 1000.0)
    }
}

impl Cpuinfo {
    /// `None` if it has no frequencies.
    fn open(roots: &Roots) -> Option<Cpuinfo> {
        let mut cpuinfo = Cpuinfo { file: HeldFile::open(roots.proc("cpuinfo")).ok()?, mhz: Vec::new() };
        cpuinfo.read();
        Some(cpuinfo).filter(|cpuinfo| !cpuinfo.mhz.is_empty())
    }

    fn read(&mut self) {
        self.mhz.clear();
        if let Ok(text) = self.file.read() {
            parse_cpuinfo(text, &mut self.mhz);
        }
    }

    fn mhz_of(&self, cpu: i32) -> Option<f64> {
        let index = self.mhz.binary_search_by_key(&cpu, |(c, _)| *c).ok()?;
        self.mhz.get(index).map(|(_, mhz)| *mhz)
    }
}

fn scaling_cur_freq(cpu: i32) -> String {
    format!("devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")
}

/// The lines of a CPU begin with its number: `processor : 0`, on s390 `cpu number : 0`. Its frequency is `cpu MHz :
/// 2300.000` on x86, `CPU MHz : 2500.00` on LoongArch, `clock : 3425.000000MHz` on POWER, `cpu MHz dynamic : 5200` on
/// s390; arm64 and riscv have none. Sorted by CPU, each once. Zero means that the machine does not know it.
fn parse_cpuinfo(text: &[u8], mhz: &mut Vec<(i32, f64)>) {
    let mut cpu = None;
    for line in lines(text) {
        let Some((key, word)) = split_once(line, b':') else { continue };
        let (key, word) = (key.trim_ascii_end(), word.trim_ascii());
        let is = |name: &[u8]| key.eq_ignore_ascii_case(name);
        if is(b"processor") || is(b"cpu number") {
            cpu = number(word).and_then(|n| i32::try_from(n).ok());
            continue;
        }
        let value = if is(b"cpu MHz") || is(b"cpu MHz dynamic") {
            decimal(word)
        } else if is(b"clock") {
            word.strip_suffix(b"MHz").and_then(decimal)
        } else {
            None
        };
        if let (Some(cpu), Some(value)) = (cpu, value.filter(|mhz| *mhz > 0.0)) {
            mhz.push((cpu, value));
        }
    }
    mhz.sort_by_key(|(cpu, _)| *cpu);
    mhz.dedup_by_key(|(cpu, _)| *cpu);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::hwmon::tests::tree;

    const SECOND: Duration = Duration::from_secs(1);

    fn cpuinfo(text: &str) -> Vec<(i32, f64)> {
        let mut mhz = Vec::new();
        parse_cpuinfo(text.as_bytes(), &mut mhz);
        mhz
    }

    #[test]
    fn blocks_of_cpuinfo() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu MHz\t\t: 2300.000\nflags\t\t: fpu vme cpu MHz\n\n\
                    processor\t: 12\ncpu MHz\t\t: 799.871\n";
        assert_eq!(cpuinfo(text), [(0, 2300.0), (12, 799.871)]);
        assert_eq!(cpuinfo("processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n"), [], "arm64");
    }

    #[test]
    fn damaged_cpuinfo() {
        let text = "cpu MHz : 1.0\nprocessor\nprocessor : x\ncpu MHz : 2.0\nprocessor : 3\ncpu MHz : fast\n\
                    processor : 99999999999\ncpu MHz : 4.0\nprocessor : 1\ncpu MHz";
        assert_eq!(cpuinfo(text), []);
    }

    #[test]
    fn cpufreq_has_priority_and_follows_cpus_that_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let file = |cpu: i32| format!("devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq");
        tree(
            dir.path(),
            &[(&file(0), "3400123\n"), (&file(1), "<unknown>\n"), ("cpuinfo", "processor : 0\ncpu MHz : 1.0\n")],
        );
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut f = Frequencies::open(&roots, &[0, 1], SECOND);
        f.advance(2);
        assert_eq!((f.mhz(0, true), f.mhz(1, true), f.mhz(2, true)), (Some(3400.123), None, None));
        tree(dir.path(), &[(&file(1), "800000\n"), (&file(2), "900000\n")]);
        f.advance(3);
        assert_eq!((f.mhz(0, false), f.mhz(1, false), f.mhz(2, false)), (Some(3400.123), Some(800.0), Some(900.0)));
    }

    #[test]
    fn a_short_interval_gives_the_last_value_until_a_second_has_passed() {
        let dir = tempfile::tempdir().unwrap();
        let file = "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq";
        tree(dir.path(), &[(file, "1000000\n")]);
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut f = Frequencies::open(&roots, &[0], Duration::from_millis(100));
        let mut seen = Vec::new();
        for tick in 0..21 {
            if tick == 1 {
                tree(dir.path(), &[(file, "2000000\n")]);
            }
            f.advance(1);
            seen.push(f.mhz(0, tick == 0).unwrap());
        }
        let first_new = seen.iter().position(|mhz| *mhz == 2000.0).unwrap();
        assert!((1..=10).contains(&first_new), "{first_new}");
        f.advance(1);
        tree(dir.path(), &[(file, "3000000\n")]);
        assert_eq!(f.mhz(0, true), Some(3000.0), "a CPU that was away is read at once");
    }

    #[test]
    fn cpuinfo_is_read_again_every_ten_seconds_and_when_a_cpu_comes() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        tree(dir.path(), &[("cpuinfo", "processor : 0\ncpu MHz : 1.0\n")]);
        let mut f = Frequencies::open(&roots, &[0], SECOND);
        tree(dir.path(), &[("cpuinfo", "processor : 0\ncpu MHz : 2.0\nprocessor : 1\ncpu MHz : 3.0\n")]);
        for _ in 0..9 {
            f.advance(1);
            assert_eq!(f.mhz(0, false), Some(1.0));
        }
        f.advance(1);
        assert_eq!((f.mhz(0, false), f.mhz(1, false)), (Some(2.0), Some(3.0)));
        tree(dir.path(), &[("cpuinfo", "processor : 0\ncpu MHz : 4.0\n")]);
        f.advance(2);
        assert_eq!(f.mhz(0, false), Some(4.0));
    }

    #[test]
    fn no_source_is_no_value() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        assert!(Frequencies::open(&roots, &[0], SECOND).are_unknown());
        tree(dir.path(), &[("cpuinfo", "processor : 0\nBogoMIPS : 50.00\n")]);
        let mut f = Frequencies::open(&roots, &[0], SECOND);
        f.advance(1);
        assert_eq!(f.mhz(0, true), None);
    }

    /// Some CPUs have cpufreq and some do not: one source does not hide the other.
    #[test]
    fn cpus_without_cpufreq_are_read_from_cpuinfo() {
        let dir = tempfile::tempdir().unwrap();
        let file = |cpu: i32| format!("devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq");
        let cpuinfo = "processor : 0\ncpu MHz : 1.0\nprocessor : 1\ncpu MHz : 2100.0\n";
        tree(dir.path(), &[(&file(0), "3400123\n"), ("cpuinfo", cpuinfo)]);
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut f = Frequencies::open(&roots, &[0, 1], SECOND);
        f.advance(2);
        assert_eq!((f.mhz(0, true), f.mhz(1, true), f.mhz(2, true)), (Some(3400.123), Some(2100.0), None));
    }

    #[test]
    fn a_driver_that_is_loaded_later() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut f = Frequencies::open(&roots, &[0], SECOND);
        assert!(f.are_unknown());
        tree(dir.path(), &[("devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1800000\n")]);
        (0..10).for_each(|_| f.advance(1));
        assert_eq!(f.mhz(0, false), Some(1800.0));
    }

    /// The CPU numbers in captured texts have gaps: SMT is off, or some CPUs are offline.
    #[test]
    fn other_architectures() {
        let text = |name: &str| {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cpuinfo");
            std::fs::read_to_string(format!("{root}/{name}")).unwrap()
        };
        assert_eq!(cpuinfo(&text("s390x")), [(0, 5200.0), (1, 5200.0), (4, 5100.0)]);
        assert_eq!(cpuinfo(&text("ppc64le")), [(0, 3425.0), (8, 3425.0), (16, 2166.0)]);
        assert_eq!(cpuinfo(&text("loongarch64")), [(0, 2500.0), (2, 2500.0), (3, 2300.0)]);
        // These two have no frequency.
        assert_eq!(cpuinfo(&text("arm64")), []);
        assert_eq!(cpuinfo(&text("riscv64")), []);
    }

    #[test]
    fn zero_is_not_a_frequency() {
        assert_eq!(cpuinfo("processor : 0\ncpu MHz : 0.000\nprocessor : 1\ncpu MHz : 2000.000\n"), [(1, 2000.0)]);
        assert_eq!(cpuinfo("processor : 0\nclock : 33\nclock : fastMHz\n"), [], "no unit, not a number");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, tail: Vec<u8>) {
            parse_cpuinfo(&text, &mut Vec::new());
            let mut line = b"processor : 1\ncpu MHz".to_vec();
            line.extend(tail);
            parse_cpuinfo(&line, &mut Vec::new());
        }
    }
}
