//! Lines and CPUs that come and go, and which lines have a row.

use super::super::options::Options;
use super::*;
use crate::linux::files::Roots;
use crate::table::sample::Cell;

fn text(cpus: &[u32], lines: &[(&str, &[u64], &str)]) -> String {
    let header: String = cpus.iter().map(|cpu| format!("CPU{cpu:<8}")).collect();
    let line = |(name, counts, device): &(&str, &[u64], &str)| {
        let counts: String = counts.iter().map(|n| format!("{n:>10} ")).collect();
        format!("{name:>3}: {counts} PCI-MSI 524288-edge      {device}\n")
    };
    format!("           {header}\n{}", lines.iter().map(line).collect::<String>())
}

fn followed(interrupts: &mut Interrupts, cpus: &[u32], lines: &[(&str, &[u64], &str)]) {
    interrupts.follow(text(cpus, lines).as_bytes()).unwrap();
}

/// `name total rate busiest@percent since`, for an interval of two seconds.
fn rows(interrupts: &Interrupts, most: usize) -> Vec<String> {
    let shown = |row: &Busy| {
        let rate = row.per_sec.map_or("-".into(), |rate| rate.to_string());
        let busiest = row.busiest.map_or("-".into(), |(cpu, percent)| format!("{cpu}@{percent}"));
        format!("{} {} {rate} {busiest} {}", row.name.as_str(), row.total, row.since)
    };
    interrupts.busiest(most, Some(2.0)).iter().map(shown).collect()
}

#[test]
fn the_busiest_since_the_previous_reading() {
    let mut interrupts = Interrupts::default();
    followed(
        &mut interrupts,
        &[0, 1],
        &[("24", &[500, 0], "a"), ("25", &[30, 1], "b"), ("26", &[9, 9], "c"), ("27", &[0, 0], "d")],
    );
    assert_eq!(rows(&interrupts, 2), ["24 500 - - 1", "25 31 - - 1"], "since boot");
    followed(
        &mut interrupts,
        &[0, 1],
        &[("24", &[501, 0], "a"), ("25", &[30, 1], "b"), ("26", &[10, 18], "c"), ("27", &[0, 40], "d")],
    );
    // 25 had none; 27 had no row before, and has the rate of this interval.
    assert_eq!(rows(&interrupts, 2), ["26 28 5 1@90 1", "27 40 20 1@100 1"]);
    assert_eq!(rows(&interrupts, 20), ["24 501 0.5 0@100 1", "26 28 5 1@90 1", "27 40 20 1@100 1"]);
    followed(
        &mut interrupts,
        &[0, 1],
        &[("24", &[501, 0], "a"), ("25", &[30, 1001], "b"), ("26", &[10, 18], "c"), ("27", &[0, 40], "d")],
    );
    assert_eq!(rows(&interrupts, 20), ["25 1031 500 1@100 1"]);
}

#[test]
fn a_cpu_that_goes_and_returns_does_not_change_the_total() {
    let mut interrupts = Interrupts::default();
    followed(&mut interrupts, &[0, 1, 2], &[("24", &[100, 1000, 10], "a")]);
    followed(&mut interrupts, &[0, 2], &[("24", &[110, 20], "a")]);
    assert_eq!(rows(&interrupts, 9), ["24 1130 10 0@50 1"]);
    // It counted 5 between the reading and going offline.
    followed(&mut interrupts, &[0, 1, 2], &[("24", &[110, 1005, 20], "a")]);
    assert_eq!(rows(&interrupts, 9), ["24 1135 2.5 1@100 1"]);
    // A CPU that was offline at the start brings numbers that grew before.
    followed(&mut interrupts, &[0, 1, 2, 3], &[("24", &[112, 1005, 20, 7777], "a")]);
    assert_eq!(rows(&interrupts, 9), ["24 1137 1 0@100 1"]);
    followed(&mut interrupts, &[0, 1, 2, 3], &[("24", &[112, 1005, 20, 7787], "a")]);
    assert_eq!(rows(&interrupts, 9), ["24 1147 5 3@100 1"]);
}

#[test]
fn a_number_of_32_bits_wraps() {
    let mut interrupts = Interrupts::default();
    followed(&mut interrupts, &[0, 1], &[("24", &[4_294_967_290, 5], "a")]);
    followed(&mut interrupts, &[0, 1], &[("24", &[4, 5], "a")]);
    assert_eq!(rows(&interrupts, 9), ["24 4294967305 5 0@100 1"]);
}

