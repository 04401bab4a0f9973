//! Folders as the drivers lay them out: file names from the kernel's documentation and sources.

use std::path::Path;

use super::*;
use crate::linux::hwmon::tests::tree;

const S: u64 = 1_000_000_000;

/// The PCI device of `card0`, with the driver's name.
fn card(dir: &Path, number: u32, address: &str, driver: &str, files: &[(&str, &str)]) {
    let device = format!("sys/devices/{address}");
    tree(dir, &[(&format!("{device}/driver"), &format!("->../../bus/pci/drivers/{driver}"))]);
    tree(dir, &[(&format!("sys/class/drm/card{number}/device"), &format!("->../../../devices/{address}"))]);
    for (path, text) in files {
        let path = match path.strip_prefix("card/") {
            Some(path) => format!("sys/class/drm/card{number}/{path}"),
            None => format!("{device}/{path}"),
        };
        tree(dir, &[(&path, text)]);
    }
}

fn roots(dir: &Path) -> Roots {
    Roots { proc: dir.join("proc"), sys: dir.join("sys") }
}

/// A Radeon RX 7900 with an Ultrastar hwmon number.
const RADEON: &[(&str, &str)] = &[
    ("vendor", "0x1002\n"),
    ("device", "0x744c\n"),
    ("unique_id", "5f3c1a2b99887766\n"),
    ("power/runtime_status", "active\n"),
    ("gpu_busy_percent", "42\n"),
    ("mem_busy_percent", "7\n"),
    ("mem_info_vram_total", "25753026560\n"),
    ("mem_info_vram_used", "3221225472\n"),
    ("hwmon/hwmon5/name", "amdgpu\n"),
    ("hwmon/hwmon5/power1_average", "215000000\n"),
    ("hwmon/hwmon5/power1_cap", "315000000\n"),
    ("hwmon/hwmon5/temp1_input", "61000\n"),
    ("hwmon/hwmon5/temp2_input", "75000\n"),
    ("hwmon/hwmon5/freq1_input", "2482000000\n"),
    ("hwmon/hwmon5/freq2_input", "1249000000\n"),
];

fn radeon() -> CardReading {
    CardReading {
        gpu: "0000:03:00.0".into(),
        name: Some("AMD GPU [1002:744c]".into()),
        uuid: Some("5f3c1a2b99887766".into()),
        usage_percent: Some(42.0),
        memory_busy_percent: Some(7.0),
        memory_used_bytes: Some(3 << 30),
        memory_total_bytes: Some(25_753_026_560),
        power_w: Some(215.0),
        power_limit_w: Some(315.0),
        temperature_celsius: Some(61.0),
        clock_mhz: Some(2482.0),
        memory_clock_mhz: Some(1249.0),
        ..CardReading::default()
    }
}

#[test]
fn a_card_of_amd() {
    let dir = tempfile::tempdir().unwrap();
    card(dir.path(), 1, "0000:03:00.0", "amdgpu", RADEON);
    let mut source = SysfsSource::open(&roots(dir.path())).unwrap();
    assert_eq!(source.about(), "amdgpu: AMD GPU [1002:744c] at 0000:03:00.0");
    assert_eq!(source.read(S), Reading { cards: vec![radeon()], problems: vec![] });
    // An Instinct has an energy counter and a name, and only the current power.
    let newer = [
        ("product_name", "AMD Instinct MI300X\n"),
        ("hwmon/hwmon6/energy1_input", "93211000000\n"),
        ("hwmon/hwmon6/power1_input", "148000000\n"),
        ("vendor", "0x1002\n"),
    ];
    card(dir.path(), 2, "0000:05:00.0", "amdgpu", &newer);
    let mut source = SysfsSource::open(&roots(dir.path())).unwrap();
    let expected = CardReading {
        gpu: "0000:05:00.0".into(),
        name: Some("AMD Instinct MI300X".into()),
        energy_uj: Some(93_211_000_000),
        power_w: Some(148.0),
        ..CardReading::default()
    };
    assert_eq!(source.read(S).cards, [radeon(), expected]);
}

/// Reading the registers of a suspended card would wake it.
#[test]
fn a_suspended_card_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    card(dir.path(), 1, "0000:03:00.0", "amdgpu", RADEON);
    let status = dir.path().join("sys/devices/0000:03:00.0/power/runtime_status");
    std::fs::write(&status, "suspended\n").unwrap();
    let mut source = SysfsSource::open(&roots(dir.path())).unwrap();
    let asleep = CardReading {
        usage_percent: Some(0.0),
        name: radeon().name,
        uuid: radeon().uuid,
        gpu: radeon().gpu,
        ..CardReading::default()
    };
    assert_eq!(source.read(S).cards, [asleep]);
    std::fs::write(&status, "active\n").unwrap();
    assert_eq!(source.read(2 * S).cards, [radeon()]);
}

