//! The command from its arguments to its output.

use std::io;

use clap::{Args as _, Command, FromArgMatches as _};

use super::*;
use crate::config::Settings;
use crate::report::testing::*;
use crate::table::{Kind, Type, Unit};

fn catalog() -> Vec<&'static TableDef> {
    vec![
        table("tick", vec![column("missed", Type::Int64, Kind::Gauge, Unit::Count)]),
        table(
            "disk",
            vec![
                entity("device"),
                column("in_flight", Type::Int64, Kind::Gauge, Unit::Count),
                column("util_percent", Type::Float64, Kind::Interval, Unit::Percent),
            ],
        ),
        table("memory", vec![column("used_bytes", Type::Int64, Kind::Gauge, Unit::Bytes)]),
    ]
}

/// Two files of six ticks each, 07:00:00 to 07:00:11, of `tick` and `disk`.
fn recording(dir: &Path) {
    for table in catalog().into_iter().filter(|t| t.name != "memory") {
        let folder = dir.join(table.name);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, from) in [("a.parquet", 0), ("b.parquet", 6)] {
            let seconds: Vec<i64> = (from..from + 6).collect();
            let columns = match table.name {
                "tick" => vec![ints([0; 6])],
                _ => vec![
                    text([Some("sda, old"); 6]),
                    ints(seconds.iter().copied()),
                    floats(seconds.iter().map(|s| (*s > 0).then_some(*s as f64 / 2.0))),
                ],
            };
            let elapsed: Vec<Option<f64>> = seconds.iter().map(|s| (*s > 0).then_some(1.0)).collect();
            write(&folder.join(name), &rows(table, &seconds, &elapsed, columns), Some("1"), 4);
        }
    }
}

fn run_with(args: &[&str], dirs: &[&Path]) -> (anyhow::Result<Outcome>, String) {
    let dirs = dirs.iter().map(|d| d.to_str().unwrap());
    let all = ["report"].into_iter().chain(args.iter().copied()).chain(["--"]).chain(dirs);
    let matches = ReportArgs::augment_args(Command::new("report")).try_get_matches_from(all).unwrap();
    let args = ReportArgs::from_arg_matches(&matches).unwrap();
    let tables = catalog();
    let owned: Vec<TableDef> = tables.iter().map(|t| (*t).clone()).collect();
    let open = |path: &Path| -> anyhow::Result<Box<dyn Source>> {
        anyhow::ensure!(path.is_dir(), "{} is not a recording", path.display());
        Ok(Box::new(Folder { path: path.to_path_buf(), tables: tables.clone() }))
    };
    let mut out = Vec::new();
    let outcome = run(&args, &owned, open, &Settings::default(), &mut out);
    (outcome, String::from_utf8(out).unwrap())
}

fn usage(args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    recording(dir.path());
    let error = run_with(args, &[dir.path()]).0.unwrap_err();
    assert!(error.is::<Usage>(), "{error:#}");
    error.to_string()
}

/// The CSV line of this metric, without everything up to its name.
fn line<'t>(text: &'t str, metric: &str) -> &'t str {
    let key = format!(",{metric},");
    text.lines().find_map(|l| l.split_once(&key)).unwrap_or_else(|| panic!("no {metric} in\n{text}")).1
}

#[test]
fn sealed_files_in_order() {
    let dir = tempfile::tempdir().unwrap();
    recording(dir.path());
    let (outcome, text) = run_with(&["--format", "csv"], &[dir.path()]);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    // 0 to 11: mean 5.5, ranks 6, 12 and 12.
    assert_eq!(line(&text, "in_flight"), "count,gauge,12,0,0,5.5,5,11,11,11,,");
    // 0.5 to 5.5, null at first: mean 3, ranks ceil(5.5) = 6 and 11.
    assert_eq!(line(&text, "util_percent"), "percent,interval,11,1,0.5,3,3,5.5,5.5,5.5,,");
    assert!(text.contains(",disk,\"device=sda, old\",in_flight,"));
}

