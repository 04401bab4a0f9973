//! Temperatures, fans, voltages, currents and powers of chips, disks and boards. Sources: `/sys/class/hwmon` and
//! `/sys/class/thermal`.
//!
//! The kernel also shows many thermal zones as hwmon chips; such zones are left out. Sensors come and go with their
//! devices and drivers, so the list is checked every few seconds. A sensor keeps its name as long as it is present.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use super::attribute::Attribute;
use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use super::thermal::{is_mirrored, zones};
use crate::linux::files::Roots;
use crate::linux::hwmon::{
    Chip, Identity, PresentChip, Quantity, chips, chips_present, chips_without_temperatures, distinct, free,
};
use crate::linux::possible::{celsius, from_thousandths, rpm, watts};
use crate::table::Unit::{Amperes, Celsius, Rpm, Volts, Watts};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, entity, gauge_float};

pub const ENTRY: Entry = Entry {
    name: "sensor",
    doc: "temperatures, fans, voltages, currents and powers of chips, disks and boards",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    // Drivers keep a value for a second or longer, and reading is slow behind I2C, ACPI or a disk's own processor.
    cadence: Duration::from_secs(1),
    open,
};

static TABLE: Table<Sensor> = Table {
    name: "sensor",
    source: "/sys/class/hwmon, /sys/class/thermal",
    doc: "Sensors: one row per sensor, of which only the column of what it measures has values; temperatures and powers \
          at most once per second, fans, voltages and currents every 5 s. Sensors that appear while recording are \
          noticed within 5 s. Thermal zones that the kernel also shows as hwmon chips are recorded once, as chips.",
    charts: Charts::Drawn(&[
        Chart::lines("Temperature", &["temperature_celsius"]),
        Chart::lines("Power", &["power_w"]),
        Chart::lines("Fans", &["fan_rpm"]),
        Chart::lines("Voltage", &["voltage_v"]),
        Chart::lines("Current", &["current_a"]),
    ]),
    columns: &[
        entity(
            "chip",
            "The driver's name (`k10temp`). If a driver has several devices, the name of the device (`nvme0`, \
             `nvme1`); if a device has several chips of one name, with a number (`-2`). `thermal` for thermal zones.",
            |s: &Sensor| s.chip.as_str().into(),
        )
        .separate(),
        entity(
            "sensor",
            "The chip's label for it (`Core 3`, `Composite`), else its number (`temp1`).",
            |s: &Sensor| s.name.as_str().into(),
        )
        .separate(),
        gauge_float(
            "temperature_celsius",
            Celsius,
            "Null while the sensor does not answer, and outside -100 to 250, where no chip works (an unconnected \
             sensor).",
            |s: &Sensor| s.measured(Quantity::Temperature).and_then(celsius).into(),
        )
        .lower_is_better(),
        gauge_float("fan_rpm", Rpm, "Speed of a fan; 0 where it stands still or is not connected.", |s: &Sensor| {
            s.measured(Quantity::Fan).and_then(rpm).into()
        }),
        gauge_float(
            "voltage_v",
            Volts,
            "Voltage at the chip, without the corrections that a configuration of lm-sensors may have.",
            |s: &Sensor| s.measured(Quantity::Voltage).and_then(from_thousandths).into(),
        ),
        gauge_float("current_a", Amperes, "Current.", |s: &Sensor| {
            s.measured(Quantity::Current).and_then(from_thousandths).into()
        }),
        gauge_float(
            "power_w",
            Watts,
            "Power, as a mean over the chip's own interval where it has one (power1_average).",
            |s: &Sensor| s.measured(Quantity::Power).and_then(watts).into(),
        )
        .lower_is_better(),
    ],
};

struct Sensor {
    chip: String,
    name: String,
    id: SensorId,
    quantity: Quantity,
    value: Attribute,
}

impl Sensor {
    /// The value in the unit of its file, if it is of this quantity.
    fn measured(&self, quantity: Quantity) -> Option<i64> {
        (self.quantity == quantity).then(|| self.value.value())?
    }

