//! The PMU `power`: RAPL through `perf_event_open(2)`, one descriptor per package and domain.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use super::EnergyCounter;
use crate::linux::cpus;
use crate::linux::files::{Roots, read_once};
use crate::linux::perf_event::{self, Attr};

/// Opens a counter of the PMU of this type, with this `config`, on this CPU; or the `errno`. Tests have their own.
pub(super) type OpenCounter = fn(u32, u64, u32) -> Result<OwnedFd, i32>;

/// `PERF_FLAG_FD_CLOEXEC`
const CLOSE_ON_EXEC: libc::c_ulong = 8;

pub(super) fn kernel(kind: u32, config: u64, cpu: u32) -> Result<OwnedFd, i32> {
    let attr = Attr { kind, size: Attr::SIZE, config, ..Attr::default() };
    let cpu = libc::c_int::try_from(cpu).map_err(|_| libc::EINVAL)?;
    perf_event::open(&attr, -1, cpu, -1, CLOSE_ON_EXEC)
}

/// The events, and the parts of a package that they count.
const EVENTS: [(&str, Option<&str>); 4] =
    [("energy-pkg", None), ("energy-cores", Some("core")), ("energy-ram", Some("dram")), ("energy-gpu", Some("gpu"))];

/// # Errors
/// If there are counters, and none of them can be opened.
pub(super) fn open(roots: &Roots, perf: OpenCounter) -> io::Result<Vec<EnergyCounter>> {
    let pmu = roots.sys("bus/event_source/devices/power");
    let Some(kind) = text(&pmu, "type").and_then(|text| text.parse().ok()) else { return Ok(Vec::new()) };
    // One CPU per package.
    let readers = text(&pmu, "cpumask").and_then(|list| cpus::parse(&list)).unwrap_or_default();
    let (mut counters, mut denied) = (Vec::new(), None);
    let mut add = |domain: String, event: &str, cpu: u32| {
        let Some((config, joules)) = declared(&pmu, event) else { return };
        match perf(kind, config, cpu) {
            Ok(descriptor) => counters.push(counter(domain, descriptor, joules)),
            Err(errno) => denied = Some(io::Error::from_raw_os_error(errno)),
        }
    };
    for cpu in &readers {
        let package = roots.sys(&format!("devices/system/cpu/cpu{cpu}/topology"));
        let package = text(&package, "physical_package_id").unwrap_or_else(|| "0".into());
        for (event, part) in EVENTS {
            let part = part.map_or_else(String::new, |part| format!("/{part}"));
            add(format!("package-{package}{part}"), event, *cpu);
        }
    }
    if let Some(first) = readers.first() {
        add("psys".into(), "energy-psys", *first);
    }
    match denied {
        Some(error) if counters.is_empty() => Err(error),
        _ => Ok(counters),
    }
}

fn counter(domain: String, descriptor: OwnedFd, joules: f64) -> EnergyCounter {
    let mut file = File::from(descriptor);
    EnergyCounter::new(domain, None, move || {
        let mut count = [0; 8];
        file.read_exact(&mut count)?;
        Ok((u64::from_ne_bytes(count) as f64 * joules * 1e6) as u64)
    })
}

/// The `config` of an event, and the joules of one count: `event=0x02` and `2.3283064365386962890625e-10`.
fn declared(pmu: &Path, event: &str) -> Option<(u64, f64)> {
    let terms = text(pmu, &format!("events/{event}"))?;
    let code = terms.strip_prefix("event=")?;
    let config = u64::from_str_radix(code.strip_prefix("0x")?, 16).ok()?;
    let joules: f64 = text(pmu, &format!("events/{event}.scale"))?.parse().ok()?;
    (joules > 0.0 && joules.is_finite()).then_some((config, joules))
}

fn text(folder: &Path, name: &str) -> Option<String> {
    read_once(&folder.join(name)).ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;
    use crate::linux::hwmon::tests::tree;

    /// A counter with two values: its number times 2^32, and twice as much.
    fn fake(kind: u32, config: u64, cpu: u32) -> Result<OwnedFd, i32> {
        assert_eq!(kind, 21);
        if config == 3 {
            return Err(libc::ENOENT);
        }
        let mut file = tempfile::tempfile().unwrap();
        for times in [1, 2] {
            file.write_all(&((times * (config + 10 * u64::from(cpu))) << 32).to_ne_bytes()).unwrap();
        }
        file.rewind().unwrap();
        Ok(file.into())
    }

    fn machine() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let event = |name: &str, code: &str| {
            let folder = format!("bus/event_source/devices/power/events/{name}");
            tree(dir.path(), &[(&folder, code), (&format!("{folder}.scale"), "2.3283064365386962890625e-10\n")]);
        };
        event("energy-pkg", "event=0x02\n");
        event("energy-ram", "event=0x03\n");
        event("energy-cores", "event=0x01\n");
        event("energy-psys", "event=0x05\n");
        tree(
            dir.path(),
            &[
                ("bus/event_source/devices/power/type", "21\n"),
                ("bus/event_source/devices/power/cpumask", "0,18\n"),
                ("devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
                ("devices/system/cpu/cpu18/topology/physical_package_id", "1\n"),
            ],
        );
        dir
    }

    #[test]
    fn two_packages() {
        let dir = machine();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut counters = open(&roots, fake).unwrap();
        // 2^32 counts are a joule.
        let mut read = || -> Vec<(String, u64)> {
            counters.iter_mut().map(|c| (c.domain.clone(), c.read_uj().unwrap() / 1_000_000)).collect()
        };
        let all = |values: [u64; 5]| -> Vec<(String, u64)> {
            let domains = ["package-0", "package-0/core", "package-1", "package-1/core", "psys"];
            domains.into_iter().map(str::to_string).zip(values).collect()
        };
        assert_eq!(read(), all([2, 1, 182, 181, 5]));
        assert_eq!(read(), all([4, 2, 364, 362, 10]));
    }

    #[test]
    fn without_permission() {
        let dir = machine();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let error = open(&roots, |_, _, _| Err(libc::EACCES)).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let bare = tempfile::tempdir().unwrap();
        let roots = Roots { proc: bare.path().into(), sys: bare.path().into() };
        assert!(open(&roots, |_, _, _| Err(libc::EACCES)).unwrap().is_empty(), "it has no such PMU");
    }
}
