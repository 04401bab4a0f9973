//! Outlets beside the sink, and those who hear that a file was sealed: neither has a say in what is recorded.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Machine, START_NS, column};
use perfwatch::collect::catalog;
use perfwatch::collect::collector::Setup;
use perfwatch::collect::options::Options;
use perfwatch::facts::machine::Host;
use perfwatch::linux::clock::{Event, Now, Scripted};
use perfwatch::record::collectors::open_collectors;
use perfwatch::record::progress::Progress;
use perfwatch::record::recorder::Recorder;
use perfwatch::store::layout::Layout;
use perfwatch::store::manifest::{Manifest, Session};
use perfwatch::store::write::retain::Retention;
use perfwatch::store::write::{
    Follower, OnSealed, Outlet, OutletCounts, Sealed, Sealer, Sink, SinkOptions, Syncer, Tick,
};
use perfwatch::table::sample::Cell;

const NET_HEAD: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

/// One interface, which has received 1,000 bytes per tick.
fn network(tick: u64) -> String {
    format!("{NET_HEAD}  eth0: {} 5 0 0 0 0 0 0 77 0 0 0 0 0 0 0\n", tick * 1000)
}

/// Records at one tick per `interval` from 07:00 UTC; the last one has this number. Returns the recording.
fn record(
    interval: Duration,
    last: u64,
    retention: Retention,
    followers: Vec<Follower>,
    listener: Option<OnSealed>,
) -> tempfile::TempDir {
    let machine = Machine { folder: tempfile::tempdir().unwrap() };
    machine.put("proc/net/dev", &network(0));
    machine.put("sys/empty", "");
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let mut manifest = Manifest::new("2026-11-20T07:00:00Z".into(), Host::look(&machine.roots()));
    manifest.sessions = vec![Session { ended: Some(String::new()), ..Session::default() }];
    manifest.write(&layout).unwrap();
    let setup = Setup::new(machine.roots(), Options::default());
    let (collectors, _) = open_collectors(&setup, |name| name == "network").unwrap();
    let catalog = catalog::tables();
    let mut sealer = Sealer::start(layout.clone(), catalog, Vec::new(), Arc::new(|_| {})).unwrap().keeping(retention);
    if let Some(listener) = listener {
        sealer = sealer.telling(listener);
    }
    let options = SinkOptions { rotate: Duration::from_secs(3600), session: 1, first_journal: 1 };
    let sink = Sink::new(layout, catalog, options, Syncer::start(Duration::from_secs(60)).unwrap(), sealer);
    let progress = Arc::new(Progress::default());
    let recorder = Recorder::new(interval, collectors, catalog, sink, progress.clone(), Box::new(|_| {}));
    let recorder = followers.into_iter().fold(recorder, Recorder::and_to);
    let wall_us = "2026-11-20T07:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros();
    let mut clock = Scripted::new(Now { mono_ns: START_NS, wall_us }, |tick| {
        machine.put("proc/net/dev", &network(tick));
        if tick >= last { Event::Stop } else { Event::OnTime }
    });
    let left = recorder.run(&mut clock, None).finish();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!((progress.ticks.load(Relaxed), progress.lost.load(Relaxed)), (last + 1, 0));
    folder
}

const SECOND: Duration = Duration::from_secs(1);
const ROOM: usize = 4;

