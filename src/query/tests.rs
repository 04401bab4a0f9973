//! Folds, compared with values that were computed by hand and with each other.

use super::across::across;
use super::entities::Label;
use super::folded::Folded;
use super::index::Part;
use super::number::Number::{Float, Int};
use super::points::{Point, Points};
use super::statistics::{Rates, Statistics, Stats};
use super::{By, Query};
use crate::report::testing::*;
use crate::store::read::piece::{Source, Window};
use crate::table::{Kind, TableDef, Type, Unit};

const SECOND: i64 = 1_000_000;

fn disk() -> &'static TableDef {
    table(
        "disk",
        vec![
            entity("device"),
            counter("read_bytes", 0, Unit::Bytes),
            rate("read_bytes_per_sec", 0, Unit::BytesPerSec),
            column("in_flight", Type::Int64, Kind::Gauge, Unit::Count),
        ],
    )
}

/// Two disks; `b` appears at the fifth second. There are no samples from second 20 to 29.
fn late() -> Memory {
    let t = disk();
    let first = rows_in_phase(
        t,
        &[0, 5, 5, 10, 10, 15, 15],
        &[None, Some(5.0), None, Some(5.0), Some(5.0), Some(5.0), Some(5.0)],
        &[None, Some("load"), Some("load"), Some("load/warmup"), Some("load/warmup"), None, None],
        vec![
            text(["a", "a", "b", "a", "b", "a", "b"].map(Some)),
            ints([100, 600, 7, 1100, 1007, 1100, 1107]),
            floats([None, Some(100.0), None, Some(100.0), Some(200.0), Some(0.0), Some(20.0)]),
            ints([Some(4), Some(2), Some(1), None, Some(3), Some(8), None]),
        ],
    );
    let second = rows(
        t,
        &[30, 30, 32],
        &[Some(15.0), Some(15.0), Some(2.0)],
        vec![
            text([Some("a"), Some("b"), Some("a")]),
            ints([2600, 1107, 2620]),
            floats([Some(100.0), Some(0.0), Some(10.0)]),
            ints([1, 0, 6]),
        ],
    );
    Memory::default().with(t, vec![first, second])
}

fn series<'f>(folded: &'f Folded<Point>, entity: usize, column: &str) -> Vec<(i64, Option<&'f Point>)> {
    let at = |start_us: i64| (start_us - START_US) / SECOND;
    folded.series(entity, column).into_iter().map(|(start_us, point)| (at(start_us), point)).collect()
}

fn fold(memory: &Memory, by: By) -> Folded<Point> {
    let mut problems = Vec::new();
    let mut runs = Query::of([memory as &dyn Source]).group(by).fold(&Points, &mut problems);
    assert!(problems.is_empty());
    runs.remove(0).remove(0)
}

#[test]
fn a_series_has_its_empty_buckets() {
    let folded = fold(&late(), By::Bucket { width_us: 10 * SECOND });
    // In flight of `a`: 4 and 2, then null and 8, nothing, then 1 and 6.
    let found = series(&folded, 0, "in_flight");
    let point = |count, mean, min, max, last| Point {
        count,
        mean: Some(mean),
        min: Some(Int(min)),
        max: Some(Int(max)),
        last: Some(Int(last)),
    };
    let [zero, ten, thirty] = [point(2, 3.0, 2, 4, 2), point(1, 8.0, 8, 8, 8), point(2, 3.5, 1, 6, 6)];
    assert_eq!(found, [(0, Some(&zero)), (10, Some(&ten)), (20, None), (30, Some(&thirty))]);
    // Bytes per second of `a`: null and 100; 100 for 5 s and 0 for 5 s; 100 for 15 s and 10 for 2 s.
    let means: Vec<_> = series(&folded, 0, "read_bytes_per_sec").iter().map(|(_, p)| p.and_then(|p| p.mean)).collect();
    assert_eq!(means, [Some(100.0), Some(50.0), None, Some(1520.0 / 17.0)]);
    // `b` has the same buckets, although it appears late.
    let b = series(&folded, 1, "in_flight");
    assert_eq!(
        b.iter().map(|(at, p)| (*at, p.map(|p| p.count))).collect::<Vec<_>>(),
        [(0, Some(1)), (10, Some(1)), (20, None), (30, Some(1))]
    );
    let nothing = series(&folded, 1, "read_bytes_per_sec")[0].1.unwrap();
    assert_eq!(nothing, &Point::default());
}

