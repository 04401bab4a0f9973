//! Other outlets besides the sink, and listeners that are told of sealed files: none of them changes what is recorded.
//! Only retention waits for a listener that still needs a file.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Machine, Recorded, Recording};
use perfwatch::collect::catalog;
use perfwatch::linux::clock::Event;
use perfwatch::store::layout::Layout;
use perfwatch::store::write::retain::Retention;
use perfwatch::store::write::{Follower, OnSealed, Outlet, OutletCounts, Sealed, Tick};
use perfwatch::table::sample::Cell;

/// Records an interface that receives 1,000 bytes per tick.
fn record(machine: &Machine, recording: Recording, last: u64) -> Recorded {
    let recorded = recording.collectors(&["network"]).start("2026-11-20T07:00:00Z").stop_at(last).record(|tick| {
        machine.put_eth0(tick * 1000, 0);
        Event::OnTime
    });
    let progress = &recorded.progress;
    assert_eq!((progress.ticks.load(Relaxed), progress.lost.load(Relaxed)), (last + 1, 0));
    recorded
}

/// Fifty ticks, one per second.
fn record_for(followers: Vec<Follower>) -> Recorded {
    let machine = Machine::with_eth0();
    record(&machine, Recording::of(&machine).followers(followers), 49)
}

/// Number of ticks that may wait for an outlet.
const ROOM: usize = 4;

/// Waits until the other end of `go` is dropped, and then sends what it got: the number of each tick, and the bytes that
/// `eth0` received.
struct Slow {
    go: Receiver<()>,
    got: Sender<(u64, i64)>,
}

impl Outlet for Slow {
    type Error = &'static str;

    fn tick(&mut self, tick: Tick<'_>) -> Result<(), Self::Error> {
        let _ = self.go.recv();
        let tables = catalog::tables();
        let sample = tick.sample;
        let block = sample.blocks.iter().find(|block| tables[block.table].name == "network").unwrap();
        let table = &tables[block.table];
        let cell = |name: &str| sample.cells_of(block)[table.raw.iter().position(|c| c.name == name).unwrap()];
        let Cell::Text(interface) = cell("interface") else { panic!("no name") };
        assert_eq!(sample.texts.get(interface), Some("eth0"));
        let Cell::Int(bytes) = cell("bytes_recv") else { panic!("no number") };
        self.got.send((tick.stamp.number, bytes)).map_err(|_| "nobody listens")
    }
}

/// The outlet hangs in its first tick until the recording is over. If a tick waited for it, this test would never end.
#[test]
fn an_outlet_that_hangs_delays_nothing_and_its_losses_are_counted() {
    let ((go, wait), (got, told)) = (channel(), channel());
    let follower = Follower::start("slow", Slow { go: wait, got }, catalog::tables(), ROOM).unwrap();
    let tally = follower.tally();
    let ran = record_for(vec![follower]);
    let numbers: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(ran.column("tick", "tick"), numbers);
    // It has taken none; as many as fit are waiting.
    let OutletCounts { taken, failed, dropped } = &*tally;
    assert_eq!((taken.load(Relaxed), failed.load(Relaxed), dropped.load(Relaxed)), (0, 0, 50 - ROOM as u64));
    drop(go);
    // It gets what was recorded, however late.
    assert_eq!(told.iter().collect::<Vec<_>>(), [(0, 0), (1, 1000), (2, 2000), (3, 3000)]);
}

struct Failing(Sender<u64>);

impl Outlet for Failing {
    type Error = &'static str;

    fn tick(&mut self, tick: Tick<'_>) -> Result<(), Self::Error> {
        let _ = self.0.send(tick.stamp.number);
        Err("no")
    }
}

struct Panicking;

impl Outlet for Panicking {
    type Error = &'static str;

    fn tick(&mut self, _: Tick<'_>) -> Result<(), Self::Error> {
        std::panic::resume_unwind(Box::new("gone"))
    }
}

