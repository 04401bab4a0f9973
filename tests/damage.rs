//! A journal that was cut, zero-filled or bit-flipped at every byte: exactly the ticks that do not depend on lost data
//! are read, nothing panics, and no allocation is larger than the file.
#![allow(unsafe_code, reason = "an allocator that watches how much is asked for")]

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell as ThreadCell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use perfwatch::collect::catalog;
use perfwatch::collect::health::{self, Health};
use perfwatch::store::journal::codec::TickStamp;
use perfwatch::store::journal::frame::{self, FrameKind};
use perfwatch::store::journal::{Journal, Tail};
use perfwatch::store::layout::Layout;
use perfwatch::store::write::{Sealer, Sink, SinkOptions, Syncer};
use perfwatch::table::sample::{Cell, Sample};

/// Stores the largest request of each thread.
struct Watching;
thread_local! {
    static LARGEST: ThreadCell<usize> = const { ThreadCell::new(0) };
}

// SAFETY: passes everything to the system's allocator.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        LARGEST.set(LARGEST.get().max(memory.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(memory) }
    }
    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// The journal of a small recording: ticks of the recorder's own two tables.
fn journal(ticks: u64) -> Vec<u8> {
    // Only those two tables: the header of all tables would be most of the file.
    let catalog = &catalog::tables()[..2];
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path());
    let sealer = Sealer::start(layout.clone(), catalog, Vec::new(), std::sync::Arc::new(|_| {})).unwrap();
    let options = SinkOptions { rotate: Duration::from_secs(3600), session: 1, first_journal: 1 };
    let syncer = Syncer::start(Duration::from_secs(60)).unwrap();
    let mut sink = Sink::new(layout.clone(), catalog, options, syncer, sealer);
    let mut sample = Sample::new(catalog);
    for number in 0..ticks {
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

/// The ticks in a file with these bytes, as (number, cells of all tables).
fn read(path: &Path, bytes: &[u8]) -> Vec<(u64, String)> {
    fs::write(path, bytes).unwrap();
    LARGEST.set(0);
    let mut ticks = Vec::new();
    let journal = Journal::from_file(fs::File::open(path).unwrap(), path).unwrap();
    journal
        .replay(
            |_| true,
            |kind, decoded, texts| {
                if kind == FrameKind::Tick {
                    let texts: Vec<_> = decoded
                        .cells
                        .iter()
                        .filter_map(|c| if let Cell::Text(id) = c { texts.get(*id) } else { None })
                        .collect();
                    ticks.push((
                        decoded.stamp.number,
                        format!(
                            "{:?} {texts:?}",
                            decoded.cells.iter().filter(|c| !matches!(c, Cell::Text(_))).collect::<Vec<_>>()
                        ),
                    ));
                }
            },
        )
        .unwrap();
    ticks
}

#[test]
fn exactly_the_intact_ticks_are_read() {
    let mut whole = journal(12);
    let ends = frame_ends(&whole);
    assert_eq!(ends.len(), 14, "the header, the header again, and 12 ticks");
    // Keep some of the space that was allocated in advance, as in a real journal.
    whole.truncate(ends[13] + 100);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let all = read(&path, &whole);
    assert_eq!(all.len(), 12);
    let intact = |before: usize| ends[2..].iter().filter(|end| **end <= before).count();
    let check = |bytes: &[u8], expected: usize, what: &str, at: usize| {
        let ticks = read(&path, bytes);
        assert_eq!(ticks, all[..expected], "{what} at byte {at}");
        let largest = LARGEST.get();
        assert!(largest <= whole.len(), "{what} at byte {at}: {largest} bytes asked for, file of {}", bytes.len());
    };
    for at in 0..whole.len() {
        check(&whole[..at], intact(at), "cut", at);

        let mut zeroed = whole.clone();
        zeroed[at..].fill(0);
        // Writing zeros over zeros damages nothing.
        let first_changed = (at..whole.len()).find(|i| whole[*i] != 0).unwrap_or(whole.len());
        check(&zeroed, intact(first_changed), "zeros", at);

        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        // The header is stored twice; a tick is a difference from the previous one.
        let expected = if at < ends[1] { 12 } else { intact(at) };
        check(&flipped, expected, "flipped bit", at);
    }
}

#[test]
fn reading_continues_after_damage() {
    const TICKS: usize = 3500;
    let whole = journal(TICKS as u64);
    let ends = frame_ends(&whole);
    let full: Vec<usize> = (2..ends.len()).filter(|n| whole[ends[n - 1] + frame::HEAD] == 1).collect();
    assert!(full.len() > 2, "{full:?}: ticks that build on none before them");
    let bytes = whole.iter().rposition(|b| *b != 0).unwrap();
    let in_full: usize = full[1..].iter().map(|n| ends[*n] - ends[n - 1]).sum();
    // The second frame also contains the header.
    let in_full = in_full - (ends[0] - frame::HEAD);
    assert!(in_full * 100 < bytes, "{in_full} of {bytes} bytes: less than 1 %");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let all = read(&path, &whole);
    assert_eq!(all.len(), TICKS);
    let without = |lost: std::ops::Range<usize>| [&all[..lost.start], &all[lost.end..]].concat();
    // Frame n contains tick n − 2.
    for frame in [2, 3, full[1] - 1, full[1], full[1] + 1, full[2] - 1] {
        let mut bad = whole.clone();
        bad[ends[frame - 1] + 5] ^= 0x10;
        let next = full.iter().find(|n| **n > frame).unwrap();
        assert_eq!(read(&path, &bad), without(frame - 2..next - 2), "frame {frame}");
        let Tail::Damaged(damage) = Journal::from_file(fs::File::open(&path).unwrap(), &path).unwrap().tail().unwrap()
        else {
            panic!()
        };
        assert!(damage.ends && damage.places == 1);
        assert_eq!((damage.from as usize, damage.bytes as usize), (ends[frame - 1], ends[next - 1] - ends[frame - 1]));
    }
    // The whole start is lost, and both headers with it; there is a third header.
    let mut bad = whole.clone();
    bad[..ends[40]].fill(0);
    assert_eq!(read(&path, &bad), all[full[1] - 2..]);
    // A piece in the middle is lost too, and another one further on.
    let mut bad = whole.clone();
    bad[ends[100] + 3..ends[110] + 3].fill(0xff);
    bad[ends[full[1]] + 3..ends[full[1] + 9]].fill(0);
    let read = read(&path, &bad);
    assert_eq!(read.len(), 99 + 1 + TICKS - (full[2] - 2));
    let Tail::Damaged(damage) = Journal::from_file(fs::File::open(&path).unwrap(), &path).unwrap().tail().unwrap()
    else {
        panic!()
    };
    assert_eq!((damage.places, damage.ends), (2, true));
}

/// A long frame seems to start at every byte.
#[test]
fn a_crafted_file_does_not_take_long() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let length = 4_000_000u32;
    let mut bytes = Vec::new();
    while bytes.len() < 2 * length as usize {
        bytes.extend_from_slice(b"pwJ\x01");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(b"crc?\x03\0\0\0");
    }
    // Reading all 250,000 of them would mean reading a terabyte.
    assert!(read(&path, &bytes).is_empty());
    assert!(matches!(
        Journal::from_file(fs::File::open(&path).unwrap(), &path).unwrap().tail().unwrap(),
        Tail::Damaged(_)
    ));
}
