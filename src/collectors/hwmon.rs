//! The temperature sensors of this machine, for `sensor` and `cpu_core`. Source: `/sys/class/hwmon`, described in the
//! kernel's `hwmon/sysfs-interface`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::source::{Roots, link_name, names_in, read_once};

/// A chip that measures temperatures.
#[derive(Debug, PartialEq)]
pub struct Chip {
    /// The driver's name: `coretemp`, `k10temp`, `nvme`.
    pub driver: String,
    /// The driver's name where it is the only one, else told apart by its device: `nvme0`, `coretemp.1`,
    /// `k10temp-0000:00:19.3`. A device's name stays from boot to boot; the number of `hwmonN` does not.
    pub name: String,
    pub inputs: Vec<Input>,
}

/// A temperature of a [`Chip`].
#[derive(Debug, PartialEq)]
pub struct Input {
    /// The chip's label (`Core 3`, `Composite`), else the number of the input (`temp1`).
    pub name: String,
    /// Holds thousandths of a degree Celsius.
    pub path: PathBuf,
}

/// All chips that have a temperature input, in the kernel's order.
pub fn chips(roots: &Roots) -> Vec<Chip> {
    let class = roots.sys("class/hwmon");
    let (mut found, mut drivers, mut devices) = (Vec::new(), Vec::new(), Vec::new());
    for hwmon in names_in(&class).unwrap_or_default() {
        let dir = class.join(&hwmon);
        // Before Linux 3.15 many drivers kept their files with the device.
        for place in [dir.clone(), dir.join("device")] {
            let inputs = inputs(&place);
            if inputs.is_empty() {
                continue;
            }
            drivers.push(read_once(&place.join("name")).unwrap_or_else(|_| hwmon.clone()));
            devices.push(link_name(&dir.join("device")).unwrap_or_else(|| hwmon.clone()));
            found.push(inputs);
            break;
        }
    }
    let names = distinct(&drivers, &devices);
    let chip = |((inputs, driver), name)| Chip { driver, name, inputs };
    found.into_iter().zip(drivers).zip(names).map(chip).collect()
}

fn inputs(dir: &Path) -> Vec<Input> {
    let files = names_in(dir).unwrap_or_default();
    let ids: Vec<String> = files
        .iter()
        .filter_map(|f| f.strip_suffix("_input"))
        .filter(|id| id.starts_with("temp"))
        .map(str::to_string)
        .collect();
    let labels: Vec<String> = ids
        .iter()
        .map(|id| read_once(&dir.join(format!("{id}_label"))).ok().filter(|l| !l.is_empty()).unwrap_or(id.clone()))
        .collect();
    let names = distinct(&labels, &ids);
    names.into_iter().zip(&ids).map(|(name, id)| Input { name, path: dir.join(format!("{id}_input")) }).collect()
}

/// Names as they are where they occur once; those that occur more often carry their `mark`, or become it where it
/// begins with the name already.
pub fn distinct(names: &[String], marks: &[String]) -> Vec<String> {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for name in names {
        *times.entry(name).or_default() += 1;
    }
    let told_apart = |(name, mark): (&String, &String)| match times.get(name.as_str()) {
        Some(1) => name.clone(),
        _ if mark.starts_with(name.as_str()) => mark.clone(),
        _ => format!("{name}-{mark}"),
    };
    names.iter().zip(marks).map(told_apart).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Writes files below `dir`; a text that begins with `->` makes a symbolic link.
    pub fn tree(dir: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("->") {
                Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                None => std::fs::write(path, text).unwrap(),
            }
        }
    }

    fn named(dir: &Path) -> Vec<(String, Vec<String>)> {
        let roots = Roots { proc: dir.into(), sys: dir.into() };
        chips(&roots).into_iter().map(|c| (c.name, c.inputs.into_iter().map(|i| i.name).collect())).collect()
    }

    fn owned(chips: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        chips.iter().map(|(c, i)| (c.to_string(), i.iter().map(|i| i.to_string()).collect())).collect()
    }

    #[test]
    fn chips_of_one_driver_are_told_apart_by_their_device() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "nvme\n"),
                ("class/hwmon/hwmon0/device", "->../../nvme1"),
                ("class/hwmon/hwmon0/temp1_input", "40850\n"),
                ("class/hwmon/hwmon0/temp1_label", "Composite\n"),
                ("class/hwmon/hwmon1/name", "k10temp\n"),
                ("class/hwmon/hwmon1/device", "->../../../0000:00:18.3"),
                ("class/hwmon/hwmon1/temp1_input", "55000\n"),
                ("class/hwmon/hwmon2/name", "nvme\n"),
                ("class/hwmon/hwmon2/device", "->../../nvme0"),
                ("class/hwmon/hwmon2/temp1_input", "41850\n"),
                ("class/hwmon/hwmon3/name", "fan_only\n"),
                ("class/hwmon/hwmon3/fan1_input", "900\n"),
                ("class/hwmon/hwmon10/name", "jc42\n"),
                ("class/hwmon/hwmon10/temp1_input", "30000\n"),
                ("class/hwmon/hwmon11/name", "jc42\n"),
                ("class/hwmon/hwmon11/device", "->../../../0-0019"),
                ("class/hwmon/hwmon11/temp1_input", "30000\n"),
            ],
        );
        let expected = [
            ("nvme1", &["Composite"][..]),
            ("k10temp", &["temp1"]),
            ("nvme0", &["temp1"]),
            ("jc42-hwmon10", &["temp1"]),
            ("jc42-0-0019", &["temp1"]),
        ];
        assert_eq!(named(dir.path()), owned(&expected));
    }

    #[test]
    fn labels_that_repeat_and_inputs_above_nine() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "nct6775\n"),
                ("class/hwmon/hwmon0/temp10_input", "1000\n"),
                ("class/hwmon/hwmon0/temp2_input", "1000\n"),
                ("class/hwmon/hwmon0/temp2_label", "AUXTIN\n"),
                ("class/hwmon/hwmon0/temp3_input", "1000\n"),
                ("class/hwmon/hwmon0/temp3_label", "AUXTIN\n"),
            ],
        );
        assert_eq!(named(dir.path()), owned(&[("nct6775", &["AUXTIN-temp2", "AUXTIN-temp3", "temp10"])]));
    }

    #[test]
    fn files_that_old_kernels_keep_with_the_device() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("devices/platform/coretemp.0/name", "coretemp\n"),
                ("devices/platform/coretemp.0/temp2_input", "38000\n"),
                ("devices/platform/coretemp.0/temp2_label", "Core 0\n"),
                ("class/hwmon/hwmon0/device", "->../../../devices/platform/coretemp.0"),
            ],
        );
        assert_eq!(named(dir.path()), owned(&[("coretemp", &["Core 0"])]));
    }

    #[test]
    fn a_machine_without_any() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(named(dir.path()), []);
    }
}
