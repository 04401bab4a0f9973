//! The sensors of this machine, for `sensor` and `cpu_core`. Source: `/sys/class/hwmon`, described in the kernel's
//! `hwmon/sysfs-interface`.

mod inputs;

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::{Roots, link_name, names_in, read_once};
use inputs::{found, named};

pub use inputs::{Found, Input, Quantity};

/// A chip that measures something.
#[derive(Debug, PartialEq)]
pub struct Chip {
    /// The driver's name: `coretemp`, `k10temp`, `nvme`.
    pub driver: String,
    /// The driver's name if it is unique; otherwise with the device: `nvme0`, `coretemp.1`, `k10temp-0000:00:19.3`. A
    /// device's name is the same after each boot; the number of `hwmonN` is not. If one device has several chips with
    /// one name, they are numbered: `wormhole-0002:04:00.0`, `wormhole-0002:04:00.0-2`.
    pub name: String,
    /// Temperatures.
    pub inputs: Vec<Input>,
    /// Fans, voltages, currents and powers.
    pub others: Vec<Input>,
    pub identity: Identity,
}

/// Identifies the device of a folder of `/sys/class`: when a chip is removed, the kernel gives its number to the next
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    folder: PathBuf,
    /// Each folder that the kernel creates has another inode.
    inode: Option<u64>,
    /// The file with the name, and its content.
    file: &'static str,
    pub name: Option<String>,
    /// The last name of the device's path.
    pub device: Option<String>,
}

impl Identity {
    /// For a folder whose name is in `file`: `name` of a chip, `type` of a thermal zone.
    pub fn read(folder: &Path, file: &'static str) -> Identity {
        // Before Linux 3.15 many drivers kept their files with the device.
        let name = read_once(&folder.join(file)).or_else(|_| read_once(&folder.join("device").join(file)));
        Identity {
            folder: folder.into(),
            inode: folder.metadata().ok().map(|data| data.ino()),
            file,
            name: name.ok(),
            device: link_name(&folder.join("device")),
        }
    }

    /// Whether the folder still belongs to the same device.
    pub fn holds(&self) -> bool {
        Identity::read(&self.folder, self.file) == *self
    }
}

/// All chips that have a temperature input, in the kernel's order.
pub fn chips(roots: &Roots) -> Vec<Chip> {
    chips_with(roots, |found| found.iter().any(Found::is_temperature))
}

/// All chips that measure other things only.
pub fn chips_without_temperatures(roots: &Roots) -> Vec<Chip> {
    chips_with(roots, |found| !found.is_empty() && !found.iter().any(Found::is_temperature))
}

/// The chips of which the measurements are wanted, with names that are distinct among them.
fn chips_with(roots: &Roots, is_wanted: impl Fn(&[Found]) -> bool) -> Vec<Chip> {
    let class = roots.sys("class/hwmon");
    let (mut all, mut drivers, mut devices) = (Vec::new(), Vec::new(), Vec::new());
    for hwmon in names_in(&class).unwrap_or_default() {
        let dir = class.join(&hwmon);
        let found = found(&dir);
        if !is_wanted(&found) {
            continue;
        }
        let identity = Identity::read(&dir, "name");
        drivers.push(identity.name.clone().unwrap_or_else(|| hwmon.clone()));
        devices.push(identity.device.clone().unwrap_or_else(|| hwmon.clone()));
        all.push((named(found), identity));
    }
    let names = distinct(&drivers, &devices);
    let chip = |((((inputs, others), identity), driver), name)| Chip { driver, name, inputs, others, identity };
    all.into_iter().zip(drivers).zip(names).map(chip).collect()
}

/// A chip that is present, with its measurements.
pub type PresentChip = (Identity, Vec<Found>);

/// The chips that are present, without opening a file of an input. If this is unchanged, so are the [`chips`] and
/// [`chips_without_temperatures`].
pub fn chips_present(roots: &Roots) -> Vec<PresentChip> {
    let class = roots.sys("class/hwmon");
    let chip = |hwmon: String| {
        let dir = class.join(hwmon);
        let found = found(&dir);
        (!found.is_empty()).then(|| (Identity::read(&dir, "name"), found))
    };
    names_in(&class).unwrap_or_default().into_iter().filter_map(chip).collect()
}

/// Unique names stay as they are. Names that occur more often get their `mark` as a suffix, or are replaced by it if it
/// begins with the name. If they are still the same, they are numbered: `NAME`, `NAME-2`, `NAME-3`.
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
    let told: Vec<String> = names.iter().zip(marks).map(told_apart).collect();
    let is_alone = |name: &String| told.iter().filter(|other| *other == name).count() == 1;
    let mut taken: HashSet<String> = told.iter().filter(|name| is_alone(name)).cloned().collect();
    told.iter().map(|name| if is_alone(name) { name.clone() } else { free(name.clone(), &mut taken) }).collect()
}

/// The name, or if it is taken, the first of `NAME-2`, `NAME-3`, … that is not.
pub fn free(name: String, taken: &mut HashSet<String>) -> String {
    let counted = (2..).map(|n| format!("{name}-{n}"));
    let name = std::iter::once(name.clone()).chain(counted).find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(name.clone());
    name
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

    /// A card with two chips that have the same name.
    #[test]
    fn two_chips_of_one_name_on_one_device() {
        let dir = tempfile::tempdir().unwrap();
        for hwmon in ["hwmon4", "hwmon5", "hwmon10"] {
            let at = |file: &str| format!("class/hwmon/{hwmon}/{file}");
            tree(
                dir.path(),
                &[
                    (&at("name"), "wormhole\n"),
                    (&at("device"), "->../../../0002:04:00.0"),
                    (&at("temp1_input"), "40000\n"),
                    (&at("temp1_label"), "asic1_temp\n"),
                ],
            );
        }
        let expected = ["wormhole-0002:04:00.0", "wormhole-0002:04:00.0-2", "wormhole-0002:04:00.0-3"];
        assert_eq!(named(dir.path()), owned(&expected.map(|chip| (chip, &["asic1_temp"][..]))));
    }

    proptest::proptest! {
        #[test]
        fn names_become_distinct(pairs in proptest::collection::vec(("(a|a-2|b|nvme)", "(a|a-2|nvme|nvme0|0)"), 0..12)) {
            let (names, marks): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
            let told = distinct(&names, &marks);
            let all: HashSet<&String> = told.iter().collect();
            proptest::prop_assert_eq!(all.len(), names.len(), "{:?} of {:?} {:?}", told, names, marks);
        }
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

    /// Fans do not change the names of chips with temperatures.
    #[test]
    fn chips_that_measure_other_things_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "board\n"),
                ("class/hwmon/hwmon0/temp1_input", "40000\n"),
                ("class/hwmon/hwmon0/fan1_input", "900\n"),
                ("class/hwmon/hwmon1/name", "board\n"),
                ("class/hwmon/hwmon1/fan1_input", "800\n"),
                ("class/hwmon/hwmon2/name", "nothing\n"),
            ],
        );
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        assert_eq!(named(dir.path()), owned(&[("board", &["temp1"])]));
        assert_eq!(chips(&roots)[0].others[0].quantity, Quantity::Fan);
        let others = chips_without_temperatures(&roots);
        assert_eq!((others.len(), others[0].name.as_str(), others[0].inputs.len()), (1, "board", 0));
        assert_eq!(chips_present(&roots).len(), 2);
    }

    #[test]
    fn a_machine_without_any() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(named(dir.path()), []);
    }
}
