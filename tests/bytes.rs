//! Arbitrary bytes instead of a recording's files: no reader panics, hangs, uses much memory, or shows a value that was
//! not written.
//!
//! `PROPTEST_CASES=100000 cargo test --test bytes` runs more cases.
#![allow(unsafe_code, reason = "an allocator that watches how much is asked for")]

mod program;

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use perfwatch::collect::catalog;
use perfwatch::store::checksums;
use perfwatch::store::journal::Journal;
use perfwatch::store::journal::frame::{self, FrameKind};
use perfwatch::store::layout::Layout;
use perfwatch::store::manifest::{Change, Manifest};
use perfwatch::store::read::parquet::{ParquetPiece, check};
use perfwatch::store::read::piece::Piece;
use perfwatch::store::runs::Index;
use perfwatch::store::verify::verify;
use program::*;
use proptest::prelude::*;
use proptest::sample::Index as At;

/// Stores the largest request of each thread.
struct Watching;
thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
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

/// Far more than any of these files needs.
const MUCH: usize = 16 << 20;

/// A modification of a file.
#[derive(Clone, Debug)]
enum Harm {
    Flip(At, u8),
    Put(At, Vec<u8>),
    Fill(At, At, u8),
    Cut(At),
    Remove(At, At),
    Repeat(At, At, At),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => (any::<At>(), 0..8u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        2 => (any::<At>(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Harm::Put(at, bytes)),
        1 => (any::<At>(), any::<At>(), any::<u8>()).prop_map(|(a, b, byte)| Harm::Fill(a, b, byte)),
        1 => any::<At>().prop_map(Harm::Cut),
        1 => (any::<At>(), any::<At>()).prop_map(|(a, b)| Harm::Remove(a, b)),
        1 => (any::<At>(), any::<At>(), any::<At>()).prop_map(|(a, b, to)| Harm::Repeat(a, b, to)),
    ]
}

fn harmed(whole: &[u8], all: &[Harm]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for harm in all {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        let range = |a: &At, b: &At| {
            let (a, b) = (a.index(length), b.index(length));
            a.min(b)..a.max(b)
        };
        match harm {
            Harm::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Harm::Put(at, new) => bytes.iter_mut().skip(at.index(length)).zip(new).for_each(|(old, new)| *old = *new),
            Harm::Fill(a, b, byte) => bytes[range(a, b)].fill(*byte),
            Harm::Cut(at) => bytes.truncate(at.index(length)),
            Harm::Remove(a, b) => drop(bytes.drain(range(a, b))),
            Harm::Repeat(a, b, to) => {
                let piece = bytes[range(a, b)].to_vec();
                let to = to.index(length);
                bytes.splice(to..to, piece);
            }
        }
    }
    bytes
}

/// A finished recording, and the journal of a killed one.
struct Made {
    folder: tempfile::TempDir,
    journal: Vec<u8>,
    ticks: BTreeMap<u64, String>,
    memory: Vec<u8>,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let (dir, other) = (folder.path().join("run"), folder.path().join("killed"));
    record(&dir, &["-q", "--collectors", "memory,cpu"]).is(0, &[]);
    killed(&other, &["--collectors", "memory"]);
    let path = Layout::new(&other).journal(1);
    let mut journal = fs::read(&path).unwrap();
    journal.truncate(journal.iter().rposition(|b| *b != 0).unwrap() + 100);
    let ticks = read(&path);
    let memory = fs::read(sealed(&dir, "memory")).unwrap();
    Made { folder, journal, ticks, memory }
});

/// A file with this name and these bytes.
fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = MADE.folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    LARGEST.set(0);
    path
}