    /// Is it read every few seconds only? Boards have dozens of these, which hardly change.
    fn is_slow(&self) -> bool {
        matches!(self.quantity, Quantity::Fan | Quantity::Voltage | Quantity::Current)
    }
}

/// Identifies a sensor.
#[derive(Clone, Debug, PartialEq)]
struct SensorId {
    owner: Identity,
    path: PathBuf,
}

/// Minimum time between two searches for new sensors. A search takes about 20 us per chip (measured on /sys folders of
/// the same size).
const SEARCH_EVERY_NS: u64 = 5_000_000_000;

/// Time between two readings of slow sensors. Half a second less: ticks are not exact.
const SLOW_EVERY_NS: u64 = 4_500_000_000;

/// What was found at the last search: chips with their inputs, and thermal zones.
type Seen = (Vec<PresentChip>, Vec<Identity>);

struct Sensors {
    roots: Roots,
    /// Slow ones last.
    all: Vec<Sensor>,
    seen: Seen,
    searched_ns: Option<u64>,
    slow_ns: Option<u64>,
    /// The device that a chip's name stands for, even after it is gone: within a recording a name means one device.
    devices: HashMap<String, Option<String>>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let mut sensors = Sensors {
        roots: setup.roots.clone(),
        all: Vec::new(),
        seen: Seen::default(),
        searched_ns: None,
        slow_ns: None,
        devices: HashMap::new(),
    };
    sensors.refresh();
    if !sensors.all.is_empty() {
        return Ok(Opened::complete(sensors));
    }
    let [hwmon, thermal] = ["class/hwmon", "class/thermal"].map(|d| setup.roots.sys(d));
    let reason = format!("no sensors in {} or {}", hwmon.display(), thermal.display());
    const ADVICE: &str = "virtual machines have none; on hardware load the driver (coretemp, k10temp, nvme, drivetemp; \
                          sensors-detect finds it)";
    if !hwmon.is_dir() {
        return Err(Unavailable::new(reason).advise(ADVICE));
    }
    // A disk that is attached later may have one.
    Ok(Opened::with_notes(sensors, vec![format!("{reason} yet: {ADVICE}")]))
}

/// A sensor as found, with the name that it would have on its own.
struct FoundSensor {
    chip: String,
    name: String,
    id: SensorId,
    quantity: Quantity,
}

fn find(roots: &Roots) -> Vec<FoundSensor> {
    let mut found = Vec::new();
    let mut chip_identities = Vec::new();
    let add = |chip: &Chip, found: &mut Vec<FoundSensor>| {
        for input in chip.inputs.iter().chain(&chip.others) {
            let id = SensorId { owner: chip.identity.clone(), path: input.path.clone() };
            let (chip, name) = (chip.name.clone(), input.name.clone());
            found.push(FoundSensor { chip, name, id, quantity: input.quantity });
        }
    };
    for chip in chips(roots) {
        add(&chip, &mut found);
        chip_identities.push((chip.identity, chip.inputs.len()));
    }
    let zones = zones(roots);
    let types: Vec<String> = zones.iter().map(|z| z.identity.name.clone().unwrap_or_else(|| z.name.clone())).collect();
    let marks: Vec<String> = zones.iter().map(|z| z.name.clone()).collect();
    for (index, name) in distinct(&types, &marks).into_iter().enumerate() {
        if !is_mirrored(index, &zones, &chip_identities) {
            let id = SensorId { owner: zones[index].identity.clone(), path: zones[index].temp.clone() };
            found.push(FoundSensor { chip: "thermal".into(), name, id, quantity: Quantity::Temperature });
        }
    }
    // Last, so that they take no name from a chip with temperatures.
    chips_without_temperatures(roots).iter().for_each(|chip| add(chip, &mut found));
    found
}

