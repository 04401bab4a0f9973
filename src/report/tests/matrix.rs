//! Figures next to each other: by phase, and of several recordings.

use super::perf::perf_table;
use super::stats;
use super::weights::disk_of;
use crate::query::number::Number;
use crate::query::{Choice, Rows};
use crate::report::clean::clean;
use crate::report::matrix::{self, Cell, Matrix, by_phase, side_by_side};
use crate::report::model::{JSON_VERSION, Recording, Report};
use crate::report::phases::phases;
use crate::report::summary::Request;
use crate::report::testing::*;
use crate::report::view::Options;
use crate::report::{markdown, text};
use crate::store::read::piece::Window;
use crate::table::{Kind, TableDef, Type, Unit};

fn metrics() -> &'static TableDef {
    table(
        "t",
        vec![
            counter("n", 0, Unit::Count),
            rate("n_per_sec", 0, Unit::CountPerSec),
            column("level", Type::Int64, Kind::Gauge, Unit::Count),
            column("busy_percent", Type::Float64, Kind::Interval, Unit::Percent),
        ],
    )
}

/// Five ticks; the third in a phase inside the other.
fn phased() -> Memory {
    let (t, load, warm) = (metrics(), Some("load"), Some("load/warm"));
    let (seconds, elapsed) = ([0, 1, 2, 4, 5], [None, Some(1.0), Some(1.0), Some(2.0), Some(1.0)]);
    let path = [None, load, warm, load, None];
    let columns = vec![
        ints([0, 10, 30, 90, 100]),
        floats([None, Some(10.0), Some(20.0), Some(30.0), Some(10.0)]),
        ints([1, 2, 3, 4, 5]),
        floats([None, Some(0.0), Some(0.0), Some(0.0), Some(0.0)]),
    ];
    let batch = rows_in_phase(t, &seconds, &elapsed, &path, columns);
    let tick = table("tick", vec![column("missed", Type::Int64, Kind::Gauge, Unit::Count)]);
    let ticks = rows_in_phase(tick, &seconds, &elapsed, &path, vec![ints([0; 5])]);
    let perf = perf_table();
    let [a, b] = ["instructions", "cycles"].map(Some);
    let columns = vec![
        text([a, b, a, b, a, b]),
        int32s([None; 6]),
        text([None; 6]),
        floats([100.0, 50.0, 30.0, 60.0, 20.0, 40.0]),
        text([None; 6]),
        floats([100.0; 6]),
        text([Some("counted"); 6]),
    ];
    let path = [load, load, warm, warm, None, None];
    let counts = rows_in_phase(perf, &[1, 1, 2, 2, 5, 5], &[Some(1.0); 6], &path, columns);
    Memory::default().with(t, vec![batch]).with(tick, vec![ticks]).with(perf, vec![counts])
}

fn matrix_of(memory: &Memory) -> Matrix {
    let mut problems = Vec::new();
    let choice = Choice::default();
    let found = phases(memory, Window::ALL, &mut problems);
    let matrix = by_phase(memory, &found, &Request::of(Rows::ALL, &choice), &mut problems, &mut |_| {});
    assert!(problems.is_empty());
    matrix
}

fn row<'m>(matrix: &'m Matrix, metric: &str) -> &'m [Option<Cell>] {
    let mut rows = matrix.tables.iter().flat_map(|t| &t.entities).flat_map(|e| &e.metrics);
    &rows.find(|row| row.name == metric).unwrap().values
}