#[test]
fn a_counter_grows_from_bucket_to_bucket() {
    let folded = fold(&late(), By::Bucket { width_us: 10 * SECOND });
    let found = series(&folded, 0, "read_bytes");
    // 500 in 5 s; 500 in 10 s; 1,500 and 20 in 17 s. The growth from one bucket to the next counts for the latter.
    let of = |p: &Point| (p.mean, p.last);
    assert_eq!(of(found[0].1.unwrap()), (Some(100.0), Some(Int(600))));
    assert_eq!(of(found[1].1.unwrap()), (Some(50.0), Some(Int(1100))));
    assert_eq!(of(found[3].1.unwrap()), (Some(1520.0 / 17.0), Some(Int(2620))));
}

#[test]
fn by_phase_rows_belong_to_the_innermost() {
    let folded = fold(&late(), By::Phase);
    let of = |phase: Option<&str>, entity: usize| {
        let part = Part::Phase(phase.map(str::to_string));
        let at = folded.groups.iter().position(|g| g.entity == entity && g.part == part)?;
        Some((folded.groups[at].rows, folded.column("read_bytes_per_sec")?[at].mean))
    };
    assert_eq!(of(Some("load"), 0), Some((1, Some(100.0))));
    assert_eq!(of(Some("load/warmup"), 1), Some((1, Some(200.0))));
    assert_eq!(of(Some("load"), 1), Some((1, None)));
    // 0 for 5 s, 100 for 15 s, 10 for 2 s, and a row without an interval.
    assert_eq!(of(None, 0), Some((4, Some(1520.0 / 22.0))));
    assert_eq!(of(Some("elsewhere"), 0), None);
}

#[test]
fn a_series_of_too_many_buckets_has_no_empty_ones() {
    let folded = fold(&late(), By::Bucket { width_us: 1 });
    let found = series(&folded, 0, "in_flight");
    assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 5, 10, 15, 30, 32]);
    assert!(found.iter().all(|(_, point)| point.is_some()));
}

#[test]
fn a_window_cuts_a_series() {
    let memory = late();
    let window = Window { from_us: START_US + 6 * SECOND, to_us: START_US + 30 * SECOND };
    let query = Query::of([&memory as &dyn Source]).window(window).group(By::Bucket { width_us: 10 * SECOND });
    let folded = query.fold(&Points, &mut Vec::new()).remove(0).remove(0);
    assert_eq!(folded.rows, 4);
    let found = series(&folded, 0, "in_flight");
    assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [10]);
    // The null at 10 s and the 8 at 15 s.
    assert_eq!(found[0].1.map(|p| (p.count, p.last)), Some((1, Some(Int(8)))));
}

#[test]
fn runs_are_next_to_each_other() {
    let t = disk();
    let only_b = rows(t, &[0], &[None], vec![text([Some("b")]), ints([5]), floats([None::<f64>]), ints([9])]);
    let (one, two) = (late(), Memory::default().with(t, vec![only_b]));
    let runs = Query::of([&one as &dyn Source, &two]).fold(&Points, &mut Vec::new());
    let all = across(&runs);
    assert_eq!(all.len(), 2 * 3, "two devices with three columns each");
    let last = |device: &str| {
        let label = Label { name: "device", value: Some(device.into()) };
        let found = all.iter().find(|a| a.labels == [label.clone()] && a.column.name == "in_flight").unwrap();
        found.results.iter().map(|point| point.and_then(|point| point.last)).collect::<Vec<_>>()
    };
    assert_eq!(last("a"), [Some(Int(6)), None]);
    assert_eq!(last("b"), [Some(Int(0)), Some(Int(9))]);
}

