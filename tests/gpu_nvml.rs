//! What is read from NVML, with a library that does what a script says.

mod nvml;

use std::path::Path;

use nvml::{Fake, H100};
use perfwatch::linux::files::Roots;
use perfwatch::linux::gpu::nvml::NvmlSource;
use perfwatch::linux::gpu::{CardReading, ProcessReading, Source};

const S: u64 = 1_000_000_000;

fn roots(dir: &Path) -> Roots {
    Roots { proc: dir.join("proc"), sys: dir.join("sys") }
}

fn open(fake: &Fake) -> NvmlSource {
    NvmlSource::open(Some(&fake.file()), &Roots::default()).unwrap()
}

/// What [`H100`] says.
fn h100() -> CardReading {
    CardReading {
        gpu: "0000:3b:00.0".into(),
        instance: None,
        name: Some("NVIDIA H100 80GB HBM3".into()),
        uuid: Some("GPU-11111111".into()),
        usage_percent: Some(97.0),
        memory_busy_percent: Some(34.0),
        memory_used_bytes: Some(1_059_913_728),
        memory_total_bytes: Some(85_520_809_984),
        power_w: Some(298.448),
        power_limit_w: Some(700.0),
        energy_uj: Some(2_412_955_000),
        temperature_celsius: Some(53.0),
        clock_mhz: Some(1400.0),
        memory_clock_mhz: Some(2619.0),
        power_limited: Some(true),
        thermally_limited: Some(false),
        slowed_by_hardware: Some(false),
        ecc_errors_uncorrected: Some(7),
        encoder_percent: Some(3.0),
        decoder_percent: Some(0.0),
    }
}

#[test]
fn every_value_of_a_card() {
    let Some(fake) = Fake::new(H100) else { return };
    let mut source = open(&fake);
    assert_eq!(source.about(), "NVML, driver 580.159.04: NVIDIA H100 80GB HBM3 at 0000:3b:00.0");
    let first = source.read(S);
    assert_eq!((first.cards, first.problems), (vec![h100()], vec![]));
    let second = source.read(2 * S);
    assert_eq!(second.cards[0].energy_uj, Some(2_413_455_000), "500 mJ more");
}

#[test]
fn reasons_for_lower_clocks() {
    let Some(fake) = Fake::new(H100) else { return };
    let mut source = open(&fake);
    let mut of = |mask: &str| {
        fake.says(&H100.replace("0.reasons = 0x4", &format!("0.reasons = {mask}")));
        let card = source.read(S).cards.remove(0);
        [card.power_limited, card.thermally_limited, card.slowed_by_hardware].map(Option::unwrap)
    };
    // The bits of nvmlClocksEventReasons: idle, application clocks, sync boost and display clocks are no throttling.
    assert_eq!(of("0x1"), [false; 3]);
    assert_eq!(of("0x112"), [false; 3]);
    assert_eq!([of("0x4"), of("0x88")], [[true, false, false], [true, false, true]]);
    assert_eq!([of("0x20"), of("0x48")], [[false, true, false], [false, true, true]]);
}

/// A card for displays has no ECC, no energy counter, and an old driver no second version of the memory.
#[test]
fn what_a_card_does_not_have_is_asked_for_once() {
    let script = "0.bus = 00000000:01:00.0\n0.utilization = 5 1\n0.memory = 4000 3000 1000\n0.power = error 3\n";
    let Some(fake) = Fake::new(script) else { return };
    let mut source = open(&fake);
    assert_eq!(source.about(), "NVML: 0000:01:00.0");
    let expected = CardReading {
        gpu: "0000:01:00.0".into(),
        usage_percent: Some(5.0),
        memory_busy_percent: Some(1.0),
        memory_used_bytes: Some(1000),
        memory_total_bytes: Some(4000),
        ..CardReading::default()
    };
    for second in 1..4 {
        let reading = source.read(second * S);
        assert_eq!((reading.cards, reading.problems), (vec![expected.clone()], vec![]));
    }
    assert_eq!((fake.calls("0.utilization"), fake.calls("0.power"), fake.calls("0.energy")), (3, 1, 1));
}

