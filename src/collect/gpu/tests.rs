//! The collector, with helpers that are threads and sources that do what a test says.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::collect::options::Options;
use crate::linux::clock;
use crate::linux::files::Roots;
use crate::linux::gpu::serve::serve;
use crate::linux::gpu::{ProcessReading, Reading, Source, SourceKind};
use crate::linux::helper_process::HelperProcess;
use crate::linux::hwmon::tests::tree;
use crate::table::sample::Cell;

/// What each source shows: NVML first, then sysfs. An error: it cannot be opened.
#[derive(Default)]
struct Machine {
    nvml: Mutex<Vec<&'static str>>,
    sysfs: Mutex<Vec<&'static str>>,
    refusal: Option<&'static str>,
}

struct Cards(Arc<Machine>, SourceKind);

impl Source for Cards {
    fn about(&self) -> String {
        format!("{} of a test", self.1.name())
    }
    fn read(&mut self, _now_ns: u64) -> Reading {
        let cards = if self.1 == SourceKind::Sysfs { &self.0.sysfs } else { &self.0.nvml };
        let cards = cards.lock().unwrap();
        let card = |gpu: &&str| CardReading { gpu: (*gpu).into(), ..CardReading::default() };
        // The process of this helper ends in the middle of a reading.
        assert!(!cards.contains(&"crash"));
        Reading { cards: cards.iter().map(card).collect(), problems: vec![] }
    }
    fn processes(&mut self, pids: &[u32], _now_ns: u64, _problems: &mut Vec<String>) -> Vec<ProcessReading> {
        pids.iter().map(|pid| ProcessReading { pid: *pid, ..ProcessReading::default() }).collect()
    }
}

fn opened(machine: &Arc<Machine>, dir: &Path, pids: &[u32]) -> Result<Opened, Unavailable> {
    let address = "0000:03:00.0";
    let device = format!("devices/{address}");
    tree(
        dir,
        &[
            (&format!("{device}/driver"), "->../../bus/pci/drivers/amdgpu"),
            (&format!("{device}/vendor"), "0x1002\n"),
            ("class/drm/card0/device", &format!("->../../../{device}")),
        ],
    );
    let mut options = Options::default();
    options.gpu.nvml = Some("/the/library".into());
    options.perf.pids = pids.to_vec();
    let setup = Setup::new(Roots { proc: dir.into(), sys: dir.into() }, options);
    let start = || -> Start {
        let machine = machine.clone();
        Box::new(move || {
            let (ours, theirs) = UnixStream::pair()?;
            let machine = machine.clone();
            std::thread::spawn(move || {
                serve(&theirs, |begin| match (&begin.source, machine.refusal) {
                    (SourceKind::Nvml(library), _) if library.as_deref() != Some(Path::new("/the/library")) => {
                        Err("another library".into())
                    }
                    (SourceKind::Nvml(_), Some(reason)) => Err(reason.into()),
                    (source, _) => Ok(Box::new(Cards(machine.clone(), source.clone()))),
                })
            });
            Ok(HelperProcess::over(ours))
        })
    };
    open(&setup, &start)
}

/// The cards of one sample with their elapsed seconds, if the readings tell them; and the warnings.
type Seen = (Vec<(String, Option<f64>)>, Vec<String>);

fn sample(opened: &mut Opened) -> Result<Seen, String> {
    let catalog = [GPU.def(), GPU_PROCESS.def()];
    let mut sample = Sample::new(&catalog);
    sample.mono_ns = clock::mono_ns();
    opened.collector.collect(1, &mut sample).map_err(|error| error.to_string())?;
    let mut seen = Vec::new();
    for block in sample.blocks.iter().filter(|block| block.table == 0) {
        for row in sample.cells_of(block).chunks(catalog[0].raw.len()) {
            let Cell::Text(id) = row[0] else { panic!("{row:?}") };
            seen.push((sample.texts.get(id).unwrap().into(), block.stamp.and_then(|stamp| stamp.elapsed_s)));
        }
    }
    Ok((seen, sample.warnings))
}