#[test]
fn percentiles_of_choice() {
    let dir = tempfile::tempdir().unwrap();
    recording(dir.path());
    let (outcome, text) = run_with(&["--format", "csv", "--percentiles", "99.9,50,90"], &[dir.path()]);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(
        text.starts_with("recording,table,entity,metric,unit,kind,count,nulls,min,mean,p99.9,p50,p90,max,"),
        "{text}"
    );
    // 0 to 11: ranks ceil(11.988) = 12, 6 and ceil(10.8) = 11.
    assert_eq!(line(&text, "in_flight"), "count,gauge,12,0,0,5.5,11,5,10,11,,");
    // 0.5 to 5.5, weighted by seconds: ranks 11, 6 and ceil(9.9) = 10.
    assert_eq!(line(&text, "util_percent"), "percent,interval,11,1,0.5,3,5.5,3,5,5.5,,");
    let (_, text) = run_with(&["--width", "80", "--percentiles", "99.9", "-t", "disk"], &[dir.path()]);
    assert!(text.contains("mean   p99.9     max"), "{text}");
    let (_, text) = run_with(&["--json", "--percentiles", "90,99.9", "-m", "in_flight"], &[dir.path()]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let metric = &json["recordings"][0]["tables"][0]["entities"][0]["metrics"][0];
    assert_eq!((&metric["percentiles"], &metric["p95"]), (&serde_json::json!({"90": 10, "99.9": 11}), &11.into()));
}

#[test]
fn windows() {
    let dir = tempfile::tempdir().unwrap();
    recording(dir.path());
    let counted = |args: &[&str]| {
        let all: Vec<&str> = ["--format", "csv"].iter().chain(args).copied().collect();
        let (outcome, text) = run_with(&all, &[dir.path()]);
        assert_eq!(outcome.unwrap(), Outcome::Done);
        line(&text, "in_flight").split(',').skip(4).take(2).map(str::to_string).collect::<Vec<_>>()
    };
    // First value and mean of what is left: 2, 3, 4; 9, 10, 11; 5, 6, 7.
    assert_eq!(counted(&["--since", "+2s", "--until", "+5s"]), ["2", "3"]);
    assert_eq!(counted(&["--since", "-2s"]), ["9", "10"]);
    assert_eq!(counted(&["--since", "07:00:05", "--until", "2026-11-20T07:00:08Z"]), ["5", "6"]);
    let (outcome, _) = run_with(&["--since", "08:00"], &[dir.path()]);
    assert_eq!(outcome.unwrap(), Outcome::Incomplete);
    assert!(usage(&["--since", "+5s", "--until", "+5s"]).starts_with("--since is not before --until; "));
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    assert_eq!(usage(&["--table", "dsik"]), "unknown table `dsik` (did you mean `disk`?)");
    assert_eq!(
        usage(&["--metric", "util_precent"]),
        "unknown metric `util_precent` (did you mean `util_percent`?); `perfwatch schema` lists them"
    );
    assert!(
        usage(&["--table", "tick", "--metric", "util_percent"]).starts_with("unknown metric `util_percent` in tick")
    );
    assert!(usage(&["--metric", "dsk.in_flight"]).contains("did you mean `disk`?"));
}

#[test]
fn a_table_without_rows_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    recording(dir.path());
    let (outcome, text) = run_with(&["--table", "memory,disk", "--width", "80"], &[dir.path()]);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text.contains("\ndisk ") && !text.contains("\nmemory") && !text.contains("\ntick "), "{text}");
}

#[test]
fn damaged_and_foreign_files_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    recording(dir.path());
    let b = dir.path().join("disk/b.parquet");
    let whole = std::fs::read(&b).unwrap();
    std::fs::write(&b, &whole[..whole.len() / 2]).unwrap();
    std::fs::write(dir.path().join("disk/c.parquet"), "not ours").unwrap();
    let (outcome, text) = run_with(&["--format", "csv"], &[dir.path()]);
    assert_eq!(outcome.unwrap(), Outcome::Incomplete);
    assert_eq!(line(&text, "in_flight"), "count,gauge,6,0,0,2.5,2,5,5,5,,");
}

#[test]
fn what_is_no_recording_does_not_keep_the_others() {
    let dir = tempfile::tempdir().unwrap();
    recording(dir.path());
    let (outcome, text) = run_with(&["--format", "csv"], &[Path::new("/no/such"), dir.path()]);
    assert_eq!(outcome.unwrap(), Outcome::Incomplete);
    assert!(text.contains("in_flight"));
}

#[test]
fn every_row_as_csv() {
    let dir = tempfile::tempdir().unwrap();
    recording(dir.path());
    let out = dir.path().join("out");
    let csv = out.to_str().unwrap();
    let (outcome, printed) = run_with(&["--csv", csv, "--until", "+3s"], &[dir.path()]);
    assert_eq!((outcome.unwrap(), printed.as_str()), (Outcome::Done, ""));
    let want = "ts,elapsed_s,phase,device,in_flight,util_percent\n\
        2026-11-20T07:00:00.000000Z,,,\"sda, old\",0,\n\
        2026-11-20T07:00:01.000000Z,1.0,,\"sda, old\",1,0.5\n\
        2026-11-20T07:00:02.000000Z,1.0,,\"sda, old\",2,1.0\n";
    assert_eq!(std::fs::read_to_string(out.join("disk.csv")).unwrap(), want);
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["disk.csv", "tick.csv"]);

    // Again: refused before anything is changed, unless forced.
    std::fs::remove_file(out.join("tick.csv")).unwrap();
    let error = run_with(&["--csv", csv], &[dir.path()]).0.unwrap_err();
    assert_eq!(error.to_string(), format!("{csv}/disk.csv exists; --force replaces it"));
    assert_eq!(std::fs::read_to_string(out.join("disk.csv")).unwrap(), want);
    assert_eq!(names(), ["disk.csv"]);
    assert_eq!(run_with(&["--csv", csv, "--force"], &[dir.path()]).0.unwrap(), Outcome::Done);
    assert_eq!(std::fs::read_to_string(out.join("disk.csv")).unwrap().lines().count(), 13);
}

#[test]
fn several_recordings_as_csv_get_a_folder_each() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, out) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("out"));
    recording(&a);
    recording(&b);
    let csv = out.to_str().unwrap();
    assert_eq!(run_with(&["--csv", csv], &[&a, &b]).0.unwrap(), Outcome::Done);
    assert!(out.join("a/disk.csv").is_file() && out.join("b/tick.csv").is_file());
    assert!(run_with(&["--csv", csv, "--force"], &[&a, &a]).0.unwrap_err().is::<Usage>());
    // With the same name: their parent folders distinguish them.
    let (base, new) = (dir.path().join("base/run"), dir.path().join("new/run"));
    recording(&base);
    recording(&new);
    assert_eq!(run_with(&["--csv", csv], &[&base, &new]).0.unwrap(), Outcome::Done);
    assert!(out.join("base/run/disk.csv").is_file() && out.join("new/run/disk.csv").is_file());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    struct Gone(io::ErrorKind);
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(write_all(&mut Gone(io::ErrorKind::BrokenPipe), "text").is_ok());
    assert!(write_all(&mut Gone(io::ErrorKind::StorageFull), "text").is_err());
}
