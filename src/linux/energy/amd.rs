//! The hwmon driver `amd_energy`: one counter per socket, in microjoules. Its counters of cores are left out, because
//! they are many and their sum is less than what the sockets consume.

use std::io;

use super::EnergyCounter;
use crate::linux::files::{HeldFile, Roots, names_in, read_once};

/// # Errors
/// If there are counters, and none of them can be read.
pub(super) fn open(roots: &Roots) -> io::Result<Vec<EnergyCounter>> {
    let class = roots.sys("class/hwmon");
    let (mut counters, mut denied) = (Vec::new(), None);
    for chip in names_in(&class).unwrap_or_default() {
        let folder = class.join(chip);
        if !read_once(&folder.join("name")).is_ok_and(|name| name == "amd_energy") {
            continue;
        }
        for file in names_in(&folder).unwrap_or_default() {
            let Some(input) = file.strip_suffix("_label").filter(|input| input.starts_with("energy")) else { continue };
            let label = read_once(&folder.join(&file)).unwrap_or_default();
            let Some(socket) = label.strip_prefix("Esocket").and_then(|n| n.parse::<u32>().ok()) else { continue };
            match HeldFile::open_attribute(folder.join(format!("{input}_input"))) {
                // The driver adds up 64 bits itself.
                Ok(file) => counters.push(EnergyCounter::of_file(format!("package-{socket}"), None, file)),
                Err(error) => denied = Some(error.error),
            }
        }
    }
    counters.sort_by(|one, other| one.domain.cmp(&other.domain));
    match denied {
        Some(error) if counters.is_empty() => Err(error),
        _ => Ok(counters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::hwmon::tests::tree;

    #[test]
    fn sockets_without_their_cores() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "k10temp\n"),
                ("class/hwmon/hwmon1/name", "amd_energy\n"),
                ("class/hwmon/hwmon1/energy1_label", "Ecore000\n"),
                ("class/hwmon/hwmon1/energy1_input", "11\n"),
                ("class/hwmon/hwmon1/energy3_label", "Esocket1\n"),
                ("class/hwmon/hwmon1/energy3_input", "33\n"),
                ("class/hwmon/hwmon1/energy2_label", "Esocket0\n"),
                ("class/hwmon/hwmon1/energy2_input", "22\n"),
            ],
        );
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut counters = open(&roots).unwrap();
        let found: Vec<(String, u64)> = counters.iter_mut().map(|c| (c.domain.clone(), c.read_uj().unwrap())).collect();
        assert_eq!(found, [("package-0".to_string(), 22), ("package-1".to_string(), 33)]);
    }
}
