//! Rows and intervals from captured and constructed output.

use super::*;
use crate::collect::perf::options::Per;
use crate::collect::perf::program::line::{LineFormat, LineLayout};
use crate::collect::perf::program::lines::Lines;
use crate::collect::perf::program::parse::each_row;
use proptest::prelude::*;

fn layout(per: Per) -> LineLayout {
    LineLayout { format: LineFormat::Csv { separator: ';' }, per, cgroups: false, events: Vec::new() }
}

/// The row of a line that has one.
fn line(text: &str) -> PerfLine<'_> {
    let mut found = None;
    each_row(text, &layout(Per::Whole), |row| found = row.ok());
    found.unwrap()
}

fn requests(names: &[&str]) -> Arc<[Request]> {
    names.iter().map(|n| Request::new(*n)).collect()
}

/// Reads a whole text at one instant, cut into chunks of these sizes.
fn read(text: &[u8], sizes: &[usize], intervals: &mut Intervals, keyed: bool) -> (Vec<Interval>, u64) {
    let layout = layout(if keyed { Per::Core } else { Per::Whole });
    let now = Now { mono_ns: 10_000_000_000, wall_ns: 1_795_000_000_000_000_000 };
    let (mut lines, mut done, mut odd) = (Lines::default(), Vec::new(), 0);
    let (mut rest, mut sizes) = (text, sizes.iter().cycle());
    while !rest.is_empty() {
        let (chunk, left) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        rest = left;
        lines.feed(chunk, |line| {
            let text = String::from_utf8_lossy(line.unwrap_or(b"?"));
            each_row(&text, &layout, |row| match row {
                Ok(row) => intervals.add(&row, now, &mut done),
                Err(_) => odd += 1,
            });
        });
    }
    intervals.flush(&mut done);
    (done, odd)
}

/// (event, cpu, value, unit, status, running)
type Plain<'a> = (&'a str, Option<i32>, Option<f64>, Option<&'a str>, &'a str, Option<f64>);

fn plain(interval: &Interval) -> Vec<Plain<'_>> {
    fn row(r: &PerfRow) -> Plain<'_> {
        (&r.name.printed, r.cpu, r.value, r.unit.as_deref(), r.status.word(), r.running_percent)
    }
    interval.rows.iter().map(row).collect()
}

/// Captured: perf 6.1.187, stopped by SIGINT; the last line is cut off as by a kill.
const CAPTURED: &str = "\
     1.001091601;2002.81;msec;cpu-clock;2002807735;100.00;2.003;CPUs utilized
     1.001091601;12301;;context-switches;2002807462;100.00;6.142;K/sec
     1.001091601;<not supported>;;cycles;0;100.00;;
     2.002768801;2002.98;msec;cpu-clock;2002976640;100.00;2.003;CPUs utilized
     2.002768801;6488;;context-switches;2002976856;100.00;3.239;K/sec
     2.002768801;<not supported>;;cycles;0;100.00;;
     2.292415449;579.32;msec;cpu-clock;579317333;100.00;0.579;CPUs utilized
     2.292415449;107;;context-switches;579317945;100.00;184.700;/sec
     2.292415449;<not supp";

#[test]
fn intervals_of_real_output() {
    for expected in [0, 3] {
        let mut intervals = Intervals::new(requests(&["cpu-clock", "context-switches", "cycles"]), expected);
        let (done, odd) = read(CAPTURED.as_bytes(), &[7], &mut intervals, false);
        assert_eq!((done.len(), odd), (3, 0));
        let lengths: Vec<f64> = done.iter().filter_map(|i| i.stamp.elapsed_s).collect();
        assert_eq!(lengths, [1.001091601, 1.0016772, 0.289646648]);
        assert_eq!(
            plain(&done[0]),
            [
                ("cpu-clock", None, Some(2002.81), Some("msec"), "counted", Some(100.0)),
                ("context-switches", None, Some(12301.0), None, "counted", Some(100.0)),
                ("cycles", None, None, None, "not_supported", None),
            ]
        );
        assert_eq!(done[2].rows.len(), 2, "the cut line is dropped");
        for interval in &done {
            assert_eq!(interval.missing.as_deref(), Some("cycles"));
        }
    }
}