#[test]
fn phases_with_those_inside_and_what_is_outside() {
    let matrix = matrix_of(&phased());
    assert_eq!(matrix.columns, ["load", "load/warm", "(outside)"]);
    let cells = |metric: &str| row(&matrix, metric).iter().map(|cell| cell.unwrap()).collect::<Vec<_>>();
    // (10 × 1 s + 20 × 1 s + 30 × 2 s) ÷ 4 s; 20; 10 in the last second.
    let means: Vec<_> = cells("n_per_sec").iter().map(|cell| (cell.count, cell.mean)).collect();
    assert_eq!(means, [(3, Some(22.5)), (1, Some(20.0)), (1, Some(10.0))]);
    let totals: Vec<_> = cells("n").iter().map(|cell| (cell.total, cell.per_sec, cell.mean)).collect();
    assert_eq!(totals, [(90.0, 22.5), (20.0, 20.0), (10.0, 10.0)].map(|(n, rate)| (Some(n), Some(rate), None)));
    // (2 + 3 + 4) ÷ 3; (1 + 5) ÷ 2, with the row that has no interval.
    assert_eq!(cells("level").iter().map(|cell| cell.mean.unwrap()).collect::<Vec<_>>(), [3.0, 3.0, 3.0]);
    // 130 ÷ 110, 30 ÷ 60, 20 ÷ 40.
    let perf = matrix.tables.iter().find(|t| t.table == "perf").unwrap();
    let ratios: Vec<_> = perf.ratios.iter().map(|r| (r.ratio, r.values.clone())).collect();
    assert_eq!(ratios, [("instructions_per_cycle", vec![Some(130.0 / 110.0), Some(0.5), Some(0.5)])]);
}

/// The same as `--phase` shows.
#[test]
fn a_column_is_what_its_phase_alone_is() {
    let memory = phased();
    let matrix = matrix_of(&memory);
    for (n, phase) in ["load", "load/warm"].into_iter().enumerate() {
        let (r, _) = memory.summary(Window::ALL, Some(phase), &Choice::default());
        for metric in &r.tables.iter().find(|t| t.table == "t").unwrap().entities[0].metrics {
            let cell = row(&matrix, metric.name)[n].unwrap();
            assert_eq!((cell.mean, cell.per_sec), (metric.stats.mean, metric.stats.per_sec), "{phase} {}", metric.name);
        }
    }
}

/// A third of a millisecond is rounded in the file; the mean of that one value is the value, as `--phase` shows it.
#[test]
fn a_mean_is_not_outside_of_its_values() {
    let memory = disk_of(&[(0, 0, None), (3, 1, Some("a")), (10, 3, None)]);
    let (r, _) = memory.summary(Window::ALL, Some("a"), &Choice::default());
    let alone = stats(&r, "vda", "read_latency_ms");
    let phase = crate::report::phases::Phase { phase: "a".into(), times: 1, seconds: 1.0 };
    let (mut problems, choice) = (Vec::new(), Choice::default());
    let matrix = by_phase(&memory, &[phase], &Request::of(Rows::ALL, &choice), &mut problems, &mut |_| {});
    let cell = row(&matrix, "read_latency_ms")[0].unwrap();
    assert_ne!(alone.max, Some(Number::Float(1.0 / 3.0)));
    assert_eq!((cell.mean, cell.mean), (alone.mean, alone.max.map(Number::as_f64)));
}

#[test]
fn no_column_for_nothing_outside() {
    let t = metrics();
    let columns = vec![ints([1]), floats([None::<f64>]), ints([1]), floats([None::<f64>])];
    let batch = rows_in_phase(t, &[0], &[None], &[Some("a")], columns);
    let mut problems = Vec::new();
    let (memory, choice) = (Memory::default().with(t, vec![batch]), Choice::default());
    let phase = crate::report::phases::Phase { phase: "a".into(), times: 1, seconds: 0.0 };
    let matrix = by_phase(&memory, &[phase], &Request::of(Rows::ALL, &choice), &mut problems, &mut |_| {});
    assert_eq!((matrix.columns.len(), row(&matrix, "level").len()), (1, 1));
}

fn report(mut recording: Recording) -> Report {
    recording.by_phase = Some(matrix_of(&phased()));
    Report { version: JSON_VERSION, runs: Vec::new(), recordings: vec![recording], side_by_side: None }
}

const PLAIN: Options<'static> =
    Options { all: false, chosen: false, only_events: false, percentiles: &[], most_changes: 10, wide: false };

