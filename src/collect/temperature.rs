//! The temperature of each CPU, for `cpu_core`. Sources: the hwmon chips of processors, and the topology of the CPUs.

use std::time::Duration;

use super::attribute::{Attribute, Turns, ticks_in};
use crate::linux::files::{Roots, read_once};
use crate::linux::hwmon::{Chip, Identity, Input, PresentChip, chips, chips_present};
use crate::linux::possible::celsius;

/// coretemp itself reads a core's register at most once per second.
const EVERY: Duration = Duration::from_secs(1);

/// Drivers come and go during a recording, and with them the files of their sensors.
const SEARCH_EVERY: Duration = Duration::from_secs(10);

/// The sensors of the processors, and which CPUs they belong to.
#[derive(Debug)]
pub struct Temperatures {
    sensors: Vec<(MeasuredPart, Attribute)>,
    turns: Turns,
    roots: Roots,
    /// The chips at the last search, and the ticks between searches.
    seen: Vec<PresentChip>,
    period: u64,
    age: u64,
}

/// What a sensor measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MeasuredPart {
    Core {
        package: u64,
        core: u64,
    },
    Package(u64),
    /// The only processor chip, without information on its position.
    Machine,
}

/// A sensor of [`Temperatures`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorIndex(usize);

impl Temperatures {
    pub fn open(roots: &Roots, interval: Duration) -> Temperatures {
        let mut temperatures = Temperatures {
            sensors: Vec::new(),
            turns: Turns::new(EVERY, interval),
            roots: roots.clone(),
            seen: Vec::new(),
            period: ticks_in(SEARCH_EVERY, interval),
            age: 0,
        };
        temperatures.refresh();
        temperatures
    }

    /// Finds the sensors again if chips appeared or disappeared. Returns whether they did: the sensor of each CPU must
    /// then be looked up again.
    fn refresh(&mut self) -> bool {
        let seen = chips_present(&self.roots);
        let changed = seen != self.seen;
        if changed {
            self.seen = seen;
            let sensor =
                |(part, owner, input): (MeasuredPart, Identity, Input)| (part, Attribute::owned_by(owner, input.path));
            self.sensors = measured_inputs(chips(&self.roots)).into_iter().map(sensor).collect();
        }
        changed
    }

    pub fn is_empty(&self) -> bool {
        self.sensors.is_empty()
    }

    /// Finds the sensor of a CPU: that of its core, else of its package, else the only one.
    pub fn sensor_of(&self, cpu: i32) -> Option<SensorIndex> {
        if self.sensors.is_empty() {
            return None;
        }
        let topology = self.roots.sys(&format!("devices/system/cpu/cpu{cpu}/topology"));
        let id = |name: &str| read_once(&topology.join(name)).ok()?.parse::<u64>().ok();
        // A machine with one package may not number it (-1).
        let package = id("physical_package_id").unwrap_or(0);
        let own = id("core_id").map(|core| MeasuredPart::Core { package, core });
        let wanted = [own, Some(MeasuredPart::Package(package)), Some(MeasuredPart::Machine)];
        wanted.into_iter().flatten().find_map(|w| self.sensors.iter().position(|(p, _)| *p == w)).map(SensorIndex)
    }

    /// Moves to the next tick and reads the sensors that are due. Returns whether chips appeared or disappeared: a CPU
    /// may then have another sensor.
    pub fn advance(&mut self) -> bool {
        self.age += 1;
        let changed = self.age >= self.period && {
            self.age = 0;
            self.refresh()
        };
        self.turns.advance(self.sensors.len());
        for (index, (_, sensor)) in self.sensors.iter_mut().enumerate() {
            if self.turns.has(index) || !sensor.was_asked() {
                sensor.refresh();
            }
        }
        changed
    }

    /// Unit: degrees Celsius.
    pub fn celsius(&self, sensor: SensorIndex) -> Option<f64> {
        self.sensors.get(sensor.0)?.1.value().and_then(celsius)
    }
}

fn measured_inputs(chips: Vec<Chip>) -> Vec<(MeasuredPart, Identity, Input)> {
    let mut measured = Vec::new();
    for chip in chips.iter().filter(|c| c.driver == "coretemp") {
        // The number is in the name of the package's sensor. An old processor has no such sensor, and is the only one
        // on its board.
        let package = chip.inputs.iter().find_map(|i| package_of(&i.name)).unwrap_or(0);
        for input in &chip.inputs {
            let core = input.name.strip_prefix("Core ").and_then(|n| n.parse().ok());
            let part = match core {
                Some(core) => MeasuredPart::Core { package, core },
                None if package_of(&input.name).is_some() => MeasuredPart::Package(package),
                None => continue,
            };
            measured.push((part, chip.identity.clone(), input.clone()));
        }
    }
    // These measure a die, without saying which. If there is one, it is used for all CPUs; if there are several, they
    // are only in `sensor`.
    let mut dies = chips.iter().filter(|c| matches!(c.driver.as_str(), "k10temp" | "zenpower" | "cpu_thermal"));
    if let (Some(chip), None) = (dies.next(), dies.next()) {
        // Tctl is a value for fan control, on some processors 10 or 27 degrees above the real one, Tdie.
        let named = |name: &str| chip.inputs.iter().find(|i| i.name == name);
        let input = named("Tdie").or_else(|| named("Tctl")).or(chip.inputs.first());
        measured.extend(input.map(|i| (MeasuredPart::Machine, chip.identity.clone(), i.clone())));
    }
    measured
}