impl Sensors {
    /// Notices which sensors appeared and which disappeared.
    fn refresh(&mut self) {
        let seen = (chips_present(&self.roots), zones(&self.roots).into_iter().map(|zone| zone.identity).collect());
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        let found = find(&self.roots);
        self.all.retain(|sensor| found.iter().any(|f| f.id == sensor.id));
        let mut taken: HashSet<(String, String)> =
            self.all.iter().map(|sensor| (sensor.chip.clone(), sensor.name.clone())).collect();
        // New chips get their names once, together with all of their sensors.
        let mut named: Vec<(Identity, String)> = Vec::new();
        for FoundSensor { chip, name, id, quantity } in found {
            if self.all.iter().any(|sensor| sensor.id == id) {
                continue;
            }
            let known = self.all.iter().find(|s| s.id.owner == id.owner).map(|s| s.chip.clone());
            let named_now = || named.iter().find(|(owner, _)| *owner == id.owner).map(|(_, name)| name.clone());
            let known = known.or_else(named_now);
            let chip = known.unwrap_or_else(|| self.name_for(chip, &id.owner));
            named.push((id.owner.clone(), chip.clone()));
            let mut names: HashSet<String> =
                taken.iter().filter(|(taken, _)| *taken == chip).map(|(_, name)| name.clone()).collect();
            let name = free(name, &mut names);
            taken.insert((chip.clone(), name.clone()));
            let value = Attribute::owned_by(id.owner.clone(), id.path.clone());
            self.all.push(Sensor { chip, name, id, quantity, value });
        }
        self.all.sort_by_key(Sensor::is_slow);
    }

    /// The name of a new chip: its own, unless that already stands for another device.
    fn name_for(&mut self, name: String, owner: &Identity) -> String {
        if name == "thermal" {
            return name;
        }
        let is_free = |name: &str, devices: &HashMap<String, Option<String>>, all: &[Sensor]| {
            devices.get(name).is_none_or(|device| *device == owner.device)
                && !all.iter().any(|sensor| sensor.chip == name)
        };
        let marked = owner.device.as_ref().map(|device| match device.starts_with(&name) {
            true => device.clone(),
            false => format!("{name}-{device}"),
        });
        let counted = (2..).map(|n| format!("{name}-{n}"));
        let names = std::iter::once(name.clone()).chain(marked).chain(counted);
        let chosen = names.into_iter().find(|name| is_free(name, &self.devices, &self.all)).unwrap_or(name);
        self.devices.insert(chosen.clone(), owner.device.clone());
        chosen
    }
}