#[test]
fn phases_in_every_format() {
    let report = report(phased().whole());
    let got = text::render(&report, 80, PLAIN);
    let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let shown = words(&got);
    for line in [
        "instructions_per_cycle 1.18 0.500 0.500",
        "n_per_sec 22.5/s 20/s 10/s",
        "the same: level 3",
        "0: busy_percent",
    ] {
        assert!(shown.windows(words(line).len()).any(|w| w == words(line)), "{line}\n{got}");
    }
    // Two columns fit, and the third is below, with the notes.
    let got = text::render(&report, 40, PLAIN);
    assert!(got.contains("load  load/warm\n") && got.contains("(outside)"), "{got}");
    assert!(got.lines().all(|line| line.chars().count() <= 40), "{got}");
    assert_eq!(got.matches("n_per_sec").count(), 2, "{got}");
    let csv = matrix::csv::by_phase(&report);
    assert!(csv.starts_with("recording,phase,table,entity,metric,unit,kind,count,mean,total,per_sec\n"), "{csv}");
    for line in [
        "my-run,load,t,,n,count,counter,3,,90,22.5\n",
        "my-run,load/warm,perf,,instructions_per_cycle,,ratio,0,0.5,,\n",
    ] {
        assert!(csv.contains(line), "{csv}");
    }
    assert!(csv.lines().all(|line| line.split(',').count() == 11), "{csv}");
    assert!(markdown::render(&report, PLAIN).contains("| metric | load | load/warm | (outside) |"));
    let json = serde_json::to_value(&report).unwrap();
    let of = &json["recordings"][0]["by_phase"];
    assert_eq!((&of["columns"][1], &of["tables"][0]["table"]), (&"load/warm".into(), &"perf".into()));
}

#[test]
fn recordings_next_to_each_other() {
    let recording = |path: &str, level: i64, busy: f64| {
        let t = metrics();
        let columns = vec![ints([0, level]), floats([None, Some(0.0)]), ints([level; 2]), floats([None, Some(busy)])];
        let mut r = Memory::default().with(t, vec![rows(t, &[0, 1], &[None, Some(1.0)], columns)]).whole();
        r.path = path.into();
        r
    };
    let recordings = vec![recording("/x/base", 4, 20.0), recording("/x/new", 5, 25.5), recording("/x/other", 80, 20.0)];
    let side_by_side = Some(side_by_side(&recordings));
    let report = Report { version: JSON_VERSION, runs: Vec::new(), recordings, side_by_side };
    let got = text::render(&report, 100, PLAIN);
    let lines: Vec<Vec<&str>> = got.lines().map(|line| line.split_whitespace().collect()).collect();
    for want in [
        "t base new change other change /proc/test",
        "level 4 5 +25.0 % 80 × 20.0",
        "busy_percent 20.0 % 25.5 % +5.50 points 20.0 % =",
    ] {
        assert!(lines.contains(&want.split(' ').collect()), "{want}\n{got}");
    }
    assert!(got.contains("/x/other\nhost box") && got.ends_with("are more than noise.\n"), "{got}");
    let csv = matrix::csv::side_by_side(&report);
    assert!(csv.contains("/x/new,t,,level,count,gauge,2,5,,,1,25\n"), "{csv}");
    assert!(csv.contains("/x/base,t,,level,count,gauge,2,4,,,,\n"), "{csv}");
    let json = serde_json::to_value(&report).unwrap();
    let rows = json["side_by_side"]["tables"][0]["entities"][0]["metrics"].as_array().unwrap();
    let level = rows.iter().find(|row| row["metric"] == "level").unwrap();
    assert_eq!(level["changes"][1], serde_json::json!({"difference": 1.0, "percent": 25.0}));
    assert!(level["changes"][0].is_null());
}

#[test]
fn names_of_phases_and_folders_are_only_shown() {
    let evil = "ev\u{1b}[2Jil\nx|y";
    let mut report = report(phased().whole());
    let matrix = report.recordings[0].by_phase.as_mut().unwrap();
    matrix.columns[0] = evil.into();
    matrix.columns[1] = "é".repeat(200);
    let report = clean(report);
    for got in [text::render(&report, 80, PLAIN), markdown::render(&report, PLAIN)] {
        assert!(!got.contains('\u{1b}') && !got.lines().any(|line| line.starts_with("x|y")), "{got}");
        assert!(got.contains('…') && !got.contains(&"é".repeat(24)), "{got}");
    }
}
