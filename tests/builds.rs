//! Recordings of builds with different columns and tables: each build reads the recordings of the others, also mixed in
//! one directory.

mod program;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perfwatch::facts::machine::Host;
use perfwatch::store::journal::codec::TickStamp;
use perfwatch::store::layout::Layout;
use perfwatch::store::manifest::{Manifest, Session};
use perfwatch::store::read::open;
use perfwatch::store::read::piece::{Source, Window};
use perfwatch::store::write::uniform::{Uniform, make_uniform};
use perfwatch::store::write::{News, Sealer, Sink, SinkOptions, Syncer};
use perfwatch::table::sample::Sample;
use perfwatch::table::{
    Charts, Column, Formula, Table, TableDef, Unit, Value, counter, derived, entity, gauge, gauge_float, keep,
};
use program::{Said, program};

/// What a build recorded about a device in a second.
#[derive(Clone, Copy)]
struct Row {
    reads: i64,
    level: i64,
    busy_ms: i64,
    free_ms: i64,
}

const DEVICE: Column<Row> = entity("device", "Its name.", |_| Value::Text("pump"));
const READS: Column<Row> =
    counter("reads", Unit::Count, "Reads.", |r: &Row| Value::Int(r.reads)).with_rate("reads_per_sec");
const LEVEL: Column<Row> = gauge("level", Unit::Count, "A level.", |r: &Row| Value::Int(r.level)).lower_is_better();
const BUSY: Column<Row> = counter("busy_ms", Unit::Milliseconds, "Time at work.", |r: &Row| Value::Int(r.busy_ms));
const FREE: Column<Row> =
    counter("free_ms", Unit::Milliseconds, "Time at rest.", |r: &Row| Value::Int(r.free_ms)).hidden();
const BUSY_PERCENT: Column<Row> = derived(
    "busy_percent",
    Unit::Percent,
    "Share of the time at work.",
    Formula::share(&["busy_ms"], &["busy_ms", "free_ms"]),
);
/// A unit that no build has.
const FUEL: Column<Row> =
    gauge_float("fuel", Unit::Other("litres"), "What is left.", |r| Value::Float(r.level as f64 / 4.0));

const DOC: &str = "A device of the tests.";
static OLD: Table<Row> =
    Table { name: "pump", source: "/proc/pump", doc: DOC, charts: Charts::Unknown, columns: &[DEVICE, READS] };
static MIDDLE: Table<Row> =
    Table { name: "pump", source: "/proc/pump", doc: DOC, charts: Charts::Unknown, columns: &[DEVICE, READS, LEVEL] };
static NEW: Table<Row> = Table {
    name: "pump",
    source: "/proc/pump",
    doc: DOC,
    charts: Charts::Unknown,
    columns: &[DEVICE, READS, LEVEL, BUSY, FREE, BUSY_PERCENT],
};
static TANK: Table<Row> =
    Table { name: "tank", source: "/proc/tank", doc: "A tank.", charts: Charts::Unknown, columns: &[DEVICE, FUEL] };

/// The tables of a build.
fn catalog(tables: &[&Table<Row>]) -> &'static [TableDef] {
    Box::leak(tables.iter().map(|table| table.def()).collect::<Vec<_>>().into_boxed_slice())
}