fn package_of(label: &str) -> Option<u64> {
    // Before Linux 3.9 the label said "Physical id".
    let id = label.strip_prefix("Package id ").or_else(|| label.strip_prefix("Physical id "))?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::linux::hwmon::tests::tree;

    fn open(dir: &Path) -> Temperatures {
        Temperatures::open(&Roots { proc: dir.into(), sys: dir.into() }, EVERY)
    }

    fn celsius(dir: &Path, cpus: &[i32]) -> Vec<Option<f64>> {
        let mut t = open(dir);
        t.advance();
        cpus.iter().map(|cpu| t.sensor_of(*cpu).and_then(|s| t.celsius(s))).collect()
    }

    fn cpu(dir: &Path, cpu: i32, package: &str, core: &str) {
        let topology = format!("devices/system/cpu/cpu{cpu}/topology");
        tree(
            dir,
            &[
                (&format!("{topology}/physical_package_id"), &format!("{package}\n")),
                (&format!("{topology}/core_id"), &format!("{core}\n")),
            ],
        );
    }

    fn chip(dir: &Path, number: u32, driver: &str, inputs: &[(&str, &str)]) {
        let hwmon = format!("class/hwmon/hwmon{number}");
        tree(dir, &[(&format!("{hwmon}/name"), driver)]);
        for (i, (label, value)) in inputs.iter().enumerate() {
            let id = i + 1;
            tree(dir, &[(&format!("{hwmon}/temp{id}_label"), label), (&format!("{hwmon}/temp{id}_input"), value)]);
        }
    }

    #[test]
    fn two_packages_whose_cores_have_the_same_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        chip(dir, 0, "coretemp\n", &[("Package id 0", "50000"), ("Core 0", "41000"), ("Core 8", "42000")]);
        chip(dir, 1, "coretemp\n", &[("Package id 1", "60000"), ("Core 0", "51000")]);
        cpu(dir, 0, "0", "0");
        cpu(dir, 1, "0", "8");
        cpu(dir, 2, "1", "0");
        cpu(dir, 3, "1", "8");
        cpu(dir, 64, "0", "0");
        let expected = [Some(41.0), Some(42.0), Some(51.0), Some(60.0), Some(41.0), Some(50.0)];
        // CPU 3 falls back to its package. CPU 99 has no topology, and is assumed to be in package 0.
        assert_eq!(celsius(dir, &[0, 1, 2, 3, 64, 99]), expected);
    }

    #[test]
    fn a_single_die_is_used_for_all_cpus() {
        let dir = tempfile::tempdir().unwrap();
        chip(dir.path(), 0, "k10temp\n", &[("Tctl", "82000"), ("Tdie", "55000"), ("Tccd1", "50000")]);
        cpu(dir.path(), 0, "0", "0");
        assert_eq!(celsius(dir.path(), &[0, 5]), [Some(55.0), Some(55.0)]);
    }

    #[test]
    fn several_dies_are_used_for_no_cpu() {
        let dir = tempfile::tempdir().unwrap();
        chip(dir.path(), 0, "k10temp\n", &[("Tctl", "55000")]);
        chip(dir.path(), 1, "k10temp\n", &[("Tctl", "65000")]);
        assert_eq!(celsius(dir.path(), &[0]), [None]);
    }

    /// A chip that now has the number of the processor's chip is not the processor; and a driver may be loaded later.
    #[test]
    fn chips_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        cpu(dir, 0, "0", "0");
        let mut t = open(dir);
        let celsius = |t: &mut Temperatures| {
            (0..10).for_each(|_| _ = t.advance());
            t.sensor_of(0).and_then(|s| t.celsius(s))
        };
        assert_eq!(celsius(&mut t), None);
        chip(dir, 3, "coretemp\n", &[("Core 0", "41000")]);
        assert_eq!(celsius(&mut t), Some(41.0));
        std::fs::rename(dir.join("class/hwmon/hwmon3"), dir.join("gone")).unwrap();
        chip(dir, 3, "nvme\n", &[("Core 0", "29000")]);
        assert_eq!(celsius(&mut t), None);
        chip(dir, 4, "coretemp\n", &[("Core 0", "42000")]);
        assert_eq!(celsius(&mut t), Some(42.0));
    }

    #[test]
    fn other_chips_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        chip(dir.path(), 0, "nvme\n", &[("Composite", "40000")]);
        chip(dir.path(), 1, "coretemp\n", &[("Odd", "40000")]);
        assert!(open(dir.path()).is_empty());
    }
}