#[test]
fn outlets_that_fail_or_panic_do_not_affect_the_recording() {
    let (send, tried) = channel();
    let failing = Follower::start("failing", Failing(send), catalog::tables(), ROOM).unwrap();
    let panicking = Follower::start("panicking", Panicking, catalog::tables(), 1).unwrap();
    let (fails, panics) = (failing.tally(), panicking.tally());
    let ran = record_for(vec![failing, panicking]);
    assert_eq!(ran.column("tick", "tick").len(), 50);
    // Its thread has ended when the channel is closed. Each tick failed or was dropped.
    let tried = tried.iter().count() as u64;
    assert_eq!((fails.taken.load(Relaxed), fails.failed.load(Relaxed)), (0, tried));
    assert_eq!(tried + fails.dropped.load(Relaxed), 50);
    assert!(tried >= ROOM as u64);
    // Its thread ended, and its only buffer is lost.
    assert_eq!((panics.taken.load(Relaxed), panics.failed.load(Relaxed), panics.dropped.load(Relaxed)), (0, 0, 49));
}

/// 07:00 to 11:00, every ten minutes: the hours of 7, 8, 9 and 10, and the beginning of the next.
fn record_hours(retention: Retention, listener: OnSealed) -> Recorded {
    let machine = Machine::with_eth0();
    let recording = Recording::of(&machine).interval(Duration::from_secs(600)).retention(retention);
    record(&machine, recording.on_sealed(listener), 25)
}

/// The hours of which there is a sealed file of table `network`.
fn hours(recording: &Path) -> Vec<String> {
    let files = Layout::new(recording).sealed_files("network").unwrap();
    files.iter().map(|path| hour(path)).collect()
}

fn hour(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap()["20261120T".len()..][..2].to_string()
}

fn one_hour() -> Retention {
    Retention { age: Some(Duration::from_secs(3600)), max_bytes: None }
}

#[test]
fn listeners_are_told_of_each_sealed_file() {
    type Told = (&'static str, PathBuf, usize, bool);
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let heard = told.clone();
    let listener = Arc::new(move |sealed: &Sealed| {
        let is_there = fs::metadata(&sealed.path).is_ok_and(|file| file.len() > 0);
        heard.lock().unwrap().push((sealed.table, sealed.path.clone(), sealed.rows, is_there));
    });
    let ran = record_hours(Retention::default(), listener);
    let told = told.lock().unwrap();
    let of_network: Vec<_> = told.iter().filter(|(table, ..)| *table == "network").collect();
    let paths: Vec<PathBuf> = of_network.iter().map(|(_, path, ..)| path.clone()).collect();
    assert_eq!(paths, ran.layout().sealed_files("network").unwrap());
    // Six per hour; the tick at 11:00, and the last one at the same time.
    let rows: Vec<usize> = of_network.iter().map(|(_, _, rows, _)| *rows).collect();
    assert_eq!(rows, [6, 6, 6, 6, 2]);
    assert!(told.iter().all(|(.., is_there)| *is_there), "told when the file exists");
    assert!(told.iter().any(|(table, ..)| *table == "tick"));
}

#[test]
fn retention_waits_for_listeners_that_need_a_file() {
    // The listener needs none.
    let ran = record_hours(one_hour(), Arc::new(|_| {}));
    assert_eq!(hours(ran.dir()), ["10", "11"]);
    // It needs the file of 8, which is kept, and so are all newer files.
    let kept: Arc<Mutex<Vec<Sealed>>> = Arc::default();
    let keep = kept.clone();
    let listener = Arc::new(move |sealed: &Sealed| {
        if sealed.table == "network" && hour(&sealed.path) == "08" {
            keep.lock().unwrap().push(sealed.clone());
        }
    });
    let ran = record_hours(one_hour(), listener);
    assert_eq!(hours(ran.dir()), ["08", "09", "10", "11"]);
    assert_eq!(kept.lock().unwrap().len(), 1);
    // It needs it only until the file of 10 exists: the next deletion includes it.
    let kept: Arc<Mutex<Vec<Sealed>>> = Arc::default();
    let listener = Arc::new(move |sealed: &Sealed| match hour(&sealed.path).as_str() {
        "08" => kept.lock().unwrap().push(sealed.clone()),
        "10" => kept.lock().unwrap().clear(),
        _ => {}
    });
    let ran = record_hours(one_hour(), listener);
    assert_eq!(hours(ran.dir()), ["10", "11"]);
}
