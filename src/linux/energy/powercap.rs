//! `/sys/class/powercap`: the kernel's power capping framework, with RAPL of Intel and AMD below it.

use std::io;
use std::path::Path;

use super::EnergyCounter;
use crate::linux::files::{HeldFile, Roots, names_in, read_once};

/// # Errors
/// If there are counters, and none of them can be read.
pub(super) fn open(roots: &Roots) -> io::Result<Vec<EnergyCounter>> {
    let class = roots.sys("class/powercap");
    let mut names = names_in(&class).unwrap_or_default();
    // `intel-rapl:0` before its parts, `intel-rapl:0:1`. The same counters through memory-mapped registers
    // (`intel-rapl-mmio:0`) would count twice.
    names.retain(|name| name.starts_with("intel-rapl:") || name.starts_with("amd-rapl:"));
    names.sort();
    let (mut counters, mut denied) = (Vec::new(), None);
    for name in names {
        let folder = class.join(&name);
        let Some(domain) = domain(&class, &name) else { continue };
        match HeldFile::open_attribute(folder.join("energy_uj")) {
            Ok(file) => {
                let range = read_once(&folder.join("max_energy_range_uj")).ok().and_then(|text| text.parse().ok());
                counters.push(EnergyCounter::of_file(domain, range, file));
            }
            Err(error) if error.is_missing() => {}
            Err(error) => denied = Some(error.error),
        }
    }
    match denied {
        Some(error) if counters.is_empty() => Err(error),
        _ => Ok(counters),
    }
}

/// `package-0` of `intel-rapl:0`, and `package-0/dram` of `intel-rapl:0:1`.
fn domain(class: &Path, name: &str) -> Option<String> {
    let own = read_once(&class.join(name).join("name")).ok()?;
    let (parent, _) = name.rsplit_once(':')?;
    // Only a part has a parent with a colon.
    match parent.contains(':') {
        true => Some(format!("{}/{own}", read_once(&class.join(parent).join("name")).ok()?)),
        false => Some(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::hwmon::tests::tree;

    #[test]
    fn packages_their_parts_and_the_whole_machine() {
        let dir = tempfile::tempdir().unwrap();
        let zone = |id: &str, name: &str, uj: &str| {
            let folder = format!("class/powercap/{id}");
            tree(
                dir.path(),
                &[
                    (&format!("{folder}/name"), &format!("{name}\n")),
                    (&format!("{folder}/energy_uj"), &format!("{uj}\n")),
                    (&format!("{folder}/max_energy_range_uj"), "262143328850\n"),
                ],
            );
        };
        zone("intel-rapl:0", "package-0", "1000");
        zone("intel-rapl:0:0", "core", "400");
        zone("intel-rapl:0:1", "dram", "50");
        zone("intel-rapl:1", "package-1", "2000");
        zone("intel-rapl:2", "psys", "5000");
        zone("intel-rapl-mmio:0", "package-0", "1000");
        tree(dir.path(), &[("class/powercap/intel-rapl/enabled", "1\n")]);
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut counters = open(&roots).unwrap();
        let mut read = || -> Vec<(String, u64)> {
            counters.iter_mut().map(|c| (c.domain.clone(), c.read_uj().unwrap())).collect()
        };
        let all = |values: [u64; 5]| -> Vec<(String, u64)> {
            let domains = ["package-0", "package-0/core", "package-0/dram", "package-1", "psys"];
            domains.into_iter().map(str::to_string).zip(values).collect()
        };
        assert_eq!(read(), all([1000, 400, 50, 2000, 5000]));
        // One wraps: the range is 262,143,328,850.
        zone("intel-rapl:1", "package-1", "7");
        assert_eq!(read()[3].1, 262_143_328_850 + 7);
    }
}