#[test]
fn cards_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    assert!(SysfsSource::open(&roots(dir.path())).err().unwrap().starts_with("no card of amdgpu, i915 or xe in "));
    card(dir.path(), 1, "0000:03:00.0", "amdgpu", RADEON);
    let mut source = SysfsSource::open(&roots(dir.path())).unwrap();
    let mut seen = |now_ns| source.read(now_ns).cards.into_iter().map(|card| card.gpu).collect::<Vec<_>>();
    assert_eq!(seen(10 * S), ["0000:03:00.0"]);
    card(dir.path(), 0, "0000:00:02.0", "i915", &[("vendor", "0x8086\n")]);
    assert_eq!(seen(12 * S), ["0000:03:00.0"], "not searched at every reading");
    assert_eq!(seen(20 * S), ["0000:00:02.0", "0000:03:00.0"]);
    std::fs::remove_file(dir.path().join("sys/class/drm/card1/device")).unwrap();
    assert_eq!(seen(30 * S), ["0000:00:02.0"]);
    std::fs::remove_file(dir.path().join("sys/class/drm/card0/device")).unwrap();
    let reading = source.read(40 * S);
    assert!(reading.cards.is_empty() && reading.problems[0].starts_with("no card of "), "{reading:?}");
}

#[test]
fn what_is_not_a_card_of_these_drivers() {
    let dir = tempfile::tempdir().unwrap();
    card(dir.path(), 0, "0000:01:00.0", "nvidia", &[("vendor", "0x10de\n")]);
    card(dir.path(), 1, "amdgpu_xcp.1", "amdgpu", &[]);
    tree(
        dir.path(),
        &[("sys/class/drm/card1-HDMI-A-1/status", "connected\n"), ("sys/class/drm/version", "drm 1.1.0\n")],
    );
    assert_eq!(cards(&roots(dir.path())), []);
}

/// Reads twice, a second apart, with these files changed in between.
fn twice(dir: &Path, changes: &[(&str, &str)]) -> CardReading {
    let mut source = SysfsSource::open(&roots(dir)).unwrap();
    assert_eq!(source.read(S).cards[0].usage_percent, None, "no time has passed");
    for (path, text) in changes {
        std::fs::write(dir.join("sys").join(path), text).unwrap();
    }
    source.read(2 * S).cards.remove(0)
}

#[test]
fn a_card_of_intel_with_xe() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("vendor", "0x8086\n"),
        ("device", "0xe20b\n"),
        ("tile0/gt0/freq0/act_freq", "2350\n"),
        ("tile0/gt0/gtidle/idle_residency_ms", "81000\n"),
        ("tile0/gt0/freq0/throttle/reason_pl1", "1\n"),
        ("tile0/gt0/freq0/throttle/reason_pl2", "0\n"),
        ("tile0/gt0/freq0/throttle/reason_thermal", "0\n"),
        ("hwmon/hwmon3/energy1_input", "5000000\n"),
        ("hwmon/hwmon3/power1_max", "190000000\n"),
        ("hwmon/hwmon3/temp2_input", "48000\n"),
    ];
    card(dir.path(), 0, "0000:07:00.0", "xe", &files);
    let idle = "devices/0000:07:00.0/tile0/gt0/gtidle/idle_residency_ms";
    let expected = CardReading {
        gpu: "0000:07:00.0".into(),
        name: Some("Intel GPU [8086:e20b]".into()),
        usage_percent: Some(60.0),
        power_limit_w: Some(190.0),
        energy_uj: Some(5_000_000),
        temperature_celsius: Some(48.0),
        clock_mhz: Some(2350.0),
        power_limited: Some(true),
        thermally_limited: Some(false),
        ..CardReading::default()
    };
    assert_eq!(twice(dir.path(), &[(idle, "81400\n")]), expected);
}

#[test]
fn cards_of_intel_with_new_and_old_i915() {
    let new = tempfile::tempdir().unwrap();
    let files = [
        ("vendor", "0x8086\n"),
        ("card/gt/gt0/rps_act_freq_mhz", "1300\n"),
        ("card/gt/gt0/rc6_residency_ms", "500\n"),
        ("card/gt/gt0/throttle_reason_pl1", "0\n"),
        ("card/gt/gt0/throttle_reason_thermal", "1\n"),
        ("card/gt_act_freq_mhz", "1\n"),
    ];
    card(new.path(), 0, "0000:00:02.0", "i915", &files);
    let read = twice(new.path(), &[("class/drm/card0/gt/gt0/rc6_residency_ms", "1250\n")]);
    let shown = |c: &CardReading| (c.usage_percent, c.clock_mhz, c.power_limited, c.thermally_limited);
    assert_eq!(shown(&read), (Some(25.0), Some(1300.0), Some(false), Some(true)));

    let old = tempfile::tempdir().unwrap();
    let files =
        [("vendor", "0x8086\n"), ("card/gt_act_freq_mhz", "350\n"), ("card/power/rc6_residency_ms", "4294967000\n")];
    card(old.path(), 0, "0000:00:02.0", "i915", &files);
    let read = twice(old.path(), &[("class/drm/card0/power/rc6_residency_ms", "600\n")]);
    assert_eq!(shown(&read), (None, Some(350.0), None, None), "a counter that wrapped tells nothing");
}