/// Takes nothing until it is told to, and then tells what it got: the number of the tick, and the bytes that eth0 received.
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
fn one_that_hangs_delays_nothing_and_its_losses_are_counted() {
    let ((go, wait), (got, told)) = (channel(), channel());
    let follower = Follower::start("slow", Slow { go: wait, got }, catalog::tables(), ROOM).unwrap();
    let tally = follower.tally();
    let folder = record(SECOND, 49, Retention::default(), vec![follower], None);
    let numbers: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(column(folder.path(), "tick", "tick"), numbers);
    // It has as many as may wait, and has taken none.
    let OutletCounts { taken, failed, dropped } = &*tally;
    assert_eq!((taken.load(Relaxed), failed.load(Relaxed), dropped.load(Relaxed)), (0, 0, 50 - ROOM as u64));
    drop(go);
    // What it got is what was recorded, however late it looks at it.
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
fn those_that_fail_or_panic_lose_no_tick_of_the_recording() {
    let (send, tried) = channel();
    let failing = Follower::start("failing", Failing(send), catalog::tables(), ROOM).unwrap();
    let panicking = Follower::start("panicking", Panicking, catalog::tables(), 1).unwrap();
    let (fails, panics) = (failing.tally(), panicking.tally());
    let folder = record(SECOND, 49, Retention::default(), vec![failing, panicking], None);
    assert_eq!(column(folder.path(), "tick", "tick").len(), 50);
    // Its thread has ended when the channel is closed. Each tick failed or was dropped.
    let tried = tried.iter().count() as u64;
    assert_eq!((fails.taken.load(Relaxed), fails.failed.load(Relaxed)), (0, tried));
    assert_eq!(tried + fails.dropped.load(Relaxed), 50);
    assert!(tried >= ROOM as u64);
    // It had one buffer, and with it went the thread.
    assert_eq!((panics.taken.load(Relaxed), panics.failed.load(Relaxed), panics.dropped.load(Relaxed)), (0, 0, 49));
}

/// 07:00 to 11:00, every ten minutes: the hours of 7, 8, 9 and 10, and the beginning of the next.
const TEN_MINUTES: Duration = Duration::from_secs(600);
const LAST: u64 = 25;

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
fn each_sealed_file_is_told_with_its_rows() {
    type Told = (&'static str, PathBuf, usize, bool);
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let heard = told.clone();
    let listener = Arc::new(move |sealed: &Sealed| {
        let is_there = fs::metadata(&sealed.path).is_ok_and(|file| file.len() > 0);
        heard.lock().unwrap().push((sealed.table, sealed.path.clone(), sealed.rows, is_there));
    });
    let folder = record(TEN_MINUTES, LAST, Retention::default(), Vec::new(), Some(listener));
    let told = told.lock().unwrap();
    let of_network: Vec<_> = told.iter().filter(|(table, ..)| *table == "network").collect();
    let paths: Vec<PathBuf> = of_network.iter().map(|(_, path, ..)| path.clone()).collect();
    assert_eq!(paths, Layout::new(folder.path()).sealed_files("network").unwrap());
    // Six per hour; the tick at 11:00, and the last one at the same time.
    let rows: Vec<usize> = of_network.iter().map(|(_, _, rows, _)| *rows).collect();
    assert_eq!(rows, [6, 6, 6, 6, 2]);
    assert!(told.iter().all(|(.., is_there)| *is_there), "told when it is there");
    assert!(told.iter().any(|(table, ..)| *table == "tick"));
}

#[test]
fn retention_waits_for_those_who_still_need_a_file() {
    // Nobody keeps one.
    let folder = record(TEN_MINUTES, LAST, one_hour(), Vec::new(), Some(Arc::new(|_| {})));
    assert_eq!(hours(folder.path()), ["10", "11"]);
    // Somebody keeps the file of 8: it stays, and what is newer with it.
    let kept: Arc<Mutex<Vec<Sealed>>> = Arc::default();
    let keep = kept.clone();
    let listener = Arc::new(move |sealed: &Sealed| {
        if sealed.table == "network" && hour(&sealed.path) == "08" {
            keep.lock().unwrap().push(sealed.clone());
        }
    });
    let folder = record(TEN_MINUTES, LAST, one_hour(), Vec::new(), Some(listener));
    assert_eq!(hours(folder.path()), ["08", "09", "10", "11"]);
    assert_eq!(kept.lock().unwrap().len(), 1);
    // It is let go when the file of 10 is there: the next look at what is old deletes it.
    let kept: Arc<Mutex<Vec<Sealed>>> = Arc::default();
    let listener = Arc::new(move |sealed: &Sealed| match hour(&sealed.path).as_str() {
        "08" => kept.lock().unwrap().push(sealed.clone()),
        "10" => kept.lock().unwrap().clear(),
        _ => {}
    });
    let folder = record(TEN_MINUTES, LAST, one_hour(), Vec::new(), Some(listener));
    assert_eq!(hours(folder.path()), ["10", "11"]);
}
