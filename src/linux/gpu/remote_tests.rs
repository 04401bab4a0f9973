//! The recorder's side against helpers that are threads, with sources that do what a test says.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use super::super::serve::serve;
use super::super::{CardReading, ProcessReading, Reading, Source, SourceKind};
use super::*;
use crate::linux::files::Roots;
use crate::linux::gpu::connection::OVERDUE_NS;

const S: u64 = 1_000_000_000;

/// A card whose energy is the number of its readings. A reading waits for a lock, which a test can hold.
#[derive(Clone, Default)]
struct Driver {
    door: Arc<Mutex<()>>,
    /// Readings that have begun, and that have ended.
    begun: Arc<AtomicUsize>,
    readings: Arc<AtomicUsize>,
    asked_for: Arc<Mutex<Vec<Vec<u32>>>>,
}

impl Source for Driver {
    fn about(&self) -> String {
        "a driver".into()
    }
    fn read(&mut self, _now_ns: u64) -> Reading {
        self.begun.fetch_add(1, SeqCst);
        drop(self.door.lock().unwrap());
        let number = self.readings.fetch_add(1, SeqCst) + 1;
        let card = CardReading { gpu: "0000:01:00.0".into(), energy_uj: Some(number as u64), ..CardReading::default() };
        Reading { cards: vec![card], problems: vec![] }
    }
    fn processes(&mut self, pids: &[u32], _now_ns: u64, _problems: &mut Vec<String>) -> Vec<ProcessReading> {
        self.asked_for.lock().unwrap().push(pids.to_vec());
        pids.iter().map(|pid| ProcessReading { pid: *pid, ..ProcessReading::default() }).collect()
    }
}

fn begin() -> Begin {
    Begin { source: SourceKind::Nvml(None), roots: Roots::default() }
}

/// A helper for each result, in this order.
fn helpers(mut results: Vec<Result<Driver, String>>) -> Start {
    results.reverse();
    let results = Mutex::new(results);
    Box::new(move || {
        let (ours, theirs) = UnixStream::pair()?;
        let result = results.lock().unwrap().pop().ok_or(io::ErrorKind::WouldBlock)?;
        std::thread::spawn(move || serve(&theirs, |_| result.map(|driver| Box::new(driver) as Box<dyn Source>)));
        Ok(HelperProcess::over(ours))
    })
}

fn remote(driver: &Driver) -> Remote {
    Remote::new(begin(), helpers(vec![Ok(driver.clone())]), &[]).unwrap()
}

fn energy(answer: &Answer) -> u64 {
    answer.reading.cards[0].energy_uj.unwrap()
}

/// In an hour: nothing that a test waits for.
fn later() -> u64 {
    clock::mono_ns() + 3600 * S
}

/// Samples until there is a result, as later ticks do.
fn eventually<T>(mut sample: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(found) = sample() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited without success");
}

#[test]
fn the_first_sample_has_the_reading_of_the_start() {
    let driver = Driver::default();
    let mut remote = remote(&driver);
    assert_eq!(remote.hello(Duration::from_secs(10)), Some(Ok("a driver".into())));
    let first = eventually(|| remote.sample(Moment::First(later()), &[]).unwrap());
    assert_eq!((energy(&first), first.processes), (1, None));
}

/// One whose time was not known is read at once, and replaces the one that was asked for.
#[test]
fn early_and_last_samples_are_read_at_once() {
    let driver = Driver::default();
    let mut remote = remote(&driver);
    eventually(|| remote.sample(Moment::First(later()), &[]).unwrap());
    let early = eventually(|| remote.sample(Moment::Next(later()), &[7]).unwrap());
    assert!(energy(&early) > 1);
    let last = eventually(|| remote.sample(Moment::Last, &[]).unwrap());
    assert!(energy(&last) > energy(&early));
    assert_eq!(driver.asked_for.lock().unwrap()[0], [7]);
}

#[test]
fn a_sample_finds_the_reading_that_was_asked_for() {
    let driver = Driver::default();
    let mut remote = remote(&driver);
    eventually(|| remote.sample(Moment::First(clock::mono_ns()), &[]).unwrap());
    while driver.readings.load(SeqCst) < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = eventually(|| remote.sample(Moment::Next(later()), &[]).unwrap());
    assert_eq!(energy(&second), 2, "no further reading was needed");
}

/// The driver hangs: nothing is asked again, and rows continue when it answers.
#[test]
fn a_silent_helper_is_reported_and_heard_again() {
    let driver = Driver::default();
    let mut remote = remote(&driver);
    eventually(|| remote.sample(Moment::First(clock::mono_ns()), &[]).unwrap());
    let hang = driver.door.clone();
    let hang = hang.lock().unwrap();
    // A sample asks for the next reading, which does not return.
    while driver.begun.load(SeqCst) == driver.readings.load(SeqCst) {
        let _ = remote.sample(Moment::Next(clock::mono_ns()), &[]);
    }
    std::thread::sleep(Duration::from_nanos(OVERDUE_NS));
    let silence = eventually(|| remote.sample(Moment::Next(later()), &[]).err());
    assert_eq!(silence.to_string(), "NVML does not answer");
    let before = driver.readings.load(SeqCst) as u64;
    for _ in 0..5 {
        assert_eq!(remote.sample(Moment::Last, &[]), Err(Silence::Hangs("NVML")));
    }
    drop(hang);
    let next = eventually(|| remote.sample(Moment::Next(clock::mono_ns()), &[]).ok().flatten());
    assert!(energy(&next) > before + 1, "the values of the reading that hung belong to no time");
}

#[test]
fn a_source_that_is_absent() {
    let mut remote = Remote::new(begin(), helpers(vec![Err("no card".into())]), &[]).unwrap();
    assert_eq!(remote.hello(Duration::from_secs(10)), Some(Err("no card".into())));
    let silence = eventually(|| remote.sample(Moment::Next(later()), &[]).err());
    assert_eq!(silence, Silence::Absent("no card".into()));
    // The helper has ended, and is not started again at once.
    assert_eq!(remote.sample(Moment::Next(later()), &[]), Err(Silence::Ended("NVML")));
    remote.started_ns = 0;
    let silence = remote.sample(Moment::Next(later()), &[]).unwrap_err();
    assert!(matches!(silence, Silence::NotStarted("NVML", _)), "{silence}");
}

#[test]
fn a_helper_that_ends_is_replaced() {
    let (one, two) = (Driver::default(), Driver::default());
    let mut remote = Remote::new(begin(), helpers(vec![Ok(one), Ok(two.clone())]), &[]).unwrap();
    eventually(|| remote.sample(Moment::First(later()), &[]).unwrap());
    remote.connection.as_ref().unwrap().process.socket.shutdown(std::net::Shutdown::Both).unwrap();
    let ended = Err(Silence::Ended("NVML"));
    assert_eq!(remote.sample(Moment::Next(later()), &[]), ended);
    assert_eq!(remote.sample(Moment::Next(later()), &[]), ended, "not yet");
    remote.started_ns = 0;
    eventually(|| remote.sample(Moment::Next(later()), &[]).unwrap());
    assert!(two.readings.load(SeqCst) > 0);
}