/// Samples until the cards are these: threads need a moment.
fn eventually(opened: &mut Opened, cards: &[&str]) -> Seen {
    for _ in 0..200 {
        let seen = sample(opened).unwrap();
        if seen.0.iter().map(|(gpu, _)| gpu.as_str()).eq(cards.iter().copied()) {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never {cards:?}");
}

#[test]
fn both_sources_are_read_and_cards_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Arc::new(Machine::default());
    *machine.nvml.lock().unwrap() = vec!["a"];
    *machine.sysfs.lock().unwrap() = vec!["x"];
    let mut opened = opened(&machine, dir.path(), &[]).ok().unwrap();
    assert_eq!(opened.by.as_deref(), Some("NVML of a test; /sys/class/drm of a test"));
    let first = eventually(&mut opened, &["a", "x"]);
    assert!(first.0.iter().all(|(_, elapsed_s)| elapsed_s.is_none()), "{first:?}");
    // The card that was there has the time between its readings, the new one has none.
    *machine.nvml.lock().unwrap() = vec!["a", "b"];
    let (cards, _) = eventually(&mut opened, &["a", "b", "x"]);
    assert!(cards[0].1.is_some_and(|s| s > 0.0) && cards[1].1.is_none() && cards[2].1.is_some(), "{cards:?}");
    *machine.nvml.lock().unwrap() = vec!["b"];
    let (cards, _) = eventually(&mut opened, &["b", "x"]);
    assert!(cards[0].1.is_some(), "{cards:?}");
    *machine.nvml.lock().unwrap() = vec![];
    eventually(&mut opened, &["x"]);
    *machine.nvml.lock().unwrap() = vec!["b"];
    let (cards, _) = eventually(&mut opened, &["b", "x"]);
    assert!(cards[0].1.is_none(), "it was away: {cards:?}");
}

#[test]
fn a_source_that_fails_does_not_take_the_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Arc::new(Machine::default());
    *machine.nvml.lock().unwrap() = vec!["a"];
    *machine.sysfs.lock().unwrap() = vec!["x"];
    let mut opened = opened(&machine, dir.path(), &[]).ok().unwrap();
    eventually(&mut opened, &["a", "x"]);
    *machine.nvml.lock().unwrap() = vec!["crash"];
    // On a busy machine it is slow before it has ended.
    let ended = "the process that reads NVML ended";
    let mut warnings = (0..200).map(|_| eventually(&mut opened, &["x"]).1);
    assert!(warnings.any(|warnings| warnings == [ended]));
    *machine.sysfs.lock().unwrap() = vec!["crash"];
    let error = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        sample(&mut opened).err().filter(|error| !error.contains("does not answer"))
    });
    let both = "the process that reads NVML ended; the process that reads /sys/class/drm ended";
    assert_eq!(error.as_deref(), Some(both));
}

#[test]
fn a_source_that_cannot_be_opened_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Arc::new(Machine { refusal: Some("the NVIDIA driver is not loaded"), ..Machine::default() });
    *machine.sysfs.lock().unwrap() = vec!["x"];
    let mut opened = opened(&machine, dir.path(), &[]).ok().unwrap();
    assert_eq!(opened.notes, ["the NVIDIA driver is not loaded"]);
    eventually(&mut opened, &["x"]);
}

#[test]
fn the_processes_of_pid_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Arc::new(Machine::default());
    *machine.nvml.lock().unwrap() = vec!["a"];
    let mut opened = opened(&machine, dir.path(), &[17]).ok().unwrap();
    let catalog = [GPU.def(), GPU_PROCESS.def()];
    let mut out = Sample::new(&catalog);
    out.mono_ns = clock::mono_ns();
    opened.collector.collect(1, &mut out).unwrap();
    let block = out.blocks.iter().find(|block| block.table == 1).expect("rows of processes");
    assert_eq!(out.cells_of(block)[0], Cell::Int(17));
}

#[test]
fn samples_are_a_second_apart_in_whole_ticks() {
    let ms = |ms| period_ns(Duration::from_millis(ms)) / 1_000_000;
    assert_eq!([ms(1000), ms(100), ms(10), ms(5000)], [1000, 1000, 1000, 5000]);
    // At 300 ms the tick at 900 ms is in time, at 400 ms the one at 800 ms is.
    assert_eq!([ms(300), ms(400), ms(700)], [900, 800, 700]);
}
