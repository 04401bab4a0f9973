//! The frequency of each CPU, for `cpu_core`. Sources: `scaling_cur_freq` of cpufreq, else `cpu MHz` of `/proc/cpuinfo`.

use std::time::Duration;

use super::attribute::{Attribute, Turns, ticks_in};
use super::scan::{decimal, lines, number};
use crate::source::{HeldFile, Roots};

/// cpufreq computes an average over the last ten milliseconds or more, and asking makes some drivers wake the CPU.
const CPUFREQ_EVERY: Duration = Duration::from_secs(1);

/// `/proc/cpuinfo` costs 35 us on 2 cores and a kilobyte and a half of text per CPU, and where cpufreq is missing it is
/// most often a virtual machine's constant.
const CPUINFO_EVERY: Duration = Duration::from_secs(10);

/// Where the frequencies come from.
#[derive(Debug)]
pub enum Frequencies {
    Cpufreq { cpus: Vec<(i32, Attribute)>, turns: Turns, roots: Roots },
    Cpuinfo { file: HeldFile, mhz: Vec<(i32, f64)>, period: u64, age: u64, cpus: usize },
    Unknown,
}

impl Frequencies {
    /// `cpus` are those on-line now; `interval` is the time between two ticks.
    pub fn open(roots: &Roots, cpus: &[i32], interval: Duration) -> Frequencies {
        if cpus.iter().any(|cpu| roots.sys(&scaling_cur_freq(*cpu)).exists()) {
            let turns = Turns::new(CPUFREQ_EVERY, interval);
            return Frequencies::Cpufreq { cpus: Vec::new(), turns, roots: roots.clone() };
        }
        let Ok(mut file) = HeldFile::open(roots.proc("cpuinfo")) else { return Frequencies::Unknown };
        let mut mhz = Vec::new();
        match file.read() {
            Ok(text) => parse_cpuinfo(text, &mut mhz),
            Err(_) => return Frequencies::Unknown,
        }
        match mhz.is_empty() {
            true => Frequencies::Unknown,
            false => {
                let period = ticks_in(CPUINFO_EVERY, interval);
                Frequencies::Cpuinfo { file, mhz, period, age: 0, cpus: cpus.len() }
            }
        }
    }

    /// The next tick, at which so many CPUs are on-line.
    pub fn advance(&mut self, online: usize) {
        match self {
            Frequencies::Cpufreq { turns, .. } => turns.advance(online),
            Frequencies::Cpuinfo { file, mhz, period, age, cpus } => {
                *age += 1;
                if *age >= *period || *cpus != online {
                    (*age, *cpus) = (0, online);
                    mhz.clear();
                    if let Ok(text) = file.read() {
                        parse_cpuinfo(text, mhz);
                    }
                }
            }
            Frequencies::Unknown => {}
        }
    }

    /// Unit: MHz. `returned`: the CPU was not on-line at the previous tick.
    pub fn of(&mut self, cpu: i32, returned: bool) -> Option<f64> {
        match self {
            Frequencies::Cpufreq { cpus, turns, roots } => {
                let index = match cpus.binary_search_by_key(&cpu, |(c, _)| *c) {
                    Ok(index) => index,
                    Err(index) => {
                        cpus.insert(index, (cpu, Attribute::new(roots.sys(&scaling_cur_freq(cpu)))));
                        index
                    }
                };
                let (_, khz) = cpus.get_mut(index)?;
                if returned {
                    khz.forget();
                }
                if turns.has(index) || !khz.was_asked() {
                    khz.refresh();
                }
                khz.value().map(|khz| khz as f64 / 1000.0)
            }
            Frequencies::Cpuinfo { mhz, .. } => {
                let index = mhz.binary_search_by_key(&cpu, |(c, _)| *c).ok()?;
                mhz.get(index).map(|(_, mhz)| *mhz)
            }
            Frequencies::Unknown => None,
        }
    }
}

fn scaling_cur_freq(cpu: i32) -> String {
    format!("devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")
}

/// `processor : 0` … `cpu MHz : 2300.000` of x86, a block a CPU; sorted by CPU. Others print no such lines.
fn parse_cpuinfo(text: &[u8], mhz: &mut Vec<(i32, f64)>) {
    let value = |line: &[u8]| -> Option<usize> { line.iter().position(|b| *b == b':') };
    let mut cpu = None;
    for line in lines(text) {
        let is_processor = line.starts_with(b"processor");
        if !is_processor && !line.starts_with(b"cpu MHz") {
            continue;
        }
        let Some(colon) = value(line) else { continue };
        let word = line[colon + 1..].trim_ascii();
        if is_processor {
            cpu = number(word).and_then(|n| i32::try_from(n).ok());
        } else if let (Some(cpu), Some(value)) = (cpu, decimal(word)) {
            mhz.push((cpu, value));
        }
    }
    mhz.sort_unstable_by_key(|(cpu, _)| *cpu);
}

#[cfg(test)]
mod tests {
    use super::super::hwmon::tests::tree;
    use super::*;

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
    fn cpufreq_comes_first_and_follows_cpus_that_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let file = |cpu: i32| format!("devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq");
        tree(
            dir.path(),
            &[(&file(0), "3400123\n"), (&file(1), "<unknown>\n"), ("cpuinfo", "processor : 0\ncpu MHz : 1.0\n")],
        );
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut f = Frequencies::open(&roots, &[0, 1], SECOND);
        f.advance(2);
        assert_eq!((f.of(0, true), f.of(1, true), f.of(2, true)), (Some(3400.123), None, None));
        tree(dir.path(), &[(&file(1), "800000\n"), (&file(2), "900000\n")]);
        f.advance(3);
        assert_eq!((f.of(0, false), f.of(1, false), f.of(2, false)), (Some(3400.123), Some(800.0), Some(900.0)));
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
            seen.push(f.of(0, tick == 0).unwrap());
        }
        let first_new = seen.iter().position(|mhz| *mhz == 2000.0).unwrap();
        assert!((1..=10).contains(&first_new), "{first_new}");
        f.advance(1);
        tree(dir.path(), &[(file, "3000000\n")]);
        assert_eq!(f.of(0, true), Some(3000.0), "a CPU that was away is asked at once");
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
            assert_eq!(f.of(0, false), Some(1.0));
        }
        f.advance(1);
        assert_eq!((f.of(0, false), f.of(1, false)), (Some(2.0), Some(3.0)));
        tree(dir.path(), &[("cpuinfo", "processor : 0\ncpu MHz : 4.0\n")]);
        f.advance(2);
        assert_eq!(f.of(0, false), Some(4.0));
    }

    #[test]
    fn no_source_is_no_value() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        assert!(matches!(Frequencies::open(&roots, &[0], SECOND), Frequencies::Unknown));
        tree(dir.path(), &[("cpuinfo", "processor : 0\nBogoMIPS : 50.00\n")]);
        let mut f = Frequencies::open(&roots, &[0], SECOND);
        f.advance(1);
        assert_eq!(f.of(0, true), None);
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
