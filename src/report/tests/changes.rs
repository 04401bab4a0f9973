//! What changed most: nothing where nothing changed, and the right place where something did.

use crate::query::{Choice, Rows};
use crate::report::changes::{Changes, changes};
use crate::report::csv;
use crate::report::model::{JSON_VERSION, Report};
use crate::report::summary::Request;
use crate::report::testing::*;
use crate::report::view::{self, Options};
use crate::report::{markdown, text};
use crate::stats::random::Random;
use crate::table::{Kind, StoredColumn, Type, Unit};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// A recording with one tick per second and these metrics.
fn recording(unit: Unit, series: &[Vec<f64>]) -> Memory {
    let column = |name: &&'static str| -> StoredColumn { column(name, Type::Float64, Kind::Interval, unit) };
    let t = table("t", NAMES.iter().take(series.len()).map(column).collect());
    let seconds: Vec<i64> = (0..series[0].len() as i64).collect();
    let columns = series.iter().map(|values| floats(values.iter().copied())).collect();
    Memory::default().with(t, vec![rows(t, &seconds, &vec![Some(1.0); seconds.len()], columns)])
}

fn found(memory: &Memory) -> Changes {
    let (choice, mut problems) = (Choice::default(), Vec::new());
    let r = memory.whole();
    let span = r.start.zip(r.end).unwrap();
    let found = changes(memory, span, &Request::of(Rows::ALL, &choice), &mut problems, &mut |_| {});
    assert!(problems.is_empty());
    found
}

/// Normal noise, of which each value depends on the one before.
fn noise(random: &mut Random, n: usize, persistence: f64) -> Vec<f64> {
    let mut value = 0.0;
    let mut next = || {
        // The sum of twelve even numbers is near enough to normal.
        let even: f64 = (0..12).map(|_| random.below(1_000_001) as f64 / 1e6).sum();
        value = persistence * value + (even - 6.0);
        value
    };
    // The first values still depend on where it began.
    (0..n + 50).map(|_| next()).skip(50).collect()
}

/// `PERFWATCH_ROUNDS` tries more recordings.
#[test]
fn noise_has_no_changes() {
    let rounds = std::env::var("PERFWATCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    for persistence in [0.0, 0.6, 0.9] {
        let mut random = Random::new(7);
        let with_changes = (0..rounds).filter(|_| {
            let series: Vec<Vec<f64>> = (0..12)
                .map(|_| noise(&mut random, 60, persistence).into_iter().map(|v| 20.0 + 3.0 * v).collect())
                .collect();
            let found = found(&recording(Unit::Percent, &series));
            assert_eq!(found.metrics, 12);
            !found.changes.is_empty()
        });
        let with_changes = with_changes.count();
        eprintln!("persistence {persistence}: {with_changes} of {rounds} recordings");
        assert!(with_changes * 10 <= rounds.max(10), "persistence {persistence}: {with_changes} of {rounds}");
    }
}

#[test]
fn a_step_is_found_where_it_is() {
    let mut random = Random::new(3);
    let step: Vec<f64> = noise(&mut random, 80, 0.3)
        .into_iter()
        .enumerate()
        .map(|(n, v)| v + if n < 30 { 20.0 } else { 60.0 })
        .collect();
    let mirror: Vec<f64> = step.iter().map(|v| 100.0 - v).collect();
    let flat: Vec<f64> = noise(&mut random, 80, 0.3).into_iter().map(|v| v + 50.0).collect();
    let memory = recording(Unit::Percent, &[mirror, step, flat, vec![7.0; 80]]);
    let found = found(&memory);
    assert_eq!((found.metrics, found.changes.len()), (3, 1), "{found:?}");
    let change = &found.changes[0];
    assert_eq!((change.metric, change.after_s, &change.with), ("a", 30.0, &vec!["b"]));
    assert!((change.from - 80.0).abs() < 1.0 && (change.to - 40.0).abs() < 1.0 && !change.is_drift, "{change:?}");
    assert!(change.noise_units > 20.0 && change.p < 1e-6, "{change:?}");

    let mut r = memory.whole();
    r.changes = Some(found);
    let mut report = Report { version: JSON_VERSION, runs: Vec::new(), recordings: vec![r], side_by_side: None };
    let options = Options { most_changes: 10, ..Options::default() };
    let got = text::render(&report, 80, options);
    assert!(got.lines().any(|line| line.split_whitespace().take(5).eq(["t", "a", "07:00:30", "30.0", "s"])), "{got}");
    assert!(got.contains("\n    with it: b\n"), "{got}");
    assert!(markdown::render(&report, options).contains("| metric | at | after | from | to | × noise |"));
    let csv = csv::changes(&report, 10);
    assert!(csv.contains("my-run,t,,a,percent,2026-11-20T07:00:30.000000Z,30,false,79."), "{csv}");
    assert_eq!(csv.lines().map(|line| line.split(',').count()).collect::<Vec<_>>(), [14, 14]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["recordings"][0]["changes"]["changes"][0]["with"][0], "b");
    report.recordings[0].changes.as_mut().unwrap().changes.clear();
    assert!(text::render(&report, 80, options).contains("nothing: no level of 3 metrics changed"));
}

#[test]
fn small_and_slow_changes() {
    let mut random = Random::new(5);
    let level = |at: f64, by: f64, random: &mut Random| -> Vec<f64> {
        let of = |(n, v): (usize, f64)| at + v / 100.0 + if n < 40 { 0.0 } else { by };
        noise(random, 80, 0.0).into_iter().enumerate().map(of).collect()
    };
    // Half a point of a percentage, and one of a hundred of anything: clear, but too small.
    let half = recording(Unit::Percent, &[level(1.0, 0.5, &mut random)]);
    let hundredth = recording(Unit::Count, &[level(100.0, 1.0, &mut random)]);
    assert!(found(&half).changes.is_empty() && found(&hundredth).changes.is_empty());
    let rising: Vec<f64> = noise(&mut random, 80, 0.0).into_iter().enumerate().map(|(n, v)| v + n as f64).collect();
    let found_slow = found(&recording(Unit::Count, &[rising]));
    let change = &found_slow.changes[0];
    assert!(change.is_drift && change.to - change.from > 70.0 && change.after_s == 0.0, "{change:?}");
    let few = found(&recording(Unit::Count, &[vec![1.0, 2.0, 3.0]]));
    assert_eq!(few.problem.as_deref(), Some("3 values are too few: 8 are needed to see a change"));
    let r = recording(Unit::Count, &[vec![1.0, 2.0, 3.0]]).whole();
    assert_eq!(view::changes(&r, &few, 10).notes.len(), 1);
}