#[test]
fn an_error_is_named_and_costs_one_value() {
    let Some(fake) = Fake::new(&H100.replace("0.power = 298448", "0.power = error 999")) else { return };
    let mut source = open(&fake);
    let reading = source.read(S);
    assert_eq!(reading.cards, [CardReading { power_w: None, ..h100() }]);
    assert_eq!(reading.problems, ["0000:3b:00.0: no power: an error of the driver (NVML error 999)"]);
    // There is no data at the moment, which is not worth a word.
    fake.says(&H100.replace("0.power = 298448", "0.power = error 21"));
    let reading = source.read(2 * S);
    assert_eq!((reading.cards[0].power_w, reading.problems.len()), (None, 0));
    fake.says(H100);
    assert_eq!(source.read(3 * S).cards[0].power_w, Some(298.448), "it is asked again");
}

/// The second card falls off the bus, and is there again after the driver was reset.
#[test]
fn a_card_that_is_lost_comes_back() {
    let second = "1.bus = 00000000:AF:00.0\n1.utilization = 50 5\n";
    let Some(fake) = Fake::new(&format!("{H100}{second}")) else { return };
    let mut source = open(&fake);
    let seen = |reading: &perfwatch::linux::gpu::Reading| -> Vec<String> {
        reading.cards.iter().map(|card| card.gpu.clone()).collect()
    };
    let both = ["0000:3b:00.0", "0000:af:00.0"];
    assert_eq!(seen(&source.read(10 * S)), both);
    fake.says(&format!("{H100}{}", second.replace("= 50 5", "= error 15")));
    let lost = source.read(11 * S);
    assert_eq!(seen(&lost), both[..1]);
    assert_eq!(lost.problems, ["0000:af:00.0: the GPU is lost (NVML error 15)"]);
    fake.says(&format!("{H100}{second}"));
    assert_eq!(seen(&source.read(12 * S)), both);
    assert_eq!((fake.calls("init"), fake.calls("shutdown")), (1, 0), "not initialised again at every reading");
    assert_eq!(seen(&source.read(20 * S)), both);
    assert_eq!((fake.calls("init"), fake.calls("shutdown")), (2, 1));
    assert_eq!(seen(&source.read(30 * S)), both);
    assert_eq!(fake.calls("init"), 2);
}

/// The kernel module shows another card: NVML lists it only after it was initialised again.
#[test]
fn a_card_that_is_plugged_in() {
    let Some(fake) = Fake::new(H100) else { return };
    let machine = tempfile::tempdir().unwrap();
    let cards = machine.path().join("proc/driver/nvidia/gpus");
    std::fs::create_dir_all(cards.join("0000:3b:00.0")).unwrap();
    let mut source = NvmlSource::open(Some(&fake.file()), &roots(machine.path())).unwrap();
    assert_eq!(source.read(10 * S).cards.len(), 1);
    fake.says(&format!("{H100}1.bus = 00000000:AF:00.0\n"));
    assert_eq!(source.read(20 * S).cards.len(), 1);
    std::fs::create_dir_all(cards.join("0000:af:00.0")).unwrap();
    assert_eq!(source.read(30 * S).cards.len(), 2);
    // The driver is unloaded, and loaded again.
    fake.says(&format!("init = error 9\n{H100}"));
    std::fs::remove_dir_all(&cards).unwrap();
    let reading = source.read(40 * S);
    assert_eq!(reading.cards, []);
    assert_eq!(reading.problems, ["cannot initialise NVML again: the NVIDIA driver is not loaded (NVML error 9)"]);
    fake.says(H100);
    assert_eq!(source.read(50 * S).cards.len(), 1);
}

