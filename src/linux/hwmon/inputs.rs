//! What a chip measures: the files of one folder of hwmon.

use std::path::{Path, PathBuf};

use super::distinct;
use crate::linux::files::{names_in, read_once};

/// What an input measures, and the unit of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Thousandths of a degree Celsius.
    Temperature,
    /// Revolutions per minute.
    Fan,
    /// Thousandths of a volt.
    Voltage,
    /// Thousandths of an ampere.
    Current,
    /// Millionths of a watt.
    Power,
}

/// An input of a chip.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The chip's label (`Core 3`, `Composite`), else the number of the input (`temp1`).
    pub name: String,
    pub path: PathBuf,
    pub quantity: Quantity,
}

/// A file with a measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    quantity: Quantity,
    /// `temp1`, `fan2`
    id: String,
    path: PathBuf,
}

impl Found {
    pub fn is_temperature(&self) -> bool {
        self.quantity == Quantity::Temperature
    }
}

/// The measurements of a chip whose folder this is, in the kernel's order.
pub fn found(dir: &Path) -> Vec<Found> {
    let mut own = found_in(dir);
    if own.iter().any(Found::is_temperature) {
        return own;
    }
    // Before Linux 3.15 many drivers kept their files with the device.
    let of_device = found_in(&dir.join("device"));
    if own.is_empty() {
        return of_device;
    }
    own.extend(of_device.into_iter().filter(Found::is_temperature));
    own
}

fn found_in(dir: &Path) -> Vec<Found> {
    let files = names_in(dir).unwrap_or_default();
    let mut found: Vec<Found> = Vec::new();
    for file in &files {
        let Some((quantity, id)) = measurement(file) else { continue };
        // Of a power that has both, the mean is the one that covers the time between two readings.
        match found.iter_mut().find(|other| other.id == id) {
            Some(other) if file.ends_with(AVERAGE) => other.path = dir.join(file),
            Some(_) => {}
            None => found.push(Found { quantity, id: id.to_string(), path: dir.join(file) }),
        }
    }
    found
}

const AVERAGE: &str = "_average";

/// `temp1_input` is a temperature with the id `temp1`; `power1_average` a power.
fn measurement(file: &str) -> Option<(Quantity, &str)> {
    let mean = file.strip_suffix(AVERAGE);
    let id = file.strip_suffix("_input").or(mean)?;
    let kind = id.trim_end_matches(|c: char| c.is_ascii_digit());
    let quantity = match kind {
        _ if kind.len() == id.len() => return None,
        "power" => Quantity::Power,
        _ if mean.is_some() => return None,
        "temp" => Quantity::Temperature,
        "fan" => Quantity::Fan,
        "in" => Quantity::Voltage,
        "curr" => Quantity::Current,
        _ => return None,
    };
    Some((quantity, id))
}

/// The names of measurements: temperatures, and the others.
pub fn named(found: Vec<Found>) -> (Vec<Input>, Vec<Input>) {
    let (temperatures, others): (Vec<Found>, Vec<Found>) = found.into_iter().partition(Found::is_temperature);
    let temperatures = inputs(temperatures, &[]);
    let taken: Vec<String> = temperatures.iter().map(|input| input.name.clone()).collect();
    let others = inputs(others, &taken);
    (temperatures, others)
}

/// A label that a temperature has already gets its id: `CPU` and `CPU-curr1`.
fn inputs(found: Vec<Found>, taken: &[String]) -> Vec<Input> {
    let label = |found: &Found| {
        let label = found.path.with_file_name(format!("{}_label", found.id));
        read_once(&label).ok().filter(|label| !label.is_empty()).unwrap_or(found.id.clone())
    };
    let labels: Vec<String> = found.iter().map(label).collect();
    let ids: Vec<String> = found.iter().map(|found| found.id.clone()).collect();
    let names = distinct(&labels, &ids);
    let input = |(name, found): (String, Found)| {
        let name = if taken.contains(&name) { format!("{name}-{}", found.id) } else { name };
        Input { name, path: found.path, quantity: found.quantity }
    };
    names.into_iter().zip(found).map(input).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    #[test]
    fn files_that_are_measurements() {
        let of = |file: &str| measurement(file).map(|(quantity, id)| (quantity, id.to_string()));
        for (file, quantity, id) in [
            ("temp10_input", Quantity::Temperature, "temp10"),
            ("fan1_input", Quantity::Fan, "fan1"),
            ("in0_input", Quantity::Voltage, "in0"),
            ("curr1_input", Quantity::Current, "curr1"),
            ("power1_input", Quantity::Power, "power1"),
            ("power1_average", Quantity::Power, "power1"),
        ] {
            assert_eq!(of(file), Some((quantity, id.into())), "{file}");
        }
        // An industrial I/O device, limits, energy, humidity.
        for file in
            ["in_voltage0_input", "temp1_max", "temp1_average", "energy1_input", "humidity1_input", "fan_input", ""]
        {
            assert_eq!(of(file), None, "{file}");
        }
    }

    /// A board with one label for a temperature and a current, and a power supply with a mean.
    #[test]
    fn temperatures_keep_their_names() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("a/temp1_input", "40000\n"),
                ("a/temp1_label", "CPU\n"),
                ("a/curr1_input", "1500\n"),
                ("a/curr1_label", "CPU\n"),
                ("a/fan1_input", "900\n"),
                ("a/power1_input", "1\n"),
                ("a/power1_average", "2\n"),
                ("a/power2_input", "3\n"),
                ("a/name", "board\n"),
            ],
        );
        let (temperatures, others) = named(found(&dir.path().join("a")));
        let names = |inputs: &[Input]| inputs.iter().map(|input| input.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&temperatures), ["CPU"]);
        assert_eq!(names(&others), ["fan1", "CPU-curr1", "power1", "power2"]);
        let file = |n: usize| others[n].path.file_name().unwrap().to_str().unwrap().to_string();
        assert_eq!([file(2), file(3)], ["power1_average", "power2_input"]);
    }

    #[test]
    fn a_chip_with_fans_of_its_own_and_temperatures_of_its_device() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("chip/fan1_input", "900\n"),
                ("dev/temp1_input", "40000\n"),
                ("dev/in1_input", "1000\n"),
                ("chip/device", "->../dev"),
                ("old/device", "->../dev"),
            ],
        );
        let ids = |name: &str| found(&dir.path().join(name)).into_iter().map(|found| found.id).collect::<Vec<_>>();
        assert_eq!(ids("chip"), ["fan1", "temp1"]);
        assert_eq!(ids("old"), ["in1", "temp1"]);
    }
}
