//! What the processors and their memory consumed, as they count it themselves. Virtual machines do not have this.

use std::io;
use std::time::Duration;

use super::files::{HeldFile, Roots};
use super::scan::number;

mod amd;
mod pmu;
mod powercap;

use pmu::OpenCounter;

/// A counter of energy.
pub struct EnergyCounter {
    /// `package-0`, `package-0/core`, `package-0/dram`, `psys`.
    pub domain: String,
    /// Part of the whole: the packages and their memory, which contain the other domains and do not overlap.
    pub is_counted: bool,
    read: Box<dyn FnMut() -> io::Result<u64> + Send>,
    /// The value after which it begins again at zero, in microjoules.
    wraps_at_uj: Option<u64>,
    last_uj: Option<u64>,
    total_uj: u64,
}

/// Where the counters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The PMU `power`, as `perf stat -e power/energy-pkg/` reads it. CAP_PERFMON is enough, and it never wraps.
    Pmu,
    /// `/sys/class/powercap`. Only root may read it since Linux 5.10.
    Powercap,
    /// The hwmon driver `amd_energy` of Linux 5.8 to 5.12.
    AmdEnergy,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Pmu => "perf",
            Source::Powercap => "powercap",
            Source::AmdEnergy => "hwmon",
        }
    }
}

/// Why there are no counters.
#[derive(Debug, PartialEq, Eq)]
pub enum Missing {
    /// The machine has none.
    None,
    /// It has some, which we may not read: the source, and what the kernel said.
    Denied(&'static str, String),
    /// It has some, and they do not count: the source.
    Still(&'static str),
}

impl EnergyCounter {
    /// `read` gives microjoules.
    fn new(
        domain: impl Into<String>,
        wraps_at_uj: Option<u64>,
        read: impl FnMut() -> io::Result<u64> + Send + 'static,
    ) -> EnergyCounter {
        let domain = domain.into();
        let is_counted = match domain.split_once('/') {
            None => domain.starts_with("package-"),
            Some((_, part)) => part == "dram",
        };
        EnergyCounter { domain, is_counted, read: Box::new(read), wraps_at_uj, last_uj: None, total_uj: 0 }
    }

    /// A file with a number of microjoules.
    fn of_file(domain: impl Into<String>, wraps_at_uj: Option<u64>, mut file: HeldFile) -> EnergyCounter {
        EnergyCounter::new(domain, wraps_at_uj, move || {
            let text = file.read().map_err(|error| error.error)?;
            number(text.trim_ascii()).ok_or_else(|| io::Error::other("not a number of microjoules"))
        })
    }

    /// Microjoules, since a beginning that does not change. A counter that wrapped goes on.
    ///
    /// # Errors
    /// If it cannot be read now.
    pub fn read_uj(&mut self) -> io::Result<u64> {
        let now = (self.read)()?;
        self.total_uj += match self.last_uj {
            None => now,
            Some(last) if now >= last => now - last,
            // It wrapped once; or it was reset, as some are by suspending, and then its limit is unknown.
            Some(last) => self.wraps_at_uj.map_or(now, |limit| limit.saturating_sub(last).saturating_add(now)),
        };
        self.last_uj = Some(now);
        Ok(self.total_uj)
    }
}

/// The counters of the first source that has some: all sources count the same energy.
///
/// # Errors
/// Why there are none.
pub fn open(roots: &Roots) -> Result<(Source, Vec<EnergyCounter>), Missing> {
    open_with(roots, pmu::kernel)
}

fn open_with(roots: &Roots, perf: OpenCounter) -> Result<(Source, Vec<EnergyCounter>), Missing> {
    let sources = [
        (Source::Pmu, pmu::open(roots, perf)),
        (Source::Powercap, powercap::open(roots)),
        (Source::AmdEnergy, amd::open(roots)),
    ];
    let mut missing = Missing::None;
    for (source, opened) in sources {
        match opened {
            Ok(counters) if counters.is_empty() => {}
            Ok(mut counters) => {
                if any_counts(&mut counters) {
                    return Ok((source, counters));
                }
                missing = Missing::Still(source.name());
            }
            Err(error) if missing == Missing::None => missing = Missing::Denied(source.name(), error.to_string()),
            Err(_) => {}
        }
    }
    Err(missing)
}

/// Whether any of them counts. Processors add what they consumed every millisecond. Virtual machines may have the
/// counters of the host's model, which stay at zero.
fn any_counts(counters: &mut [EnergyCounter]) -> bool {
    (0..20).any(|attempt| {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        counters.iter_mut().any(|counter| counter.read_uj().is_ok_and(|uj| uj > 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(domain: &str, wraps_at_uj: Option<u64>, values: &[u64]) -> EnergyCounter {
        let mut values = Vec::from(values).into_iter();
        EnergyCounter::new(domain, wraps_at_uj, move || values.next().ok_or_else(|| io::Error::other("over")))
    }

    fn all(mut counter: EnergyCounter) -> Vec<u64> {
        std::iter::from_fn(|| counter.read_uj().ok()).collect()
    }

    #[test]
    fn a_counter_that_wrapped_goes_on() {
        // From 990 to the limit of 1000, and 20 more.
        assert_eq!(all(counter("psys", Some(1000), &[500, 990, 20, 30])), [500, 990, 1020, 1030]);
        assert_eq!(all(counter("psys", None, &[500, 990, 20, 30])), [500, 990, 1010, 1020], "reset");
    }

    #[test]
    fn packages_and_memory_are_the_whole() {
        let counted = |domain| counter(domain, None, &[]).is_counted;
        assert!(counted("package-0") && counted("package-1/dram"));
        assert!(!counted("package-0/core") && !counted("package-0/gpu") && !counted("psys"));
    }

    #[test]
    fn a_machine_without_counters() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        assert_eq!(open(&roots).err(), Some(Missing::None));
        // A virtual machine with the counters of its host's model.
        let folder = dir.path().join("class/powercap/intel-rapl:0");
        std::fs::create_dir_all(&folder).unwrap();
        for (file, text) in [("name", "package-0\n"), ("energy_uj", "0\n")] {
            std::fs::write(folder.join(file), text).unwrap();
        }
        assert_eq!(open(&roots).err(), Some(Missing::Still("powercap")));
    }
}