/// A divided card does not report its utilisation; its instances report their memory.
#[test]
fn instances_of_a_divided_card() {
    let card = "0.bus = 00000000:3B:00.0\n0.name = NVIDIA H100\n0.energy = 7000\n0.instances = 1/0 2/0\n\
                0.0.memory_v2 = 2000 100 300\n0.0.name = NVIDIA H100 MIG 1g.10gb\n0.0.uuid = MIG-a\n\
                0.1.memory_v2 = 4000 100 600\n0.1.uuid = MIG-b\n0.0.processes = 17 300\n0.1.processes = 18 600\n";
    let Some(fake) = Fake::new(card) else { return };
    let mut source = open(&fake);
    let instance = |id: &str, uuid: &str, name: Option<&str>, used, total| CardReading {
        gpu: "0000:3b:00.0".into(),
        instance: Some(id.into()),
        name: name.map(Into::into),
        uuid: Some(uuid.into()),
        memory_used_bytes: Some(used),
        memory_total_bytes: Some(total),
        ..CardReading::default()
    };
    let whole = CardReading {
        gpu: "0000:3b:00.0".into(),
        name: Some("NVIDIA H100".into()),
        energy_uj: Some(7_000_000),
        ..CardReading::default()
    };
    let first = instance("1/0", "MIG-a", Some("NVIDIA H100 MIG 1g.10gb"), 300, 2000);
    let second = instance("2/0", "MIG-b", None, 600, 4000);
    let reading = source.read(10 * S);
    assert_eq!((reading.cards, reading.problems), (vec![whole.clone(), first.clone(), second], vec![]));
    let mut problems = Vec::new();
    let processes = source.processes(&[17, 18], 10 * S, &mut problems);
    let of = |p: &ProcessReading| (p.pid, p.instance.clone(), p.memory_bytes, p.usage_percent);
    let expected = [(17, Some("1/0".into()), Some(300), None), (18, Some("2/0".into()), Some(600), None)];
    assert_eq!((processes.iter().map(of).collect::<Vec<_>>(), problems), (expected.to_vec(), vec![]));
    // One instance is destroyed, which the next search notices.
    fake.says(&card.replace("1/0 2/0", "1/0"));
    assert_eq!(source.read(20 * S).cards, [whole.clone(), first]);
    fake.says(&card.replace("0.instances = 1/0 2/0\n", ""));
    assert_eq!(source.read(30 * S).cards, [whole]);
}

#[test]
fn processes_of_the_command_only() {
    let own = std::process::id();
    let script = format!("{H100}0.processes = 4000000 99 {own} 4096 17 0xffffffffffffffff\n");
    let samples = |text: &str| format!("{script}0.samples = {text}\n");
    let Some(fake) = Fake::new(&samples(&format!("{own} 1000 40 {own} 2000 60 4000000 2000 9"))) else { return };
    let mut source = open(&fake);
    let mut problems = Vec::new();
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap().trim().to_string();
    let ours = |usage_percent| ProcessReading {
        pid: own,
        comm: comm.clone(),
        gpu: "0000:3b:00.0".into(),
        instance: None,
        memory_bytes: Some(4096),
        usage_percent,
    };
    assert_eq!(source.processes(&[own], S, &mut problems), [ours(Some(50.0))]);
    // Only what was sampled since then counts.
    fake.says(&samples(&format!("{own} 2000 60 {own} 3000 10")));
    assert_eq!(source.processes(&[own], 2 * S, &mut problems), [ours(Some(10.0))]);
    fake.says(&samples(&format!("{own} 3000 10")));
    assert_eq!(source.processes(&[own], 3 * S, &mut problems), [ours(None)]);
    assert_eq!(source.processes(&[5], 3 * S, &mut problems), []);
    assert!(problems.is_empty(), "{problems:?}");
    fake.says(&format!("{script}0.processes = error 4\n"));
    assert_eq!(source.processes(&[own], 4 * S, &mut problems), []);
    assert_eq!(problems, ["0000:3b:00.0: cannot list processes: no permission (NVML error 4)"]);
}

#[test]
fn why_nvml_cannot_be_used() {
    let refused = |script: &str| {
        let fake = Fake::new(script)?;
        Some(NvmlSource::open(Some(&fake.file()), &Roots::default()).err().unwrap())
    };
    let Some(unloaded) = refused("init = error 9\n") else { return };
    assert_eq!(unloaded, "cannot initialise NVML: the NVIDIA driver is not loaded (NVML error 9)");
    let words = "library and kernel module of the driver have different versions (NVML error 18)";
    assert_eq!(refused("init = error 18\n").unwrap(), format!("cannot initialise NVML: {words}"));
    assert_eq!(refused("driver = 1\n").unwrap(), "NVML shows no GPU");
    let lost = refused("0.bus = error 15\n").unwrap();
    assert_eq!(lost, "GPU 0 of NVML cannot be read: the GPU is lost (NVML error 15)");
    let open = |path: &str| NvmlSource::open(Some(Path::new(path)), &Roots::default()).err().unwrap();
    assert!(open("/no/such/library").starts_with("cannot load NVML: /no/such/library: "));
    let libc = open("libc.so.6");
    assert_eq!(libc, "cannot load NVML: libc.so.6 does not have the functions of NVML");
}