impl Collector for Sensors {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        if out.mono_ns >= *self.searched_ns.get_or_insert(out.mono_ns) + SEARCH_EVERY_NS {
            self.searched_ns = Some(out.mono_ns);
            self.refresh();
        }
        let is_slow_turn = self.slow_ns.is_none_or(|last| out.mono_ns >= last + SLOW_EVERY_NS);
        if is_slow_turn {
            self.slow_ns = Some(out.mono_ns);
        }
        let due = if is_slow_turn { self.all.len() } else { self.all.iter().filter(|s| !s.is_slow()).count() };
        if let Some(due @ [_, ..]) = self.all.get_mut(..due) {
            due.iter_mut().for_each(|s| s.value.refresh());
            out.push(&TABLE, due);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::options::Options;
    use super::*;
    use crate::linux::hwmon::tests::tree;
    use crate::table::sample::Cell;

    fn setup(dir: &Path) -> Setup {
        Setup::new(Roots { proc: dir.into(), sys: dir.into() }, Options::default())
    }

    /// The rows of one tick as `chip/sensor=celsius`.
    fn rows(opened: &mut Opened) -> Vec<String> {
        rows_at(opened, 0)
    }

    /// The rows of the tick at this second.
    fn rows_at(opened: &mut Opened, second: u64) -> Vec<String> {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        sample.mono_ns = second * 1_000_000_000;
        opened.collector.collect(0, &mut sample).unwrap();
        if sample.blocks.is_empty() {
            return Vec::new();
        }
        let text = |c: &Cell| match c {
            Cell::Text(id) => sample.texts.get(*id).unwrap().to_string(),
            Cell::Float(v) => v.to_string(),
            other => format!("{other:?}"),
        };
        let cells = sample.cells_of(&sample.blocks[0]);
        // The value is in one of the columns; null is in all.
        let value = |row: &[Cell]| *row[2..].iter().find(|cell| **cell != Cell::Null).unwrap_or(&Cell::Null);
        let row = |row: &[Cell]| format!("{}/{}={}", text(&row[0]), text(&row[1]), text(&value(row)));
        cells.chunks(catalog[0].raw.len()).map(row).collect()
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
                // Reading a directory is an error, like reading a sleeping sensor.
                ("class/hwmon/hwmon1/temp1_input/x", ""),
                ("class/thermal/thermal_zone0/type", "acpitz\n"),
                ("class/thermal/thermal_zone0/temp", "27800\n"),
            ],
        );
        let mut opened = open(&setup(dir.path())).ok().unwrap();
        let expected = |nvme: &str| {
            [format!("nvme/Composite={nvme}"), "iwlwifi_1/temp1=Null".into(), "thermal/acpitz=27.8".into()]
        };
        assert_eq!(rows(&mut opened), expected("40.85"));
        std::fs::write(dir.path().join("class/hwmon/hwmon0/temp1_input"), "-3000\n").unwrap();
        assert_eq!(rows(&mut opened), expected("-3"));
    }

    #[test]
    fn thermal_zones_stand_in_for_hwmon() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "nothing\n"),
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

    /// The first two zones belong to the chips `acpitz` and `iwlwifi_1`. The kernel adds the second zone of a type to
    /// the chip of the first. No chip shows `x86_pkg_temp`.
    #[test]
    fn zones_that_a_chip_shows_are_left_out_by_their_link() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "acpitz\n"),
                ("class/hwmon/hwmon0/device", "->../../thermal_zone0"),
                ("class/hwmon/hwmon0/temp1_input", "27800\n"),
                ("class/hwmon/hwmon0/temp2_input", "29800\n"),
                ("class/hwmon/hwmon1/name", "iwlwifi_1\n"),
                ("class/hwmon/hwmon1/device", "->../../thermal_zone3"),
                ("class/hwmon/hwmon1/temp1_input", "38000\n"),
                ("class/hwmon/hwmon2/name", "coretemp\n"),
                ("class/hwmon/hwmon2/device", "->../../../coretemp.0"),
                ("class/hwmon/hwmon2/temp1_input", "44000\n"),
                ("class/thermal/thermal_zone0/type", "acpitz\n"),
                ("class/thermal/thermal_zone0/temp", "27800\n"),
                ("class/thermal/thermal_zone1/type", "x86_pkg_temp\n"),
                ("class/thermal/thermal_zone1/temp", "44000\n"),
                ("class/thermal/thermal_zone2/type", "acpitz\n"),
                ("class/thermal/thermal_zone2/temp", "29800\n"),
                ("class/thermal/thermal_zone3/type", "iwlwifi_1\n"),
                ("class/thermal/thermal_zone3/temp", "38000\n"),
                ("class/thermal/thermal_zone4/type", "INT3400 Thermal\n"),
                ("class/thermal/thermal_zone4/temp", "20000\n"),
            ],
        );
        let mut opened = open(&setup(dir.path())).ok().unwrap();
        let expected = [
            "acpitz/temp1=27.8",
            "acpitz/temp2=29.8",
            "iwlwifi_1/temp1=38",
            "coretemp/temp1=44",
            "thermal/x86_pkg_temp=44",
            "thermal/INT3400 Thermal=20",
        ];
        assert_eq!(rows(&mut opened), expected);
    }

    #[test]
    fn sensors_come_and_go_and_a_name_means_one_device() {
        let dir = tempfile::tempdir().unwrap();
        let class = dir.path().join("class/hwmon");
        let drive = |hwmon: &str, device: &str, value: &str| {
            let at = |file: &str| format!("class/hwmon/{hwmon}/{file}");
            let device = format!("->../../{device}");
            tree(dir.path(), &[(&at("name"), "nvme\n"), (&at("device"), &device), (&at("temp1_input"), value)]);
        };
        std::fs::create_dir_all(&class).unwrap();
        let mut opened = open(&setup(dir.path())).ok().unwrap();
        assert!(opened.notes[0].starts_with("no sensors in "), "{:?}", opened.notes);
        let none: [&str; 0] = [];
        assert_eq!(rows_at(&mut opened, 0), none);
        drive("hwmon0", "nvme0", "40000\n");
        assert_eq!(rows_at(&mut opened, 1), none, "not searched at every tick");
        assert_eq!(rows_at(&mut opened, 5), ["nvme/temp1=40"]);
        // The only drive was `nvme`, and keeps that name.
        drive("hwmon1", "nvme1", "50000\n");
        assert_eq!(rows_at(&mut opened, 10), ["nvme/temp1=40", "nvme1/temp1=50"]);
        // The first drive is removed, and a board's sensor gets its number.
        std::fs::rename(class.join("hwmon0"), dir.path().join("gone")).unwrap();
        tree(dir.path(), &[("class/hwmon/hwmon0/name", "jc42\n"), ("class/hwmon/hwmon0/temp1_input", "29000\n")]);
        assert_eq!(rows_at(&mut opened, 15), ["nvme1/temp1=50", "jc42/temp1=29"]);
        // Another drive does not get the name again, even if it is the only `nvme` after the other is gone.
        std::fs::rename(class.join("hwmon1"), dir.path().join("gone too")).unwrap();
        drive("hwmon1", "nvme2", "60000\n");
        assert_eq!(rows_at(&mut opened, 20), ["jc42/temp1=29", "nvme2/temp1=60"]);
        drive("hwmon7", "nvme0", "41000\n");
        assert_eq!(rows_at(&mut opened, 25), ["jc42/temp1=29", "nvme2/temp1=60", "nvme0/temp1=41"]);
    }

    #[test]
    fn missing_sensors_are_reported_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let unavailable = open(&setup(dir.path())).err().unwrap();
        assert!(unavailable.reason.starts_with("no sensors in "), "{}", unavailable.reason);
        assert!(unavailable.advice.unwrap().contains("coretemp"));
    }

    /// A board as a server has it, its power supply, and a fan that the firmware shows.
    #[test]
    fn fans_voltages_currents_and_powers() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("class/hwmon/hwmon0/name", "nct6775\n"),
                ("class/hwmon/hwmon0/fan1_input", "1234\n"),
                ("class/hwmon/hwmon0/fan2_input", "5625000\n"),
                ("class/hwmon/hwmon0/in0_input", "1056\n"),
                ("class/hwmon/hwmon0/temp1_input", "40000\n"),
                ("class/hwmon/hwmon1/name", "corsairpsu\n"),
                ("class/hwmon/hwmon1/curr1_input", "1500\n"),
                ("class/hwmon/hwmon1/in1_input", "-12050\n"),
                ("class/hwmon/hwmon1/in1_label", "v_out -12v\n"),
                ("class/hwmon/hwmon1/power1_input", "62500000\n"),
                ("class/hwmon/hwmon1/power1_label", "power total\n"),
                ("class/thermal/thermal_zone0/type", "acpitz\n"),
                ("class/thermal/thermal_zone0/temp", "27800\n"),
            ],
        );
        let mut opened = open(&setup(dir.path())).ok().unwrap();
        let fast = ["nct6775/temp1=40", "thermal/acpitz=27.8", "corsairpsu/power total=62.5"];
        let slow = [
            "nct6775/in0=1.056",
            "nct6775/fan1=1234",
            "nct6775/fan2=Null",
            "corsairpsu/v_out -12v=-12.05",
            "corsairpsu/curr1=1.5",
        ];
        let all: Vec<&str> = fast.into_iter().chain(slow).collect();
        assert_eq!(rows_at(&mut opened, 0), all);
        assert_eq!(rows_at(&mut opened, 1), fast);
        assert_eq!(rows_at(&mut opened, 4), fast);
        assert_eq!(rows_at(&mut opened, 5), all);
        assert_eq!(rows_at(&mut opened, 6), fast);
    }

    #[test]
    fn a_machine_with_fans_only() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), &[("class/hwmon/hwmon0/name", "acpi_fan\n"), ("class/hwmon/hwmon0/fan1_input", "0\n")]);
        let mut opened = open(&setup(dir.path())).ok().unwrap();
        assert_eq!(rows_at(&mut opened, 0), ["acpi_fan/fan1=0"]);
        assert_eq!(rows_at(&mut opened, 1), [""; 0]);
    }
}