/// Adds one hour of a few seconds by a build to the recording; sealed, or as a killed recorder leaves it.
fn record(dir: &Path, tables: &[&'static Table<Row>], hour: i64, is_killed: bool) {
    record_knowing(None, dir, tables, hour, is_killed);
}

/// The same by a build that adds its columns to existing files. Returns what is then known about the files.
fn record_knowing(
    before: Option<Uniform>,
    dir: &Path,
    tables: &[&'static Table<Row>],
    hour: i64,
    is_killed: bool,
) -> Option<(Uniform, usize)> {
    let catalog = catalog(tables);
    let layout = Layout::new(dir);
    if Manifest::read(dir).is_err() {
        let mut manifest = Manifest::new("2026-11-27T07:00:00.000Z".into(), Host::default());
        manifest.sessions = vec![Session { interval_s: 1.0, ended: Some(String::new()), ..Session::default() }];
        manifest.write(&layout).unwrap();
    }
    let first_journal = u32::try_from(hour).unwrap() + 1;
    let known = Arc::new(Mutex::new(None));
    let heard = known.clone();
    let hear = move |news| match news {
        News::Uniform(uniform, widened) => *heard.lock().unwrap() = Some((uniform, widened)),
        news => panic!("{news:?}"),
    };
    let sealer = Sealer::start_knowing(before, layout.clone(), catalog, Vec::new(), Arc::new(hear)).unwrap();
    let options = SinkOptions { rotate: Duration::from_secs(3600), session: 1, first_journal };
    let syncer = Syncer::start(Duration::from_secs(60)).unwrap();
    let mut sink = Sink::new(layout, catalog, options, syncer, sealer);
    let mut sample = Sample::new(catalog);
    for number in 0..5 {
        sample.clear();
        let n = number as i64;
        let row = Row { reads: 100 + 10 * n, level: 7 + n, busy_ms: 250 * n, free_ms: 750 * n };
        tables.iter().for_each(|table| sample.push(table, &[row]));
        let ts_us = 1_795_000_000_000_000 / 3_600_000_000 * 3_600_000_000 + hour * 3_600_000_000 + n * 1_000_000;
        let stamp = TickStamp { number, ts_us, mono_ns: (1 + number) * 1_000_000_000 };
        sink.write(stamp, None, &sample).unwrap();
    }
    if is_killed {
        drop(sink);
    } else {
        assert_eq!(sink.finish(), Vec::<String>::new());
    }
    known.lock().unwrap().take()
}

/// All values of a column in order of time; nulls as NaN.
fn values(dir: &Path, tables: &[&'static Table<Row>], table: &str, column: &str) -> Vec<f64> {
    let recording = open(dir, catalog(tables)).unwrap();
    let known = recording.tables().into_iter().find(|t| t.name == table).unwrap();
    let mut problems = Vec::new();
    let (known, pieces) = recording.read(known, Window::ALL, &mut problems);
    assert!(known.stored.iter().any(|c| c.name == column), "{table}.{column}");
    let mut all = Vec::new();
    for chunk in pieces.iter().flat_map(|piece| piece.column(column).unwrap()) {
        let value = |i: usize| match chunk.as_primitive_opt::<Int64Type>() {
            Some(numbers) => numbers.value(i) as f64,
            None => chunk.as_primitive::<Float64Type>().value(i),
        };
        all.extend((0..chunk.len()).map(|i| if chunk.is_null(i) { f64::NAN } else { value(i) }));
    }
    assert!(problems.is_empty(), "{problems:?}");
    all
}

const N: f64 = f64::NAN;

fn assert_same(found: &[f64], expected: &[f64], what: &str) {
    let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(same), "{what}: {found:?}");
}

const READS_SEEN: [f64; 5] = [100.0, 110.0, 120.0, 130.0, 140.0];
const RATES: [f64; 5] = [N, 10.0, 10.0, 10.0, 10.0];
const LEVELS: [f64; 5] = [7.0, 8.0, 9.0, 10.0, 11.0];
const PERCENTS: [f64; 5] = [N, 25.0, 25.0, 25.0, 25.0];
const LITRES: [f64; 5] = [1.75, 2.0, 2.25, 2.5, 2.75];

/// Each build, and builds without either table.
const BUILDS: [&[&Table<Row>]; 4] = [&[], &[&OLD], &[&MIDDLE], &[&NEW, &TANK]];

#[test]
fn every_build_reads_what_every_other_recorded() {
    for is_killed in [false, true] {
        for reader in BUILDS {
            let dir = tempfile::tempdir().unwrap();
            record(dir.path(), &[&NEW, &TANK], 0, is_killed);
            let read = |table: &str, column: &str| values(dir.path(), reader, table, column);
            assert_same(&read("pump", "reads"), &READS_SEEN, "reads");
            assert_same(&read("pump", "reads_per_sec"), &RATES, "rate");
            assert_same(&read("pump", "level"), &LEVELS, "level");
            assert_same(&read("pump", "busy_percent"), &PERCENTS, "share of hidden counters");
            assert_same(&read("tank", "fuel"), &LITRES, "its own table");
        }
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), &[&OLD], 0, is_killed);
        let read = |column: &str| values(dir.path(), &[&NEW, &TANK], "pump", column);
        assert_same(&read("reads_per_sec"), &RATES, "rate");
        assert_same(&read("level"), &[N; 5], "what the older build did not have");
        assert_same(&read("busy_percent"), &[N; 5], "what the older build did not have");
    }
}

#[test]
fn files_of_several_builds_in_one_directory() {
    for reader in BUILDS {
        let dir = tempfile::tempdir().unwrap();
        // The file with most columns is neither the first nor the last.
        record(dir.path(), &[&OLD], 0, false);
        record(dir.path(), &[&NEW, &TANK], 1, false);
        record(dir.path(), &[&MIDDLE], 2, false);
        record(dir.path(), &[&OLD], 3, true);
        let read = |column: &str| values(dir.path(), reader, "pump", column);
        assert_same(&read("reads"), &READS_SEEN.repeat(4), "reads");
        assert_same(&read("level"), &[[N; 5], LEVELS, LEVELS, [N; 5]].concat(), "level");
        assert_same(&read("busy_percent"), &[[N; 5], PERCENTS, [N; 5], [N; 5]].concat(), "share");
    }
}

