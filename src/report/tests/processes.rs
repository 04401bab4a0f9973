//! Processes that begin, end and execute another program.

use super::stats;
use crate::query::number::Number::{self, Int};
use crate::query::{Choice, Rows};
use crate::report::matrix::by_phase;
use crate::report::model::Recording;
use crate::report::phases::Phase;
use crate::report::summary::Request;
use crate::report::testing::*;
use crate::store::read::piece::Window;
use crate::table::{Kind, Life, TableDef, Type, Unit};

/// A row of a table with new processes marked: second, pid, name, when it began (ms after the start), new, faults.
type Process = (i64, i32, &'static str, i64, Option<bool>, i64);

fn processes(all: &[Process]) -> Memory {
    let t = table(
        "process",
        vec![
            column("pid", Type::Int32, Kind::Entity, Unit::None),
            entity("comm"),
            column("started_ms", Type::Int64, Kind::Label, Unit::Milliseconds),
            column("is_new", Type::Bool, Kind::Label, Unit::None),
            counter("minor_faults", 0, Unit::Count),
        ],
    );
    let life = Life { is_new: Some("is_new"), may_change: Some("comm"), began: Some("started_ms") };
    let t: &'static TableDef = Box::leak(Box::new(TableDef { life, ..t.clone() }));
    let batch = rows(
        t,
        &all.iter().map(|p| p.0).collect::<Vec<_>>(),
        &all.iter().map(|p| (p.0 > 0).then_some(1.0)).collect::<Vec<_>>(),
        vec![
            int32s(all.iter().map(|p| Some(p.1))),
            text(all.iter().map(|p| Some(p.2))),
            ints(all.iter().map(|p| START_US / 1000 + p.3)),
            std::sync::Arc::new(all.iter().map(|p| p.4).collect::<arrow_array::BooleanArray>()),
            ints(all.iter().map(|p| p.5)),
        ],
    );
    Memory::default().with(t, vec![batch])
}

fn faults(r: &Recording, name: &str) -> (Option<Number>, Option<f64>) {
    let s = stats(r, name, "minor_faults");
    (s.total, s.per_sec)
}

#[test]
fn a_process_that_began_within_the_recording_began_from_zero() {
    let (old, new) = (Some(false), Some(true));
    let r = processes(&[
        (0, 1, "init", -9000, old, 500),
        (1, 1, "init", -9000, old, 510),
        // A child that touched 30 MB and was seen once.
        (1, 7, "child", 400, new, 7700),
        (2, 8, "sh", 1500, new, 5),
        (3, 8, "sh", 1500, old, 6),
        // It executes a compiler in its place.
        (4, 8, "cc1", 1500, old, 105),
        (5, 8, "cc1", 1500, old, 107),
        // Its pid is used again, by another shell.
        (6, 8, "sh", 5500, new, 4),
    ])
    .whole();
    assert_eq!(faults(&r, "1 init"), (Some(Int(10)), Some(10.0)));
    assert_eq!(faults(&r, "7 child"), (Some(Int(7700)), Some(7700.0)));
    assert_eq!(faults(&r, "8 sh"), (Some(Int(10)), Some(10.0 / 3.0)));
    assert_eq!(faults(&r, "8 cc1"), (Some(Int(101)), Some(101.0 / 2.0)));
    assert!(
        r.tables[0].words.is_empty(),
        "the number of rows with something new is not shown: {:?}",
        r.tables[0].words
    );
}

/// What a process did before the interval of its first row may belong to another phase.
#[test]
fn by_phase_a_process_that_is_first_seen_late_grew_since_its_first_row() {
    let memory = processes(&[(8, 7, "late", 500, Some(true), 75), (9, 7, "late", 500, Some(false), 80)]);
    let (mut problems, choice) = (Vec::new(), Choice::default());
    let phase = Phase { phase: "a".into(), times: 1, seconds: 1.0 };
    let matrix = by_phase(&memory, &[phase], &Request::of(Rows::ALL, &choice), &mut problems, &mut |_| {});
    let faults = matrix.tables[0].entities[0].metrics.iter().find(|row| row.name == "minor_faults").unwrap();
    let outside = faults.values.last().unwrap().unwrap();
    assert_eq!((outside.count, outside.total, outside.per_sec), (2, Some(5.0), Some(5.0)));
}

#[test]
fn a_process_that_is_first_seen_late_grew_since_it_began() {
    // `--processes top`: its first row comes when it is busy.
    let memory = processes(&[(8, 7, "late", 500, Some(true), 75), (9, 7, "late", 500, Some(false), 80)]);
    assert_eq!(faults(&memory.whole(), "7 late"), (Some(Int(80)), Some(80.0 / 8.5)));
    // Its growth before the window is not known separately.
    let since = |s: i64| Window { from_us: START_US + s * 1_000_000, to_us: i64::MAX };
    let of = |window| faults(&memory.summary(window, None, &Choice::default()).0, "7 late");
    assert_eq!(of(since(5)), (Some(Int(5)), Some(5.0)));
    assert_eq!(of(since(0)).0, Some(Int(80)));
}

#[test]
fn older_recordings_do_not_mark_new_processes() {
    let r = processes(&[(1, 7, "a", 400, None, 100), (2, 7, "a", 400, None, 103), (3, 7, "b", 400, None, 900)]).whole();
    assert_eq!(faults(&r, "7 a"), (Some(Int(3)), Some(3.0)));
    assert_eq!(faults(&r, "7 b"), (None, None));
}
