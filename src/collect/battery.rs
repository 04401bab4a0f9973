//! Batteries of the machine itself. Source: `/sys/class/power_supply/*/uevent`, described in the kernel's
//! `ABI/testing/sysfs-class-power`.

use std::path::PathBuf;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::{names_in, read_bytes};
use crate::linux::name::Name;
use crate::linux::possible::percent;
use crate::linux::scan::{lines, signed, split_once};
use crate::table::Unit::{Percent, Volts, WattHours, Watts};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, entity, gauge_float, label, significant};

pub const ENTRY: Entry = Entry {
    name: "battery",
    doc: "charge, power and voltage of the machine's batteries",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    // Firmware answers slowly, and measures no more often than this.
    cadence: Duration::from_secs(10),
    open,
};

static TABLE: Table<Battery> = Table {
    name: "battery",
    source: "/sys/class/power_supply",
    doc: "Batteries: one row per battery every 10 s; none for those of mice and keyboards.",
    charts: Charts::Drawn(&[Chart::lines("Power", &["power_w"]), Chart::lines("Charge", &["capacity_percent"])]),
    columns: &[
        entity("battery", "The kernel's name, for example `BAT0`.", |b: &Battery| b.name.as_str().into()).separate(),
        label("status", "`Charging`, `Discharging`, `Not charging`, `Full` or `Unknown`.", |b: &Battery| {
            b.status.as_ref().map(Name::as_str).into()
        }),
        gauge_float("capacity_percent", Percent, "Its charge, of what it can hold now.", |b: &Battery| {
            percent(b.capacity.map(|p| p as f64)).into()
        })
        .higher_is_better(),
        gauge_float(
            "power_w",
            Watts,
            "What it gives or takes, as `status` says: power_now, or current_now times voltage_now.",
            |b: &Battery| b.watts().into(),
        )
        .lower_is_better(),
        gauge_float("voltage_v", Volts, "Its voltage (voltage_now).", |b: &Battery| b.voltage.map(micro).into()),
        gauge_float(
            "energy_wh",
            WattHours,
            "What it holds: energy_now, or charge_now times the voltage for which it was made.",
            |b: &Battery| b.watt_hours().into(),
        )
        .higher_is_better(),
    ],
};

/// One battery; what it does not say is `None`. Numbers are millionths.
#[derive(Clone, Debug, Default, PartialEq)]
struct Battery {
    name: String,
    status: Option<Name>,
    capacity: Option<i64>,
    power: Option<i64>,
    current: Option<i64>,
    voltage: Option<i64>,
    design_voltage: Option<i64>,
    energy: Option<i64>,
    charge: Option<i64>,
    is_battery: bool,
    is_of_device: bool,
}

fn micro(n: i64) -> f64 {
    n as f64 / 1e6
}

impl Battery {
    /// Some drivers give a negative number while it discharges.
    fn watts(&self) -> Option<f64> {
        let product = || Some(micro(self.current?) * micro(self.voltage?));
        let watts = self.power.map(micro).or_else(product)?.abs();
        Some(significant(watts)).filter(|watts| *watts < 1e6)
    }

    fn watt_hours(&self) -> Option<f64> {
        let product = || Some(micro(self.charge?) * micro(self.design_voltage?));
        Some(significant(self.energy.map(micro).or_else(product)?)).filter(|energy| *energy >= 0.0)
    }

    /// Lines like `POWER_SUPPLY_CAPACITY=87`. One file has all values, so that the firmware is asked once.
    fn parse(name: &str, text: &[u8]) -> Battery {
        let mut battery = Battery { name: name.into(), ..Battery::default() };
        for line in lines(text) {
            let Some((key, value)) = line.strip_prefix(b"POWER_SUPPLY_").and_then(|line| split_once(line, b'=')) else {
                continue;
            };
            match key {
                b"TYPE" => battery.is_battery = value == b"Battery",
                b"SCOPE" => battery.is_of_device = value == b"Device",
                b"STATUS" => battery.status = Name::new(value),
                b"CAPACITY" => battery.capacity = signed(value),
                b"POWER_NOW" => battery.power = signed(value),
                b"CURRENT_NOW" => battery.current = signed(value),
                b"VOLTAGE_NOW" => battery.voltage = signed(value),
                b"VOLTAGE_MIN_DESIGN" => battery.design_voltage = signed(value),
                b"ENERGY_NOW" => battery.energy = signed(value),
                b"CHARGE_NOW" => battery.charge = signed(value),
                _ => {}
            }
        }
        battery
    }
}