/// The values of each tick of a journal, by number.
fn read(path: &Path) -> BTreeMap<u64, String> {
    let journal = Journal::from_file(fs::File::open(path).unwrap(), path).unwrap();
    let mut ticks = BTreeMap::new();
    let each = |kind, decoded: &perfwatch::store::journal::codec::Decoded, texts: &perfwatch::table::sample::Texts| {
        if kind == FrameKind::Tick {
            let text = |cell: &_| match cell {
                perfwatch::table::sample::Cell::Text(id) => format!("{:?}", texts.get(*id)),
                other => format!("{other:?}"),
            };
            let values: Vec<String> = decoded.cells.iter().map(text).collect();
            ticks.insert(decoded.stamp.number, format!("{:?} {values:?}", decoded.stamp));
        }
    };
    journal.replay(|_| true, each).unwrap();
    journal.row_counts().unwrap();
    ticks
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(200)) })]

    #[test]
    fn a_damaged_journal_gives_ticks_that_were_written(all in prop::collection::vec(harm(), 1..6)) {
        let bytes = harmed(&MADE.journal, &all);
        let path = put("journal", &bytes);
        for (number, values) in read(&path) {
            prop_assert_eq!(Some(&values), MADE.ticks.get(&number));
        }
        prop_assert!(LARGEST.get() < MUCH, "{} bytes", LARGEST.get());
    }

    #[test]
    fn frames_of_any_payload(payloads in prop::collection::vec((any::<bool>(), prop::collection::vec(prop_oneof![2 => 0..4u8, 1 => any::<u8>()], 0..60)), 0..8)) {
        let mut bytes = MADE.journal[..frame::HEAD + frame::open(&MADE.journal).unwrap().1.len()].to_vec();
        for (is_tick, payload) in payloads {
            let mut buffer = vec![0; frame::HEAD];
            buffer.extend(payload);
            frame::close(&mut buffer, if is_tick { FrameKind::Tick } else { FrameKind::Header }).unwrap();
            bytes.extend(buffer);
        }
        let path = put("frames", &bytes);
        read(&path);
        prop_assert!(LARGEST.get() < MUCH, "{} bytes", LARGEST.get());
    }

    #[test]
    fn a_damaged_parquet_file_is_not_read(all in prop::collection::vec(harm(), 1..6)) {
        let bytes = harmed(&MADE.memory, &all);
        let path = put("harmed.parquet", &bytes);
        let read = check(fs::File::open(&path).unwrap(), &path);
        prop_assert!(read.is_err() || bytes == MADE.memory, "{all:?}");
        prop_assert!(LARGEST.get() < MUCH, "{} bytes", LARGEST.get());
    }

    /// Files of older builds have no checksums: reading may return other values, but must end.
    #[test]
    fn a_damaged_older_parquet_file_does_no_harm(all in prop::collection::vec(harm(), 1..4)) {
        static OLDER: LazyLock<Vec<u8>> = LazyLock::new(older);
        let path = put("older.parquet", &harmed(&OLDER, &all));
        let _ = check(fs::File::open(&path).unwrap(), &path);
        let table = catalog::table("memory").unwrap();
        if let Ok(piece) = ParquetPiece::open(&Layout::new(path.parent().unwrap()), &path, table) {
            table.stored.iter().for_each(|column| drop(piece.column(column.name)));
        }
    }

    #[test]
    fn checksums_of_any_text(text in "[0-9a-f:crF ]{0,60}|(crc32:)?[0-9a-f]{0,60}", before in prop::collection::vec(any::<u8>(), 0..50)) {
        let footer = [&before[..], b"perfwatch.format perfwatch.crc ", text.as_bytes(), &[0; 8]].concat();
        prop_assert!(!matches!(checksums::find(&footer), checksums::Found::None));
        let _ = (checksums::find(&before), checksums::footer_length(&before), checksums::fill_in(&mut before.clone()));
        let mut last = [&footer[..], &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat();
        let _ = checksums::fill_in(&mut last);
    }

    #[test]
    fn a_manifest_of_any_text(all in prop::collection::vec(harm(), 1..6)) {
        let dir = MADE.folder.path().join("manifest");
        fs::create_dir_all(&dir).unwrap();
        let layout = Layout::new(&dir);
        let whole = fs::read(Layout::new(MADE.folder.path().join("run")).manifest()).unwrap();
        fs::write(layout.manifest(), harmed(&whole, &all)).unwrap();
        if let Ok(manifest) = Manifest::read(&dir) {
            let change = Change::begin(&layout).unwrap();
            prop_assert_eq!(&change.manifest, &manifest);
            prop_assert_eq!(&change.write().unwrap(), &manifest);
            prop_assert_eq!(Manifest::read(&dir).unwrap(), manifest);
            perfwatch::info::inspect(&perfwatch::store::read::open(&dir, perfwatch::collect::catalog::tables()).unwrap());
            verify(&dir, perfwatch::collect::catalog::tables()).unwrap();
        }
    }

    #[test]
    fn an_index_of_runs_of_any_text(all in prop::collection::vec(harm(), 1..6), number in any::<f64>()) {
        let run = serde_json::json!({
            "directory": "run-001", "number": 1, "warmup": false, "side": "base", "exit_status": 0, "interrupted": false,
            "wall_s": number, "user_s": 1e300, "system_s": -0.0, "max_rss_bytes": u64::MAX
        });
        let whole = serde_json::json!({"version": 1, "runs": [run, run, run]}).to_string();
        let dir = MADE.folder.path().join("runs");
        fs::create_dir_all(&dir).unwrap();
        for text in [whole.clone().into_bytes(), harmed(whole.as_bytes(), &all)] {
            fs::write(dir.join("_runs.json"), text).unwrap();
            if let Ok(Some(index)) = Index::read(&dir) {
                index.summary();
            }
        }
        prop_assert!(LARGEST.get() < MUCH, "{} bytes", LARGEST.get());
    }
}

fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// The same rows without checksums.
fn older() -> Vec<u8> {
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;
    let path = put("whole.parquet", &MADE.memory);
    let piece =
        ParquetPiece::open(&Layout::new(path.parent().unwrap()), &path, catalog::table("memory").unwrap()).unwrap();
    let pairs = vec![KeyValue::new("perfwatch.format".to_string(), "1".to_string())];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs)).build();
    let mut bytes = Vec::new();
    let batches: Vec<_> = piece.batches().map(Result::unwrap).collect();
    let mut writer = ArrowWriter::try_new(&mut bytes, batches[0].schema(), Some(properties)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    assert_eq!(check(fs::File::open(put("older", &bytes)).unwrap(), Path::new("older")).unwrap(), piece.rows());
    bytes
}