#[test]
fn an_interval_is_complete_with_its_last_row() {
    let mut intervals = Intervals::new(requests(&["cs"]), 2);
    let now = Now { mono_ns: 5_000_000_000, wall_ns: 1_000_000_000_000 };
    let mut done = Vec::new();
    for (text, complete) in [
        ("1.000000000;1;;cs;1;100.00", 0),
        ("1.000000000;2;;faults;1;100.00", 1),
        ("1.000000000;3;;cycles;1;100.00", 1),
        ("2.000000000;4;;cs;1;100.00", 2),
        ("2.000000000;5;;faults;1;100.00", 3),
    ] {
        intervals.add(&line(text), now, &mut done);
        assert_eq!(done.len(), complete, "{text}");
    }
    assert_eq!(done.iter().map(|i| i.continued).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(done[2].stamp.elapsed_s, Some(1.0));
    assert_eq!(done[2].missing, None);
}

#[test]
fn the_stamp_is_anchored_at_the_earliest_arrival() {
    let mut intervals = Intervals::new(requests(&["cs"]), 1);
    let mut done = Vec::new();
    // Time 0 was at 100 s of the monotonic clock; the wall clock was 1,000,000 s ahead, and is set forward by 7 s
    // later. The lines arrived 90, 5 and 40 ms late.
    for (time, arrival_ms, ahead_s) in [(1, 101_090, 1_000_000), (2, 102_005, 1_000_000), (3, 103_040, 1_000_007)] {
        let mono_ns = arrival_ms * 1_000_000;
        let now = Now { mono_ns, wall_ns: mono_ns + ahead_s * 1_000_000_000 };
        let text = format!("{time}.000000000;1;;cs;1;100.00");
        intervals.add(&line(&text), now, &mut done);
    }
    let stamps: Vec<i64> = done.iter().map(|i| i.stamp.ts_us).collect();
    assert_eq!(stamps, [1_000_101_090_000, 1_000_102_005_000, 1_000_110_005_000]);
}

#[test]
fn a_smaller_time_starts_a_new_run() {
    let mut intervals = Intervals::new(requests(&["cs"]), 1);
    let text = b"1.000000000;1;;cs;1;100.00\n2.500000000;1;;cs;1;100.00\n0.750000000;1;;cs;1;100.00\n";
    let (done, _) = read(text, &[999], &mut intervals, false);
    let lengths: Vec<f64> = done.iter().filter_map(|i| i.stamp.elapsed_s).collect();
    assert_eq!(lengths, [1.0, 1.5, 0.75]);
}

#[test]
fn clocks_are_milliseconds() {
    // perf 4.15, 5.x, 6.17; and one that prints ns.
    let text = b"1.000000000;210.898701;;cpu-clock;210898701;100.00\n\
                 1.000000000;210.90;msec;task-clock;210898701;100.00;0.210;CPUs utilized\n\
                 1.000000000;210898701;;cpu-clock:u;210898701;100.00;;\n\
                 1.000000000;5000000;ns;duration_time;5000000;100.00;;\n\
                 1.000000000;<not counted>;;task-clock:k;0;0.00;;\n";
    let mut intervals = Intervals::new(requests(&["cpu-clock", "task-clock"]), 0);
    let (done, _) = read(text, &[999], &mut intervals, false);
    assert_eq!(
        plain(&done[0]),
        [
            ("cpu-clock", None, Some(210.898701), Some("msec"), "counted", Some(100.0)),
            ("task-clock", None, Some(210.9), Some("msec"), "counted", Some(100.0)),
            ("cpu-clock:u", None, Some(210.898701), Some("msec"), "counted", Some(100.0)),
            ("duration_time", None, Some(5_000_000.0), Some("ns"), "counted", Some(100.0)),
            ("task-clock:k", None, None, Some("msec"), "not_counted", Some(0.0)),
        ]
    );
}

#[test]
fn both_forms_of_not_counted() {
    let text = b"1.000000000;<not counted>;;cycles;0;100.00;;\n1.000000000;<not counted>;;branches;0;0.00;;\n";
    let (done, _) = read(text, &[5], &mut Intervals::new(requests(&["cycles", "branches"]), 0), false);
    let running: Vec<_> = done[0].rows.iter().map(|r| (r.status.word(), r.running_percent)).collect();
    assert_eq!(running, [("not_counted", None), ("not_counted", Some(0.0))], "never enabled; no free counter");
    assert_eq!(done[0].missing.as_deref(), Some("cycles,branches"));
}

#[test]
fn keys_and_hybrid_cpus() {
    let text = b"1.000000000;CPU0;10;;cpu_core/cycles/;5;100.00;;\n1.000000000;CPU8;<not counted>;;cpu_atom/cycles/;0;0.00;;\n\
                 1.000000000;S0-D0-C1;2;30;;cycles:u [cpu];5;100.00;;\n";
    let (done, _) = read(text, &[64], &mut Intervals::new(requests(&["cycles", "branches"]), 0), true);
    let rows: Vec<_> = done[0]
        .rows
        .iter()
        .map(|r| (&*r.name.printed, r.name.pmu.as_deref(), r.name.modifiers.as_deref(), r.cpu, r.target.as_deref()))
        .collect();
    assert_eq!(
        rows,
        [
            ("cpu_core/cycles/", Some("cpu_core"), None, Some(0), None),
            ("cpu_atom/cycles/", Some("cpu_atom"), None, Some(8), None),
            ("cycles:u", Some("cpu"), Some("u"), None, Some("S0-D0-C1")),
        ]
    );
    assert_eq!(done[0].missing.as_deref(), Some("branches"));
}

#[test]
fn an_event_requested_twice_has_one_row() {
    let text = b"1.000000000;7;;cs;5;100.00;;\n1.000000000;7;;cs;5;100.00;;\n1.000000000;2;;page-faults;5;100.00;;\n";
    let (done, _) = read(text, &[64], &mut Intervals::new(requests(&["cs", "{cs,page-faults}"]), 0), false);
    assert_eq!(plain(&done[0]).iter().map(|r| r.0).collect::<Vec<_>>(), ["cs", "page-faults"]);
    assert_eq!(done[0].missing, None);
}

#[test]
fn a_sleeping_target_has_a_count_of_zero() {
    let text = b"1.000000000;<not counted>;;cs;0;100.00;;\n1.000000000;<not counted>;;cycles;0;0.00;;\n";
    let (done, _) = read(text, &[64], &mut Intervals::new(requests(&["cs", "cycles"]), 0).may_sleep(), false);
    let rows: Vec<_> = done[0].rows.iter().map(|r| (r.value, r.status.word(), r.running_percent)).collect();
    assert_eq!(rows, [(Some(0.0), "counted", None), (None, "not_counted", Some(0.0))]);
    assert_eq!(done[0].missing.as_deref(), Some("cycles"));
}

#[test]
fn a_zero_of_a_kernel_event_in_user_mode_is_null() {
    let text =
        b"1.000000000;0;;cs:u;5;100.00;;\n1.000000000;0;;faults:u;5;100.00;;\n1.000000000;3;;migrations:u;5;100.00;;\n";
    let all = || Intervals::new(requests(&["cs", "faults", "migrations"]), 0);
    let rows = |done: &[Interval]| -> Vec<(Option<f64>, &str, Option<f64>)> {
        done[0].rows.iter().map(|r| (r.value, r.status.word(), r.running_percent)).collect()
    };
    let (done, _) = read(text, &[64], &mut all().no_zeros_of_the_kernel(), false);
    let expected =
        [(None, "not_supported", None), (Some(0.0), "counted", Some(100.0)), (Some(3.0), "counted", Some(100.0))];
    assert_eq!(rows(&done), expected);
    assert_eq!(done[0].missing.as_deref(), Some("cs"));
    let asleep = b"1.000000000;<not counted>;;cs:u;0;100.00;;\n";
    let (done, _) = read(asleep, &[64], &mut all().may_sleep().no_zeros_of_the_kernel(), false);
    assert_eq!(rows(&done), [(None, "not_supported", None)]);
}

#[test]
fn only_a_clock_that_was_not_requested_is_hidden() {
    let text = b"1.000000000;7;msec;cpu-clock:u;5;100.00;;\n1.000000000;9;msec;cpu-clock;5;100.00;;\n1.000000000;1;;x;5;100.00;;\n";
    let events = |asked: &[&str]| {
        let (done, _) = read(text, &[64], &mut Intervals::new(requests(asked), 0).hide_clock(), false);
        done[0].rows.iter().map(|r| r.name.printed.clone()).collect::<Vec<_>>()
    };
    assert_eq!(events(&["cpu-clock:u"]), ["cpu-clock:u", "x"]);
    assert_eq!(events(&["{cpu-clock,cs}"]), ["cpu-clock:u", "cpu-clock", "x"]);
}

#[test]
fn endless_names_and_rows_are_refused() {
    let mut intervals = Intervals::new(requests(&["cs"]), 0);
    let now = Now { mono_ns: 0, wall_ns: 0 };
    let mut done = Vec::new();
    for i in 0..MOST_ROWS + 10 {
        let text = format!("1.000000000;1;;event{};1;100.00", i % 5000);
        intervals.add(&line(&text), now, &mut done);
    }
    intervals.flush(&mut done);
    assert_eq!(done.len(), 1);
    assert!(done[0].rows.len() <= MOST_ROWS && intervals.refused > 10, "{}", intervals.refused);
    assert_eq!(intervals.names.len(), MOST_NAMES);
}

proptest! {
    #[test]
    fn bytes_never_panic_and_cuts_change_nothing(
        pieces in prop::collection::vec(prop_oneof![
            Just(&b"1.000000000;1;;cs;1;100.00\n"[..]),
            Just(&b"     2.000000000;<not counted>;;cycles:u;0;0.00;;\n"[..]),
            Just(&b"0.500000000;18446744073709551616;;cs;1;100.00\n"[..]),
            Just(&b"9999999999.999999999;1;;cs;1;100.00\r\n"[..]),
            Just(&b";;;\n"[..]), Just(&b"\n"[..]), Just(&b"\xff\x00"[..]), Just(&b"1.000000000;"[..]), Just(&b"1"[..]),
        ], 0..40),
        sizes in prop::collection::vec(1usize..40, 1..10),
        expected in 0usize..4,
    ) {
        let text = pieces.concat();
        let fresh = || Intervals::new(requests(&["cs", "cycles"]), expected);
        let whole = read(&text, &[usize::MAX], &mut fresh(), false);
        let cut = read(&text, &sizes, &mut fresh(), false);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&text, &[16], &mut Intervals::new(requests(&["cs"]), 1), true);
    }
}
