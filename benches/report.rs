//! The cost of `report` for a day of a generated machine with 64 cores: CPU time and peak memory.
//!
//! `cargo bench --bench report` writes the day (24 hourly files per table, 1,475 values per tick, about 170 MB) into a
//! temporary folder, then summarises it in a separate process, so that the peak memory is that of the summary. `--
//! HOURS` uses fewer hours; `-- keep DIR` writes the day to DIR, `-- read DIR` summarises it, `-- json DIR` prints the
//! summary for comparison with other tools.
#![allow(unsafe_code, reason = "getrusage")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray, new_null_array,
};
use arrow_schema::Schema;
use perfwatch::query::{Choice, Rows, threads};
use perfwatch::report::json;
use perfwatch::report::model::{JSON_VERSION, Report};
use perfwatch::report::summary::{Request, summarise};
use perfwatch::store::layout::Layout;
use perfwatch::store::read::parquet::ParquetPiece;
use perfwatch::store::read::piece::{Facts, Piece, ReadError, Source, Window};
use perfwatch::store::write::output::Output;
use perfwatch::table::arrow::arrow_schema;
use perfwatch::table::{Charts, Kind, Life, ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Type, Unit, Weight};

/// Table, entities, and numbers of metric columns: shares of ticks, levels, counters, and how many of the counters have
/// a rate.
const MACHINE: [(&str, usize, usize, usize, usize, usize); 11] = [
    ("tick", 0, 0, 8, 0, 0),
    ("cpu", 0, 10, 5, 12, 12),
    ("cpu_core", 64, 9, 2, 1, 0),
    ("sensor", 39, 0, 1, 0, 0),
    ("memory", 0, 1, 22, 0, 0),
    ("paging", 0, 0, 0, 12, 12),
    ("socket", 0, 0, 12, 5, 5),
    ("network", 12, 0, 0, 8, 8),
    ("disk", 16, 1, 4, 6, 6),
    ("filesystem", 8, 0, 8, 0, 0),
    ("pressure", 3, 4, 0, 2, 2),
];

const SECONDS: usize = 3600;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["read", dir] => read(Path::new(dir), false, threads::default()),
        ["read", dir, threads] => read(Path::new(dir), false, threads.parse().expect("a number of threads")),
        ["json", dir] => read(Path::new(dir), true, threads::default()),
        ["keep", dir] => write(Path::new(dir), 24),
        hours => {
            let hours = hours.first().and_then(|h| h.parse().ok()).unwrap_or(24);
            let dir = tempfile::tempdir().expect("a temporary folder");
            write(dir.path(), hours);
            let this = std::env::current_exe().expect("this program");
            for threads in ["1", "2"] {
                let done = std::process::Command::new(&this).arg("read").arg(dir.path()).arg(threads).status();
                assert!(done.expect("the summary starts").success());
            }
        }
    }
}

fn tables() -> Vec<&'static TableDef> {
    let column = |name: String, ty, kind, unit, origin| StoredColumn {
        name: name.leak(),
        ty,
        kind,
        unit,
        doc: String::new(),
        better: None,
        weight: if kind == Kind::Interval { Weight::Elapsed } else { Weight::Row },
        origin,
    };
    let rate = |n| StoredOrigin::Derived(ResolvedFormula { of: vec![n], over: None, factor: 1.0, cap: f64::INFINITY });
    let build = |(name, entities, shares, levels, counters, rates)| {
        let mut stored = Vec::new();
        if entities > 0 {
            stored.push(column("entity".into(), Type::Int32, Kind::Entity, Unit::None, StoredOrigin::Raw(0)));
        }
        for i in 0..shares {
            stored.push(column(format!("s{i}_percent"), Type::Float64, Kind::Interval, Unit::Percent, rate(0)));
        }
        for i in 0..levels {
            stored.push(column(format!("l{i}_bytes"), Type::Int64, Kind::Gauge, Unit::Bytes, StoredOrigin::Raw(i)));
        }
        for i in 0..counters {
            stored.push(column(format!("c{i}"), Type::Int64, Kind::Counter, Unit::Count, StoredOrigin::Raw(i)));
            if i < rates {
                stored.push(column(format!("c{i}_per_sec"), Type::Float64, Kind::Interval, Unit::CountPerSec, rate(i)));
            }
        }
        &*Box::leak(Box::new(TableDef {
            name,
            source: "generated",
            doc: "",
            raw: Vec::new(),
            stored,
            order: None,
            life: Life::default(),
            separate: Vec::new(),
            charts: Charts::Unknown,
        }))
    };
    MACHINE.map(build).to_vec()
}

/// A small random number generator (xorshift), so that every run reads the same day.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

fn write(dir: &Path, hours: usize) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut values, mut bytes) = (0, 0);
    for (table, (name, entities, ..)) in tables().into_iter().zip(MACHINE) {
        let folder = dir.join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let entities = entities.max(1);
        let schema = arrow_schema(table);
        let mut counters = vec![0i64; entities * table.stored.len()];
        for hour in 0..hours {
            let path = folder.join(format!("{hour:02}.parquet"));
            let facts = Vec::new();
            let layout = Layout::new(path.parent().expect("a folder"));
            let mut output = Output::new(&layout, &path, table, "20261120T0700Z", &facts);
            let batch = hour_of(table, &schema, entities, hour, &mut counters, &mut dice);
            values += batch.num_rows() * table.metrics().count();
            output.write(&batch).expect("rows");
            output.close().expect("a footer");
            bytes += std::fs::metadata(&path).expect("the file").len();
        }
    }
    println!("{values} values, {} per tick, {:.1} MB", values / SECONDS / hours, bytes as f64 / 1e6);
}

