//! Temperatures of chips, disks and boards. Sources: `/sys/class/hwmon`, else `/sys/class/thermal`.

use std::time::Duration;

use super::attribute::Attribute;
use super::hwmon::{chips, distinct};
use super::possible::celsius;
use crate::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use crate::sample::Sample;
use crate::schema::Unit::Celsius;
use crate::schema::{Table, entity, gauge_float};
use crate::source::{Roots, names_in, read_once};

pub const ENTRY: Entry = Entry {
    name: "sensor",
    doc: "temperatures of chips, disks and boards",
    tables: &[|| TABLE.def()],
    // Drivers keep a value for a second or longer, and behind I2C, ACPI or a disk's own processor asking is slow.
    cadence: Duration::from_secs(1),
    open,
};

static TABLE: Table<Sensor> = Table {
    name: "sensor",
    source: "/sys/class/hwmon, /sys/class/thermal",
    doc: "Temperatures: one row per sensor, at most once a second.",
    columns: &[
        entity(
            "chip",
            "The driver's name (`k10temp`), or the device's where a driver has several (`nvme0`, `nvme1`).",
            |s: &Sensor| s.chip.as_str().into(),
        ),
        entity(
            "sensor",
            "The chip's label for it (`Core 3`, `Composite`), else its number (`temp1`).",
            |s: &Sensor| s.name.as_str().into(),
        ),
        gauge_float(
            "temperature_celsius",
            Celsius,
            "Null while the sensor does not answer, and outside -100 to 250, where no chip works: a sensor without a wire.",
            |s: &Sensor| s.millidegrees.value().and_then(celsius).into(),
        )
        .lower_is_better(),
    ],
};

struct Sensor {
    chip: String,
    name: String,
    millidegrees: Attribute,
}

struct SensorCollector(Vec<Sensor>);

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let mut sensors = hwmon_sensors(&setup.roots);
    if sensors.is_empty() {
        sensors = thermal_zones(&setup.roots);
    }
    if sensors.is_empty() {
        let [hwmon, thermal] = ["class/hwmon", "class/thermal"].map(|d| setup.roots.sys(d));
        let reason = format!("no temperature sensors in {} or {}", hwmon.display(), thermal.display());
        return Err(Unavailable::new(reason).advise(
            "virtual machines have none; on hardware load the driver (coretemp, k10temp, nvme, drivetemp; \
             sensors-detect finds it)",
        ));
    }
    Ok(Opened::complete(SensorCollector(sensors)))
}

fn hwmon_sensors(roots: &Roots) -> Vec<Sensor> {
    let mut sensors = Vec::new();
    for chip in chips(roots) {
        for input in chip.inputs {
            let millidegrees = Attribute::new(input.path);
            sensors.push(Sensor { chip: chip.name.clone(), name: input.name, millidegrees });
        }
    }
    sensors
}

fn thermal_zones(roots: &Roots) -> Vec<Sensor> {
    let class = roots.sys("class/thermal");
    let (mut zones, mut types) = (Vec::new(), Vec::new());
    for zone in names_in(&class).unwrap_or_default() {
        if zone.starts_with("thermal_zone") && class.join(&zone).join("temp").exists() {
            types.push(read_once(&class.join(&zone).join("type")).unwrap_or_else(|_| zone.clone()));
            zones.push(zone);
        }
    }
    let sensor = |(name, zone)| Sensor {
        chip: "thermal".into(),
        name,
        millidegrees: Attribute::new(class.join(zone).join("temp")),
    };
    distinct(&types, &zones).into_iter().zip(&zones).map(sensor).collect()
}

impl Collector for SensorCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.0.iter_mut().for_each(|s| s.millidegrees.refresh());
        out.push(&TABLE, &self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::hwmon::tests::tree;
    use super::*;
    use crate::collector::Options;
    use crate::sample::Cell;

    fn setup(dir: &Path) -> Setup {
        Setup::new(Roots { proc: dir.into(), sys: dir.into() }, Options::default())
    }

    /// The rows of one tick as `chip/sensor=celsius`.
    fn rows(opened: &mut Opened) -> Vec<String> {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        let text = |c: &Cell| match c {
            Cell::Text(id) => sample.texts.get(*id).unwrap().to_string(),
            Cell::Float(v) => v.to_string(),
            other => format!("{other:?}"),
        };
        let cells = sample.cells_of(&sample.blocks[0]);
        cells.chunks(3).map(|row| format!("{}/{}={}", text(&row[0]), text(&row[1]), text(&row[2]))).collect()
    }

    #[test]
    fn a_sensor_that_does_not_answer_has_a_row_without_a_value() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "nvme\n"),
                ("class/hwmon/hwmon0/temp1_input", "40850\n"),
                ("class/hwmon/hwmon0/temp1_label", "Composite\n"),
                ("class/hwmon/hwmon1/name", "iwlwifi_1\n"),
                // Reading a directory is an error, as is reading a sensor that sleeps.
                ("class/hwmon/hwmon1/temp1_input/x", ""),
                ("class/thermal/thermal_zone0/type", "acpitz\n"),
                ("class/thermal/thermal_zone0/temp", "27800\n"),
            ],
        );
        let mut opened = open(&setup(dir.path())).ok().unwrap();
        assert_eq!(rows(&mut opened), ["nvme/Composite=40.85", "iwlwifi_1/temp1=Null"]);
        std::fs::write(dir.path().join("class/hwmon/hwmon0/temp1_input"), "-3000\n").unwrap();
        assert_eq!(rows(&mut opened), ["nvme/Composite=-3", "iwlwifi_1/temp1=Null"]);
    }

    #[test]
    fn thermal_zones_stand_in_for_hwmon() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "fan_only\n"),
                ("class/thermal/cooling_device0/type", "Processor\n"),
                ("class/thermal/thermal_zone0/type", "acpitz\n"),
                ("class/thermal/thermal_zone0/temp", "27800\n"),
                ("class/thermal/thermal_zone1/type", "x86_pkg_temp\n"),
                ("class/thermal/thermal_zone1/temp", "44000\n"),
                ("class/thermal/thermal_zone2/type", "acpitz\n"),
                ("class/thermal/thermal_zone2/temp", "29800\n"),
            ],
        );
        let mut opened = open(&setup(dir.path())).ok().unwrap();
        let expected =
            ["thermal/acpitz-thermal_zone0=27.8", "thermal/x86_pkg_temp=44", "thermal/acpitz-thermal_zone2=29.8"];
        assert_eq!(rows(&mut opened), expected);
    }

    #[test]
    fn none_at_all_is_a_reason_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let unavailable = open(&setup(dir.path())).err().unwrap();
        assert!(unavailable.reason.starts_with("no temperature sensors in "), "{}", unavailable.reason);
        assert!(unavailable.advice.unwrap().contains("coretemp"));
    }
}