fn perfwatch(args: &[&str], dir: &Path) -> String {
    let said: Said = program().args(args).arg(dir).output().unwrap().into();
    said.is(0, &[]);
    said.out
}

/// The program does not know either table.
#[test]
fn unknown_tables_are_shown_merged_and_recovered() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &[&OLD], 0, false);
    record(dir.path(), &[&NEW, &TANK], 1, false);
    record(dir.path(), &[&NEW, &TANK], 2, true);
    let report = perfwatch(&["report", "--all"], dir.path());
    for word in ["pump", "busy_percent", "25.0 %", "reads_per_sec", "10/s", "tank", "fuel", "litres"] {
        assert!(report.contains(word), "{word}: {report}");
    }
    let metric = perfwatch(&["report", "--metric", "fuel", "--json"], dir.path());
    assert!(metric.contains("\"unit\": \"litres\"") && metric.contains("\"max\": 2.75"), "{metric}");
    let csv = || perfwatch(&["report", "--table", "pump", "--csv", "-"], dir.path());
    let before = csv();
    assert_eq!(
        before.lines().next(),
        Some("ts,elapsed_s,phase,device,reads,reads_per_sec,level,busy_ms,busy_percent"),
        "{before}"
    );
    assert_eq!(before.lines().count(), 16);
    perfwatch(&["recover"], dir.path());
    assert_eq!(csv(), before);
    perfwatch(&["compact"], dir.path());
    for table in ["pump", "tank"] {
        assert_eq!(Layout::new(dir.path()).sealed_files(table).unwrap().len(), 1, "{table}");
    }
    assert_eq!(csv(), before);
    perfwatch(&["verify"], dir.path());
}

#[test]
fn a_table_is_declared_in_its_files() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &[&NEW], 0, false);
    let recording = open(dir.path(), &[]).unwrap();
    let read = recording.tables()[0];
    let new = NEW.def();
    assert_eq!(read.name, new.name);
    let columns = |table: &TableDef| table.stored.iter().map(|c| (c.name, c.ty)).collect::<Vec<_>>();
    assert_eq!(columns(read), columns(&new));
    // Descriptions are not in each file, but once in the recording.
    assert_eq!(read.lean_facts(), new.lean_facts());
    let texts = std::fs::read(dir.path().join("_columns.json.zst")).unwrap();
    let texts: Vec<serde_json::Value> = serde_json::from_slice(&zstd::decode_all(&texts[..]).unwrap()).unwrap();
    for column in &new.stored {
        let text = texts.iter().find(|row| row["table"] == new.name && row["column"] == column.name).unwrap();
        assert_eq!(text["description"], column.doc.as_str());
    }
    assert!(std::ptr::eq(keep(read.clone()), read), "kept once");
}

/// The columns of each file of a table as any Parquet reader sees them: names and types.
fn schemas(dir: &Path, table: &str) -> Vec<String> {
    let files = Layout::new(dir).sealed_files(table).unwrap();
    let schema = |path: &std::path::PathBuf| {
        let file = std::fs::File::open(path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let fields = reader.schema().fields().iter().map(|f| format!("{} {}", f.name(), f.data_type()));
        let fields = fields.collect::<Vec<_>>().join(", ");
        let rows: usize = reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, 5);
        fields
    };
    files.iter().map(schema).collect()
}

#[test]
fn a_service_that_is_upgraded_keeps_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = || Some(Uniform::default());
    record(dir.path(), &[&OLD], 0, false);
    record(dir.path(), &[&OLD], 1, false);
    let (known, widened) = record_knowing(nothing(), dir.path(), &[&NEW, &TANK], 2, false).unwrap();
    assert_eq!((widened, known.through), (2, 2));
    // The next session only checks newer files.
    let (known, widened) = record_knowing(Some(known), dir.path(), &[&NEW, &TANK], 3, false).unwrap();
    assert_eq!((widened, known.through), (0, 3));
    // An older build does not know the new columns, but its files get them.
    let (_, widened) = record_knowing(Some(known), dir.path(), &[&OLD], 4, false).unwrap();
    assert_eq!(widened, 0);
    let found = schemas(dir.path(), "pump");
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|schema| *schema == found[0] && schema.contains("busy_percent Float64")), "{found:#?}");
    for reader in BUILDS {
        let read = |column: &str| values(dir.path(), reader, "pump", column);
        assert_same(&read("reads"), &READS_SEEN.repeat(5), "reads");
        assert_same(&read("reads_per_sec"), &RATES.repeat(5), "rate");
        assert_same(&read("level"), &[[N; 5], [N; 5], LEVELS, LEVELS, [N; 5]].concat(), "level");
    }
    perfwatch(&["verify"], dir.path());
    perfwatch(&["compact"], dir.path());
    assert_same(&values(dir.path(), &[], "pump", "reads"), &READS_SEEN.repeat(5), "merged");
}