fn hour_of(
    table: &TableDef,
    schema: &Arc<Schema>,
    entities: usize,
    hour: usize,
    counters: &mut [i64],
    dice: &mut Dice,
) -> RecordBatch {
    let rows = SECONDS * entities;
    let ts = (0..rows).map(|r| 1_795_158_000_000_000 + ((hour * SECONDS + r / entities) * 1_000_000) as i64);
    let first = |r: usize| hour == 0 && r < entities;
    let lengths: Vec<f64> = (0..SECONDS).map(|_| 1.0 + dice.below(400) as f64 * 1e-6).collect();
    let elapsed: Vec<Option<f64>> = (0..rows).map(|r| (!first(r)).then(|| lengths[r / entities])).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(ts).with_timezone("UTC")),
        Arc::new(Float64Array::from(elapsed.clone())),
        new_null_array(schema.field(2).data_type(), rows),
    ];
    let mut rate: Vec<Option<f64>> = Vec::new();
    for (n, column) in table.stored.iter().enumerate() {
        columns.push(match (column.kind, column.ty) {
            (Kind::Entity, _) => Arc::new(Int32Array::from_iter_values((0..rows).map(|r| (r % entities) as i32))),
            (Kind::Counter, _) => {
                // Most disks and interfaces of a large machine are idle, and some counters rarely change.
                let busy = |r: usize| match (r % entities, n % 3) {
                    (e, _) if e % 4 != 0 && table.name != "cpu_core" => 1,
                    (_, 0) => 2,
                    _ => 100_000,
                };
                let mut grown = Vec::with_capacity(rows);
                let values = Int64Array::from_iter_values((0..rows).map(|r| {
                    let step = dice.below(busy(r)) as i64 / 2;
                    grown.push(step);
                    let counter = &mut counters[n * entities + r % entities];
                    *counter += step;
                    *counter
                }));
                rate = grown.iter().zip(&elapsed).map(|(g, e)| e.map(|e| *g as f64 / e)).collect();
                Arc::new(values)
            }
            (Kind::Interval, _) if column.unit == Unit::Percent => {
                let share = |dice: &mut Dice| 100.0 * dice.below(1 + 100 / (n as u64 + 1)) as f64;
                Arc::new(Float64Array::from_iter(
                    (0..rows).map(|r| (!first(r)).then(|| share(dice) / (99 + dice.below(3)) as f64)),
                ))
            }
            (Kind::Interval, _) => Arc::new(Float64Array::from(std::mem::take(&mut rate))),
            _ => Arc::new(Int64Array::from_iter_values(
                (0..rows).map(|_| 4096 * dice.below(1 + 4000 * (n as u64 % 3)) as i64),
            )),
        });
    }
    RecordBatch::try_new(schema.clone(), columns).expect("columns as declared")
}

/// A folder of Parquet files, read as a recording.
struct Folder {
    path: PathBuf,
    tables: Vec<&'static TableDef>,
}

impl Source for Folder {
    fn path(&self) -> &Path {
        &self.path
    }
    fn facts(&self) -> Facts {
        Facts::default()
    }
    fn tables(&self) -> Vec<&'static TableDef> {
        self.tables.clone()
    }
    fn pieces(
        &self,
        table: &'static TableDef,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> Vec<Box<dyn Piece + '_>> {
        let mut files: Vec<_> = std::fs::read_dir(self.path.join(table.name))
            .expect("a table")
            .map(|e| e.expect("a file").path())
            .collect();
        files.sort();
        let layout = Layout::new(&self.path);
        let mut pieces: Vec<Box<dyn Piece>> = Vec::new();
        for file in files {
            match ParquetPiece::open(&layout, &file, table) {
                Ok(piece) => pieces.push(Box::new(piece.within(window))),
                Err(error) => problems.push(error),
            }
        }
        pieces
    }
}

fn read(dir: &Path, print: bool, threads: usize) {
    let source = Folder { path: dir.to_path_buf(), tables: tables() };
    let started = std::time::Instant::now();
    let mut problems = Vec::new();
    let choice = Choice::default();
    let mut last = cpu_s();
    let mut per_table: Vec<(String, f64)> = Vec::new();
    let recording =
        summarise(&source, &Request { threads, ..Request::of(Rows::ALL, &choice) }, &mut problems, &mut |table| {
            let now = cpu_s();
            match per_table.last_mut() {
                Some((name, s)) if name == table => *s += now - last,
                _ => per_table.push((table.to_string(), now - last)),
            }
            last = now;
        });
    if print {
        let report =
            Report { version: JSON_VERSION, runs: Vec::new(), recordings: vec![recording], side_by_side: None };
        print!("{}", json::render(&report).expect("a model"));
        return;
    }
    let metrics = recording.tables.iter().flat_map(|t| &t.entities).flat_map(|e| &e.metrics);
    let values: usize = metrics.map(|m| m.stats.count + m.stats.nulls).sum();
    let (cpu_s, wall_s) = (cpu_s(), started.elapsed().as_secs_f64());
    println!(
        "report: {values} values with {threads} threads in {cpu_s:.2} s of CPU, {:.1} ns each; {wall_s:.2} s wall, {:.2} of it; \
         peak {} MB, {} problems",
        cpu_s * 1e9 / values as f64,
        wall_s / cpu_s,
        peak_kib() / 1024,
        problems.len()
    );
    for (table, s) in per_table {
        println!("  {table:10} {s:.2} s");
    }
}

/// User and system time of this process in seconds.
fn cpu_s() -> f64 {
    // SAFETY: getrusage fills the struct, which is valid when zeroed.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim_end_matches("kB").trim().parse().expect("a number")
}