#[test]
fn a_number_that_belongs_to_another_device_begins_again() {
    let mut interrupts = Interrupts::default();
    followed(&mut interrupts, &[0], &[("24", &[100], "eth0"), ("25", &[100], "b")]);
    // The same number for another device; a reset; a new line.
    followed(&mut interrupts, &[0], &[("24", &[900], "nvme0q1"), ("25", &[3], "b"), ("26", &[50], "c")]);
    assert_eq!(rows(&interrupts, 9), [""; 0]);
    followed(&mut interrupts, &[0], &[("24", &[902], "nvme0q1"), ("25", &[5], "b"), ("26", &[52], "c")]);
    assert_eq!(rows(&interrupts, 9), ["24 902 1 0@100 2", "25 5 1 0@100 2", "26 52 1 0@100 2"]);
    followed(&mut interrupts, &[0], &[("24", &[904], "nvme0q1")]);
    followed(&mut interrupts, &[0], &[("24", &[906], "nvme0q1"), ("25", &[70], "b")]);
    followed(&mut interrupts, &[0], &[("24", &[906], "nvme0q1"), ("25", &[72], "b")]);
    assert_eq!(rows(&interrupts, 9), ["25 72 1 0@100 5"]);
}

#[test]
fn one_number_for_all_cpus_has_no_busiest_cpu() {
    let mut interrupts = Interrupts::default();
    interrupts.follow(b"   CPU0 CPU1\nERR:   3\n").unwrap();
    interrupts.follow(b"   CPU0 CPU1\nERR:   7\n").unwrap();
    assert_eq!(rows(&interrupts, 9), ["ERR 7 2 - 1"]);
}

/// 256 CPUs and 600 lines, of which one is listed twice.
#[test]
fn a_large_machine() {
    let cpus: Vec<u32> = (0..256).collect();
    let text = |n: u64| {
        let header: String = cpus.iter().map(|cpu| format!("CPU{cpu} ")).collect();
        let line = |line: u64| {
            let counts: String = cpus.iter().map(|cpu| format!("{} ", n * line * u64::from(cpu % 2))).collect();
            format!("{line}: {counts} GICv3 {line} Level     eth0-{line}\n")
        };
        format!("{header}\n{}{}", (0..600).map(line).collect::<String>(), line(599))
    };
    let mut interrupts = Interrupts::default();
    interrupts.follow(text(1).as_bytes()).unwrap();
    interrupts.follow(text(3).as_bytes()).unwrap();
    let rows = interrupts.busiest(20, Some(2.0));
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, (580..600).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!((rows[19].total, rows[19].per_sec), (3 * 599 * 128, Some(599.0 * 128.0)));
    assert_eq!(rows[19].busiest.map(|(cpu, _)| cpu), Some(1));
}

#[test]
fn hostile_names_are_ordinary() {
    let device = format!("<b>\"x\" \u{1f600}\u{7f}, {}", "n".repeat(200));
    let mut interrupts = Interrupts::default();
    let long = "9".repeat(60);
    let text = format!("CPU0\n 24: 5 PCI-MSI 1-edge      {device}\n{long}: 5\n\u{1f600}: 6   what\n");
    interrupts.follow(text.as_bytes()).unwrap();
    let rows = interrupts.busiest(20, None);
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["24", "\u{1f600}"]);
    assert_eq!(rows[0].device.as_deref(), Some(&*device));
}

#[test]
fn the_interval_is_that_of_the_readings() {
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup::new(Roots { proc: dir.path().into(), sys: dir.path().into() }, Options::default());
    assert!(open(&setup).err().unwrap().reason.contains("/interrupts"));
    let put = |text: &str| std::fs::write(dir.path().join("interrupts"), text).unwrap();
    put("");
    let mut opened = open(&setup).ok().unwrap();
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    let error = opened.collector.collect(1, &mut sample).unwrap_err();
    assert!(error.to_string().ends_with("line 1: no line of CPUs"), "{error}");
    put("CPU0\nLOC: 5   Local timer interrupts\n");
    sample.mono_ns = 1_000_000_000;
    opened.collector.collect(2, &mut sample).unwrap();
    assert_eq!(sample.blocks[0].stamp, None);
    sample.clear();
    put("CPU0\nLOC: 45   Local timer interrupts\n");
    sample.mono_ns = 6_000_000_000;
    opened.collector.collect(7, &mut sample).unwrap();
    assert_eq!(sample.blocks[0].stamp.unwrap().elapsed_s, Some(5.0));
    let at = catalog[0].raw.iter().position(|c| c.name == "interrupts_per_sec").unwrap();
    assert_eq!(sample.cells[at], Cell::Float(8.0));
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_no_harm(texts: Vec<Vec<u8>>, lines in "(CPU[0-9]{0,3} |LOC: |24: |[0-9]{0,12} |eth0|  |\n){0,40}") {
        let mut interrupts = Interrupts::default();
        for text in texts.iter().map(Vec::as_slice).chain([lines.as_bytes(), &b"CPU0\nLOC: 1\n"[..], lines.as_bytes()]) {
            let _ = interrupts.follow(text);
            interrupts.busiest(3, Some(0.1));
        }
    }
}