#[test]
fn files_of_a_killed_build_get_the_columns_too() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &[&OLD], 0, false);
    record(dir.path(), &[&NEW], 1, true);
    // It knows less than the other two.
    let (_, widened) = record_knowing(Some(Uniform::default()), dir.path(), &[&OLD], 2, false).unwrap();
    assert_eq!(widened, 1);
    let found = schemas(dir.path(), "pump");
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|schema| *schema == found[0] && schema.contains("busy_percent")), "{found:#?}");
    assert_same(&values(dir.path(), &[], "pump", "level"), &[[N; 5], LEVELS, [N; 5]].concat(), "level");
}

const FOLDER: &str = "PERFWATCH_TEST_FOLDER";

/// Not a test: the process that is killed. Says when it begins to give the files their columns.
#[test]
fn widens_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let catalog = catalog(&[&NEW]);
    println!("begun");
    make_uniform(&Layout::new(folder), catalog, Some(&Uniform::default())).uniform.unwrap();
}

/// `kill -9` at any moment leaves each file as it was or complete, and the next recorder continues.
#[test]
fn killed_while_files_get_columns() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    const FILES: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    std::fs::create_dir(&whole).unwrap();
    (0..FILES as i64).for_each(|hour| record(&whole, &[&OLD], hour, false));
    let copy_to = |to: &Path| assert!(Process::new("cp").arg("-r").arg(&whole).arg(to).status().unwrap().success());
    let begin = |dir: &Path| {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["widens_until_killed", "--exact", "--nocapture"])
            .env(FOLDER, dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("begun")));
        child
    };
    let timed = dir.path().join("timed");
    copy_to(&timed);
    let (mut child, began) = (begin(&timed), Instant::now());
    assert!(child.wait().unwrap().success());
    let (rounds, duration) = (12, began.elapsed());
    let mut partial = 0;
    for round in 0..rounds {
        let dir = dir.path().join(round.to_string());
        copy_to(&dir);
        let mut child = begin(&dir);
        std::thread::sleep(duration * round / rounds);
        child.kill().unwrap();
        child.wait().unwrap();

        // Each file can be read and has all rows, with or without the columns.
        let found = schemas(&dir, "pump");
        let wide = found.iter().filter(|schema| schema.contains("busy_percent")).count();
        partial += usize::from(wide > 0 && wide < FILES);
        assert_eq!(found.len(), FILES);
        assert_same(&values(&dir, &[&OLD], "pump", "reads"), &READS_SEEN.repeat(FILES), "reads");
        perfwatch(&["verify"], &dir);

        let (_, widened) = record_knowing(Some(Uniform::default()), &dir, &[&NEW], FILES as i64, false).unwrap();
        assert_eq!(widened, FILES - wide, "round {round}");
        let found = schemas(&dir, "pump");
        assert!(found.iter().all(|schema| *schema == found[0] && schema.contains("busy_percent")), "{found:#?}");
        assert_same(&values(&dir, &[&NEW], "pump", "reads"), &READS_SEEN.repeat(FILES + 1), "reads");
        let left = std::fs::read_dir(Layout::new(&dir).journal_folder()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
    assert!(partial > 0, "never killed in between");
}

#[test]
fn a_damaged_file_of_an_earlier_build_does_not_prevent_recording() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &[&OLD], 0, false);
    let file = Layout::new(dir.path()).sealed_files("pump").unwrap().remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let layout = Layout::new(dir.path());
    let tables = make_uniform(&layout, catalog(&[&NEW]), Some(&Uniform::default()));
    assert!(tables.uniform.unwrap_err().to_string().contains("checksum"));
    assert_eq!(tables.tables[0].stored.len(), NEW.def().stored.len());
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "unchanged");
}

/// A column that exists in only one file, which is not the latest, is not lost even if no later build has it.
#[test]
fn a_column_in_only_one_file_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &[&NEW], 0, false);
    record(dir.path(), &[&OLD], 1, false);
    let (_, widened) = record_knowing(Some(Uniform::default()), dir.path(), &[&MIDDLE], 2, false).unwrap();
    // The first already has all columns.
    assert_eq!(widened, 1);
    let found = schemas(dir.path(), "pump");
    assert!(found.iter().all(|schema| *schema == found[0] && schema.contains("busy_percent")), "{found:#?}");
    assert_same(&values(dir.path(), &[], "pump", "busy_percent"), &[PERCENTS, [N; 5], [N; 5]].concat(), "share");
}
