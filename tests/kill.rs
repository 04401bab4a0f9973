//! `kill -9` at random moments: every acknowledged tick exists afterwards, in the journal, in the report, and in
//! Parquet after `recover`.

mod program;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use perfwatch::collect::{catalog, health};
use perfwatch::facts::machine::Host;
use perfwatch::linux::clock::{mono_ns, wall_us};
use perfwatch::store::journal::codec::TickStamp;
use perfwatch::store::layout::Layout;
use perfwatch::store::manifest::Manifest;
use perfwatch::store::read::piece::{Source, Window};
use perfwatch::store::write::{Sealer, Sink, SinkOptions, Syncer};
use perfwatch::table::sample::Sample;

const FOLDER: &str = "PERFWATCH_TEST_FOLDER";

/// Not a test: the process that is killed. Writes ticks as fast as possible, in windows of a few milliseconds so that
/// it is sealing nearly all the time, and prints each number after its write returned.
#[test]
fn writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let layout = Layout::new(folder);
    let catalog = catalog::tables();
    let manifest = Manifest::new(String::new(), Host::default());
    manifest.write(&layout).unwrap();
    let sealer = Sealer::start(layout.clone(), catalog, Vec::new(), Arc::new(|why| panic!("{why:?}"))).unwrap();
    let syncer = Syncer::start(Duration::from_millis(5)).unwrap();
    let options = SinkOptions { rotate: Duration::from_millis(20), session: 1, first_journal: 1 };
    let mut sink = Sink::new(layout, catalog, options, syncer, sealer);
    let mut sample = Sample::new(catalog);
    for number in 0.. {
        sample.clear();
        sample.push(&health::TICK, &[health::Tick { number, mono_ns: number + 1, ..Default::default() }]);
        sink.write(TickStamp { number, ts_us: wall_us(), mono_ns: mono_ns() }, None, &sample).unwrap();
        println!("acknowledged {number}");
    }
}

/// The numbers in table `tick`, from all files.
fn numbers(folder: &Path) -> Vec<u64> {
    let recording = perfwatch::store::read::open(folder, perfwatch::collect::catalog::tables()).unwrap();
    let mut problems = Vec::new();
    let tick = catalog::table("tick").unwrap();
    let mut numbers = Vec::new();
    for piece in recording.pieces(tick, Window::ALL, &mut problems) {
        for chunk in piece.column("tick").unwrap() {
            numbers.extend(chunk.as_primitive::<Int64Type>().values().iter().map(|v| *v as u64));
        }
    }
    assert!(problems.is_empty(), "{problems:?}");
    numbers
}

#[test]
fn kill_9_loses_no_acknowledged_tick() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    for round in 0..50u64 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writes_until_killed", "--exact", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (first, began) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let said = lines.map_while(Result::ok).filter_map(|l| l.rsplit_once("acknowledged ")?.1.parse().ok());
            said.inspect(|_| {
                let _ = first.send(());
            })
            .collect::<Vec<u64>>()
        });
        // In the first rounds the kill may come during the start, which takes long on a loaded machine.
        if round >= 10 {
            began.recv_timeout(Duration::from_secs(60)).expect("a first tick");
        }
        // A different moment in each round; a multiple of a prime, so that the moments differ relative to the windows.
        std::thread::sleep(Duration::from_micros(15_000 + round * 3_571));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = reader.join().unwrap();

        if !Layout::new(dir.path()).manifest().exists() {
            assert!(acknowledged.is_empty());
            continue;
        }
        let found = numbers(dir.path());
        let set: BTreeSet<u64> = found.iter().copied().collect();
        assert_eq!(set.len(), found.len(), "round {round}: a tick twice");
        assert!(acknowledged.iter().all(|n| set.contains(n)), "round {round}: an acknowledged tick is lost");
        // One more tick may have been written and not yet printed.
        assert!(found.len() <= acknowledged.len() + 1, "round {round}: {} > {}", found.len(), acknowledged.len());

        program::run([Path::new("recover"), dir.path()]).is(0, &[]);
        assert_eq!(numbers(dir.path()), found, "round {round}: recovering changed the rows");
        assert!(!Layout::new(dir.path()).journal_folder().exists());
    }
}
