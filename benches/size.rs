//! Bytes at rest, and the cost of sealing: an hour of a simulated machine with 64 cores through the real collectors,
//! journal and sealer. `cargo bench --bench size [-- TICKS [DIR]]` keeps the recording in DIR, for instance a day
//! (86400 ticks) for `perfwatch report`.

mod machine;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use machine::Machine;
use parquet::file::reader::{FileReader, SerializedFileReader};
use perfwatch::collect::catalog;
use perfwatch::collect::collector::Setup;
use perfwatch::collect::options::Options;
use perfwatch::facts::machine::Host;
use perfwatch::linux::clock::{Event, Now, Scripted, process_cpu_us};
use perfwatch::record::collectors::open_collectors;
use perfwatch::record::event::SamplingEvent;
use perfwatch::record::progress::Progress;
use perfwatch::record::recorder::Recorder;
use perfwatch::store::layout::Layout;
use perfwatch::store::manifest::{Manifest, Session};
use perfwatch::store::write::{News, Sealer, Sink, SinkOptions, Syncer};

/// The only expected message: all files have the same columns.
fn told(news: News) {
    assert!(matches!(news, News::Uniform(_, 0)), "{news:?}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let ticks: u64 = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(3600);
    let shm = Path::new("/dev/shm");
    let scratch =
        if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a temporary folder");
    let mut machine = Machine::new(&scratch.path().join("root"));
    let layout = Layout::new(arguments.get(1).map_or_else(|| scratch.path().join("recording"), PathBuf::from));
    fs::create_dir_all(&layout.root).expect("a folder for the recording");
    let mut manifest = Manifest::new(String::new(), Host::detect(&machine.roots()));
    manifest.sessions = vec![Session { interval_s: 1.0, ended: Some(String::new()), ..Session::default() }];
    manifest.write(&layout).expect("a manifest");

    let setup = Setup::new(machine.roots(), Options::default());
    let (collectors, facts) = open_collectors(&setup, |name| name != "perf").expect("no perf, no mistaken event");
    for fact in &facts {
        println!("{:<11} {} {}", fact.name, fact.state.word(), fact.notes.join("; "));
    }
    let catalog = catalog::tables();
    let sealer = Sealer::start(layout.clone(), catalog, Vec::new(), Arc::new(told)).expect("a thread");
    let syncer = Syncer::start(Duration::from_secs(3600)).expect("a thread");
    let options = SinkOptions { rotate: Duration::from_secs(3600), session: 1, first_journal: 1 };
    let sink = Sink::new(layout.clone(), catalog, options, syncer, sealer);
    let progress = Arc::new(Progress::default());
    let recorder = Recorder::new(
        Duration::from_secs(1),
        collectors,
        catalog,
        sink,
        progress.clone(),
        Box::new(|notice| match notice {
            SamplingEvent::Begun => {}
            bad => panic!("{bad:?}"),
        }),
    );
    let start = Now { mono_ns: 1_000_000_000, wall_us: 1_795_000_000_000_000 / 3_600_000_000 * 3_600_000_000 };
    let mut noise = machine::Random::new(3);
    let mut clock = Scripted::new(start, |tick| {
        machine.step();
        // A tick starts 50 to 150 us late, as on a real machine.
        if tick >= ticks {
            Event::Stop
        } else {
            Event::Stall(Duration::from_nanos(50_000 + (noise.unit() * 1e5) as u64))
        }
    });
    let sink = recorder.run(&mut clock, None);
    let journal = sink.journal_bytes();
    let (before, started) = (process_cpu_us(), Instant::now());
    let left = sink.finish();
    assert!(left.is_empty(), "{left:?}");
    let sealing = (process_cpu_us() - before) as f64 / 1e6;

    let (mut values, mut bytes, mut footers) = (0u64, 0u64, 0u64);
    println!("{:<12} {:>9} {:>10} {:>10} {:>10} {:>8}", "table", "rows", "values", "bytes", "footer", "B/value");
    for table in catalog {
        for path in layout.sealed_files(table.name).expect("a list") {
            let (rows, v, b, f) = weigh(&path);
            println!("{:<12} {rows:>9} {v:>10} {b:>10} {f:>10} {:>8.3}", table.name, b as f64 / v as f64);
            (values, bytes, footers) = (values + v, bytes + b, footers + f);
        }
    }
    let n = ticks as f64;
    println!(
        "{values} values in {ticks} ticks ({:.0} per tick), {bytes} bytes ({footers} in footers and indices)",
        values as f64 / n
    );
    println!("{:.3} bytes per value, {:.0} bytes per tick", bytes as f64 / values as f64, bytes as f64 / n);
    println!(
        "journal {:.1} MB; sealing {sealing:.2} s CPU, {:.2} s",
        journal as f64 / 1e6,
        started.elapsed().as_secs_f64()
    );
}

/// Rows, non-null values (without `ts`, `elapsed_s` and `phase`), bytes, and bytes outside of data pages.
fn weigh(path: &PathBuf) -> (i64, u64, u64, u64) {
    let bytes = fs::metadata(path).expect("a file").len();
    let reader = SerializedFileReader::new(File::open(path).expect("a file")).expect("Parquet");
    let (mut rows, mut values, mut data) = (0, 0, 0);
    for group in reader.metadata().row_groups() {
        rows += group.num_rows();
        for (i, column) in group.columns().iter().enumerate() {
            data += column.compressed_size() as u64;
            let nulls = column.statistics().and_then(|s| s.null_count_opt()).unwrap_or(0);
            if i >= 3 {
                values += group.num_rows() as u64 - nulls;
            }
        }
    }
    (rows, values, bytes, bytes - data)
}