struct Batteries {
    class: PathBuf,
    rows: Vec<Battery>,
}

impl Batteries {
    /// Reads all that are present: a battery can be exchanged while the machine runs. The list is short.
    fn read(&mut self) {
        self.rows.clear();
        for name in names_in(&self.class).unwrap_or_default() {
            let Ok(text) = read_bytes(self.class.join(&name).join("uevent")) else { continue };
            let battery = Battery::parse(&name, &text);
            if battery.is_battery && !battery.is_of_device {
                self.rows.push(battery);
            }
        }
    }
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let class = setup.roots.sys("class/power_supply");
    let mut batteries = Batteries { class, rows: Vec::new() };
    batteries.read();
    if batteries.rows.is_empty() {
        return Err(Unavailable::new(format!("no battery in {}", batteries.class.display())));
    }
    Ok(Opened::complete(batteries))
}

impl Collector for Batteries {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.read();
        if !self.rows.is_empty() {
            out.push(&TABLE, &self.rows);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::linux::hwmon::tests::tree;

    /// One that counts energy, one that counts charge, a mouse and a mains adapter.
    #[test]
    fn batteries_of_the_machine() {
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup::new(Roots { proc: dir.path().into(), sys: dir.path().into() }, Options::default());
        assert!(open(&setup).err().unwrap().reason.starts_with("no battery in "));
        let put = |name: &str, lines: &str| {
            let text: String = lines.split(' ').map(|line| format!("POWER_SUPPLY_{line}\n")).collect();
            tree(dir.path(), &[(&format!("class/power_supply/{name}/uevent"), &text)]);
        };
        put("AC", "NAME=AC TYPE=Mains ONLINE=1");
        put("hidpp_battery_0", "NAME=hidpp_battery_0 TYPE=Battery SCOPE=Device STATUS=Discharging CAPACITY=50");
        assert!(open(&setup).is_err());
        put(
            "BAT0",
            "NAME=BAT0 TYPE=Battery STATUS=Discharging PRESENT=1 VOLTAGE_MIN_DESIGN=15440000 VOLTAGE_NOW=16500000 \
             POWER_NOW=8250000 ENERGY_FULL=52000000 ENERGY_NOW=41600000 CAPACITY=80 CAPACITY_LEVEL=Normal",
        );
        put(
            "BAT1",
            "NAME=BAT1 TYPE=Battery STATUS=Charging VOLTAGE_MIN_DESIGN=11400000 VOLTAGE_NOW=12000000 \
             CURRENT_NOW=-1500000 CHARGE_NOW=3000000 CAPACITY=255",
        );
        let mut batteries = Batteries { class: dir.path().join("class/power_supply"), rows: Vec::new() };
        batteries.read();
        let [first, second] = &batteries.rows[..] else { panic!("{:?}", batteries.rows) };
        assert_eq!((first.name.as_str(), first.status.unwrap().as_str()), ("BAT0", "Discharging"));
        let about = |value: Option<f64>, expected: f64| (value.unwrap() / expected - 1.0).abs() < 1e-5;
        assert!(about(first.watts(), 8.25) && about(first.watt_hours(), 41.6), "{first:?}");
        // 1.5 A at 12 V; 3 Ah at 11.4 V.
        assert!(about(second.watts(), 18.0) && about(second.watt_hours(), 34.2), "{second:?}");
        assert_eq!(percent(second.capacity.map(|p| p as f64)), None, "more than 100");
        std::fs::remove_dir_all(dir.path().join("class/power_supply/BAT0")).unwrap();
        batteries.read();
        assert_eq!(batteries.rows.len(), 1);
    }

    #[test]
    fn what_a_battery_does_not_say() {
        let none =
            Battery::parse("BAT0", b"POWER_SUPPLY_TYPE=Battery\nPOWER_SUPPLY_STATUS=\nPOWER_SUPPLY_CAPACITY=?\n");
        assert_eq!((none.status, none.capacity, none.watts(), none.watt_hours()), (None, None, None, None));
        assert!(none.is_battery);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, lines in "(POWER_SUPPLY_|POWER_NOW=|CURRENT_NOW=|VOLTAGE_NOW=|-|[0-9]{1,20}|\n){0,30}") {
            for text in [&text[..], lines.as_bytes()] {
                let battery = Battery::parse("x", text);
                let _ = (battery.watts(), battery.watt_hours());
            }
        }
    }
}
