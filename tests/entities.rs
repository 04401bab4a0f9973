//! Rows of one tick and table must differ in their entity: otherwise a reader could not distinguish them and would
//! average them.

mod common;

use std::collections::HashSet;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::Machine;
use perfwatch::collect::cgroup::options::CgroupOptions;
use perfwatch::collect::collector::Setup;
use perfwatch::collect::options::{DiskOptions, NetworkOptions, Options};
use perfwatch::collect::process::options::{ProcessOptions, Processes};
use perfwatch::collect::{REGISTRY, catalog};
use perfwatch::linux::files::Roots;
use perfwatch::table::sample::{Cell, Sample};

/// Opens all collectors that this machine supports, and checks their rows at every tick. Returns the names of the
/// collectors. `between` changes the machine before each tick.
fn check(roots: Roots, options: Options, mut between: impl FnMut(u64)) -> Vec<&'static str> {
    let setup = Setup::new(roots, options);
    let mut opened = Vec::new();
    // Events need a thread or a program, and have separate tests.
    for entry in REGISTRY.iter().filter(|entry| entry.name != "perf") {
        match (entry.open)(&setup) {
            Ok(collector) => opened.push((entry.name, collector.collector)),
            Err(why) => eprintln!("{}: not looked at: {}", entry.name, why.reason),
        }
    }
    let catalog = catalog::tables();
    let mut sample = Sample::new(catalog);
    for tick in 0..4u64 {
        between(tick);
        for (name, collector) in &mut opened {
            sample.clear();
            sample.mono_ns = 10_000_000_000 * (tick + 1);
            collector.collect(tick, &mut sample).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut seen = HashSet::new();
            for block in &sample.blocks {
                let table = &catalog[block.table];
                for row in sample.cells_of(block).chunks(table.raw.len()) {
                    let entity = table
                        .raw
                        .iter()
                        .zip(row)
                        .filter(|(column, _)| column.entity)
                        .map(|(_, cell)| shown(cell, &sample));
                    let entity: Vec<String> = entity.collect();
                    assert!(
                        seen.insert((block.table, entity.clone())),
                        "{}: {entity:?} twice at tick {tick}",
                        table.name
                    );
                }
            }
        }
    }
    opened.into_iter().map(|(name, _)| name).collect()
}

fn shown(cell: &Cell, sample: &Sample) -> String {
    match cell {
        Cell::Text(id) => sample.texts.get(*id).unwrap_or_default().to_string(),
        other => format!("{other:?}"),
    }
}

fn everything() -> Options {
    Options {
        network: NetworkOptions { all_interfaces: true },
        disk: DiskOptions { all_disks: true },
        process: ProcessOptions { processes: Some(Processes::All), pss: None },
        cgroup: CgroupOptions { cgroups: vec!["**".into()] },
        ..Options::default()
    }
}

fn no_processes() -> Options {
    Options { process: ProcessOptions::default(), ..everything() }
}

#[test]
fn on_this_machine() {
    let opened = check(Roots::default(), everything(), |_| {});
    assert!(opened.contains(&"process") && opened.contains(&"network"), "{opened:?}");
}

#[test]
fn on_other_machines() {
    for name in ["vm2", "old310", "big64"] {
        let machine = Machine::copy(name);
        let opened = check(machine.roots(), no_processes(), |_| {});
        assert!(opened.contains(&"disk"), "{name}: {opened:?}");
    }
}

/// A machine where different things have the same name.
#[test]
fn on_a_machine_with_equal_names() {
    let machine = Machine::copy("vm2");
    let hwmon = |number: u32, device: &str, label: &str| {
        let folder = format!("sys/class/hwmon/hwmon{number}");
        machine.put(&format!("{folder}/name"), "wormhole\n");
        for input in 1..3 {
            machine.put(&format!("{folder}/temp{input}_input"), "40000\n");
            machine.put(&format!("{folder}/temp{input}_label"), &format!("{label}\n"));
        }
        let link = machine.folder.path().join(&folder).join("device");
        let _ = symlink(Path::new("../../devices").join(device), link);
    };
    let zone = |number: u32, kind: &str| {
        machine.put(&format!("sys/class/thermal/thermal_zone{number}/type"), &format!("{kind}\n"));
        machine.put(&format!("sys/class/thermal/thermal_zone{number}/temp"), "30000\n");
    };
    let network = machine.read("proc/net/dev");
    // Two chips of one device with repeated labels; zones of one type, one with a name that equals the suffix form of
    // another.
    hwmon(0, "0002:04:00.0", "asic1_temp");
    hwmon(1, "0002:04:00.0", "asic1_temp");
    zone(0, "acpitz");
    zone(1, "acpitz");
    zone(2, "acpitz-thermal_zone1");
    let opened = check(machine.roots(), no_processes(), |tick| match tick {
        0 => {}
        1 => {
            hwmon(2, "0002:04:00.0", "asic1_temp");
            zone(3, "acpitz");
        }
        2 => {
            // The first chip disappears, and a chip of another driver gets its number.
            std::fs::rename(machine.folder.path().join("sys/class/hwmon/hwmon0"), machine.folder.path().join("gone"))
                .unwrap();
            hwmon(0, "wormhole-0002:04:00.0", "asic1_temp");
            hwmon(5, "thermal", "acpitz");
            // An interface is renamed while the file is read.
            let last = network.lines().last().unwrap();
            machine.put("proc/net/dev", &format!("{network}{last}\n"));
        }
        _ => machine.put("proc/net/dev", &network),
    });
    assert!(["sensor", "network", "disk"].iter().all(|name| opened.contains(name)), "{opened:?}");
}
