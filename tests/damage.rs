//! A journal that was cut, zero-filled or bit-flipped, at every byte: exactly the intact ticks come back, nothing panics,
//! and nothing is allocated that is larger than the file.

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use perfwatch::catalog;
use perfwatch::health::{self, Health};
use perfwatch::journal::Journal;
use perfwatch::journal::codec::TickStamp;
use perfwatch::journal::frame::{self, Kind};
use perfwatch::recording::Layout;
use perfwatch::sample::Sample;
use perfwatch::sink::{Sealer, Sink, SinkOptions, Syncer};

/// Remembers the largest request.
struct Watching;
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        LARGEST.fetch_max(memory.size(), Relaxed);
        unsafe { System.alloc(memory) }
    }
    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// The journal of a small recording: 12 ticks of the recorder's own two tables.
fn journal() -> Vec<u8> {
    // Those two tables alone: a header of all of them would be most of the file.
    let catalog = &catalog::tables()[..2];
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path());
    let sealer = Sealer::start(layout.clone(), catalog, Vec::new(), std::sync::Arc::new(|_| {})).unwrap();
    let options = SinkOptions { rotate: Duration::from_secs(3600), session: 1, first_journal: 1 };
    let syncer = Syncer::start(Duration::from_secs(60)).unwrap();
    let mut sink = Sink::new(layout.clone(), catalog, options, syncer, sealer);
    let mut sample = Sample::new(catalog);
    for number in 0..12u64 {
        sample.clear();
        let tick = health::Tick { number, mono_ns: number * 1_000_000_007, journal_bytes: 77, ..Default::default() };
        sample.push(&health::TICK, &[tick]);
        let error = (number == 5).then(|| "no such device".to_string());
        sample.push(&health::COLLECTOR, &[Health { collector: "disk", samples: number, error, ..Health::default() }]);
        let stamp = TickStamp { number, ts_us: 1_800_000_000_000_000 + number as i64 * 1_000_003, mono_ns: number };
        sink.write(stamp, None, &sample).unwrap();
    }
    let bytes = fs::read(layout.journal(1)).unwrap();
    drop(sink);
    bytes
}

/// Ends of the frames in an undamaged journal.
fn frame_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some((_, payload)) = frame::open(&bytes[at..]) {
        at += frame::HEAD + payload.len();
        ends.push(at);
    }
    ends
}

/// The ticks that a file of these bytes gives, as (number, cells of all tables).
fn read(path: &Path, bytes: &[u8]) -> Vec<(u64, String)> {
    fs::write(path, bytes).unwrap();
    LARGEST.store(0, Relaxed);
    let mut ticks = Vec::new();
    let journal = Journal::of(path, fs::File::open(path).unwrap()).unwrap();
    journal
        .replay(
            |_| true,
            |kind, decoded, texts| {
                assert_eq!(kind, Kind::Tick);
                ticks.push((decoded.stamp.number, format!("{:?} {}", decoded.cells, texts.len())));
            },
        )
        .unwrap();
    ticks
}

#[test]
fn exactly_the_intact_ticks_come_back() {
    let mut whole = journal();
    let ends = frame_ends(&whole);
    assert_eq!(ends.len(), 13, "the header and 12 ticks");
    // Some of the space that was allocated ahead stays, as in a real journal.
    whole.truncate(ends[12] + 100);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let all = read(&path, &whole);
    assert_eq!(all.len(), 12);
    let intact = |before: usize| ends[1..].iter().filter(|end| **end <= before).count();
    let check = |bytes: &[u8], expected: usize, what: &str, at: usize| {
        let ticks = read(&path, bytes);
        assert_eq!(ticks, all[..expected], "{what} at byte {at}");
        let largest = LARGEST.load(Relaxed);
        assert!(largest <= whole.len(), "{what} at byte {at}: {largest} bytes asked for, file of {}", bytes.len());
    };
    for at in 0..whole.len() {
        let header_is_whole = at >= ends[0];
        let expected = if header_is_whole { intact(at) } else { 0 };
        check(&whole[..at], expected, "cut", at);

        let mut zeroed = whole.clone();
        zeroed[at..].fill(0);
        // Zeros in the place of zeros damage nothing.
        let first_changed = (at..whole.len()).find(|i| whole[*i] != 0).unwrap_or(whole.len());
        let expected = if first_changed >= ends[0] { intact(first_changed) } else { 0 };
        check(&zeroed, expected, "zeros", at);

        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        check(&flipped, expected_after_flip(at, &ends), "flipped bit", at);
    }
}

/// Every frame before the one with the flipped bit; all of them when it lies behind the last.
fn expected_after_flip(at: usize, ends: &[usize]) -> usize {
    ends.iter().filter(|end| **end <= at).count().saturating_sub(1)
}