#[test]
fn amounts_are_summed_and_divided_whatever_the_table() {
    let t = table("joules", vec![column("energy", Type::Float64, Kind::Amount, Unit::None)]);
    let some = [Some(1.0), Some(4.0), Some(0.0)];
    let memory = Memory::default().with(t, vec![rows(t, &[1, 5, 5], &some, vec![floats([10.0, 20.0, 3.0])])]);
    let folded = Query::of([&memory as &dyn Source]).fold(&Statistics, &mut Vec::new()).remove(0).remove(0);
    let (stats, rates) = folded.column("energy").unwrap()[0];
    // 33 in 5 s: 10 per second for 1 s, 5 per second for 4 s. An interval without length has no rate.
    assert_eq!((stats.total, stats.per_sec), (Some(Float(33.0)), Some(6.6)));
    assert_eq!(rates, Some(Rates { min: 5.0, mean: 6.0, p50: 5.0, p95: 10.0, p99: 10.0, max: 10.0 }));
}

type Row = (u8, Option<u8>, u8, bool);

/// Ticks of some entities, with columns of few and of many different values, in pieces.
fn random(ticks: &[Vec<Row>], cut: usize) -> Memory {
    let t = disk();
    let all: Vec<(i64, Row)> =
        ticks.iter().zip(0..).flat_map(|(rows, at)| rows.iter().map(move |r| (at, *r))).collect();
    let piece = |all: &[(i64, Row)]| {
        let seconds: Vec<i64> = all.iter().map(|(at, _)| *at).collect();
        let elapsed: Vec<_> = all.iter().map(|(at, _)| (*at > 0).then(|| 1.0 + *at as f64 / 1024.0)).collect();
        let phase: Vec<_> = all.iter().map(|(_, row)| row.3.then_some("load")).collect();
        let names = all.iter().map(|(_, row)| Some(["a", "b", "c", "d"][usize::from(row.0 % 4)]));
        let columns = vec![
            text(names),
            ints(all.iter().map(|(at, row)| at * 1000 + i64::from(row.2))),
            floats(all.iter().map(|(at, row)| row.1.map(|v| f64::from(v % 5) * (1.0 + *at as f64 / 8.0)))),
            ints(all.iter().map(|(_, row)| row.1.map(|v| i64::from(v % 3)))),
        ];
        rows_in_phase(t, &seconds, &elapsed, &phase, columns)
    };
    Memory::default().with(t, all.chunks(cut).map(piece).collect())
}

fn stats(query: Query<'_>) -> Vec<(Vec<Label>, String, Stats)> {
    let mut found = Vec::new();
    for folded in query.fold(&Statistics, &mut Vec::new()).remove(0) {
        for (column, results) in &folded.columns {
            for (group, (stats, _)) in folded.groups.iter().zip(results).filter(|(group, _)| group.rows > 0) {
                found.push((folded.entities[group.entity].clone(), column.name.to_string(), *stats));
            }
        }
    }
    found
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    /// The results do not depend on threads, pieces and the order of the entities. One bucket with all rows changes nothing.
    #[test]
    fn threads_pieces_and_one_bucket_change_nothing(
        ticks in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<Row>(), 0..7), 1..40),
        cut in 1usize..60,
        in_phase: bool,
    ) {
        let phase = in_phase.then_some("load");
        let whole = random(&ticks, usize::MAX);
        let want = stats(Query::of([&whole as &dyn Source]).phase(phase).threads(1));
        let cut = random(&ticks, cut);
        let cut: &dyn Source = &cut;
        for threads in [1, 2, 4] {
            proptest::prop_assert_eq!(&want, &stats(Query::of([cut]).phase(phase).threads(threads)));
        }
        let bucket = By::Bucket { width_us: i64::MAX };
        proptest::prop_assert_eq!(&want, &stats(Query::of([cut]).phase(phase).group(bucket)));
    }
}
