//! Rows of one time stamp become an interval: with its true length, its place on the wall clock, and what is missing in it.
//!
//! perf counts its time from the enabling of the counters, 50-150 ms after its start. Where that lies on our clocks
//! follows from the lines: each arrives after the time that it names, so the earliest (arrival - time) is nearest.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use super::line::{Line, Reading};
use crate::perf::event::generic::CPU_CLOCK;
use crate::perf::event::name::{is_clock, parts, without_bracket};
use crate::perf::event::request::Request;
use crate::perf::now::Now;
use crate::perf::rows::{Missing, Name, Row, Status};
use crate::sample::Stamp;

/// More rows than this in one interval, or names in one recording, are not perf's: 17 events on 3,800 CPUs.
const MOST_ROWS: usize = 65_536;
const MOST_NAMES: usize = 4_096;

/// A name that perf printed.
#[derive(Debug)]
struct Known {
    name: Arc<Name>,
    is_clock: bool,
    /// The events asked for that a row of this name answers, as indices.
    answers: Vec<usize>,
}

/// One interval of perf.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    pub stamp: Stamp,
    pub rows: Vec<Row>,
    /// The events asked for that it does not count, comma-separated.
    pub missing: Option<Arc<str>>,
    /// Further rows of an interval that was already handed over.
    pub continued: bool,
}

/// Texts that come again and again, each kept once; bounded, for the child may print anything.
#[derive(Default)]
struct Words(HashMap<Box<str>, Arc<str>>);

impl Words {
    /// `None` for empty text, and when there are too many.
    fn get(&mut self, text: &str) -> Option<Arc<str>> {
        if let Some(known) = self.0.get(text) {
            return Some(known.clone());
        }
        if text.is_empty() || self.0.len() >= MOST_NAMES {
            return None;
        }
        let word: Arc<str> = text.into();
        self.0.insert(text.into(), word.clone());
        Some(word)
    }
}

/// Collects rows until their interval is complete.
pub struct Intervals {
    /// The clock was put into perf's list by us: nobody asked for its rows.
    hide_clock: bool,
    hidden: Vec<Arc<Name>>,
    may_sleep: bool,
    /// One event was asked for twice, by itself and in a group: of its two rows one is kept.
    may_repeat: bool,
    /// Rows in a complete interval, as the trial run showed them; zero: not known.
    expected: usize,
    names: HashMap<Box<str>, Arc<Known>>,
    words: Words,
    missing: Missing,
    rows: Vec<Row>,
    /// The time stamp of `rows`, and of the last interval handed over.
    time_ns: u64,
    previous_ns: u64,
    /// The length of the interval of `rows`, also for those that come late.
    length_ns: u64,
    continued: bool,
    /// CLOCK_MONOTONIC at perf's time 0, at the latest; and the wall clock less CLOCK_MONOTONIC, at the last receipt.
    zero_ns: Option<i64>,
    offset_ns: i64,
    /// Rows that were too many, or had too many names.
    pub refused: u64,
}

impl Intervals {
    pub fn new(requests: Arc<[Request]>, expected: usize) -> Self {
        Intervals {
            hide_clock: false,
            may_sleep: false,
            hidden: Vec::new(),
            may_repeat: has_repeats(&requests),
            expected,
            names: HashMap::new(),
            words: Words::default(),
            missing: Missing::new(requests),
            rows: Vec::new(),
            time_ns: 0,
            previous_ns: 0,
            length_ns: 0,
            continued: false,
            zero_ns: None,
            offset_ns: 0,
            refused: 0,
        }
    }

    /// Leaves out the rows of a clock that nobody asked for.
    pub fn hide_clock(mut self) -> Self {
        self.hide_clock = true;
        self
    }

    /// Processes and cgroups are counted: what was never enabled did not run, and its count is zero.
    pub fn may_sleep(mut self) -> Self {
        self.may_sleep = true;
        self
    }

    /// A new child counts its time from its own start. The unfinished interval of the old one must be flushed before.
    pub fn restart(&mut self) {
        self.rows.clear();
        self.time_ns = 0;
        self.previous_ns = 0;
        self.continued = false;
        self.zero_ns = None;
    }

    /// Is an interval open, waiting for further rows?
    pub fn is_open(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Adds a row that arrived at `now`; an interval that this completes goes to `done`.
    pub fn add(&mut self, line: &Line<'_>, now: Now, done: &mut Vec<Interval>) {
        if self.is_open() && line.time_ns != self.time_ns {
            self.flush(done);
        }
        if !self.is_open() {
            // The same stamp again: the interval had more rows than expected. An earlier one: perf began anew (`-r`).
            self.continued = line.time_ns == self.previous_ns && self.previous_ns > 0;
            if line.time_ns < self.previous_ns {
                self.restart();
            }
            self.time_ns = line.time_ns;
        }
        let time_ns = i64::try_from(line.time_ns).unwrap_or(i64::MAX);
        let zero_ns = now.mono_ns.saturating_sub(time_ns);
        self.zero_ns = Some(self.zero_ns.map_or(zero_ns, |earliest| earliest.min(zero_ns)));
        self.offset_ns = now.wall_ns.saturating_sub(now.mono_ns);

        match self.row(line) {
            Some(row) if self.rows.len() < MOST_ROWS => self.rows.push(row),
            _ => self.refused += 1,
        }
        if !self.continued && self.rows.len() == self.expected {
            self.flush(done);
        }
    }

    /// Hands over what there is: no more rows of this interval are to come.
    pub fn flush(&mut self, done: &mut Vec<Interval>) {
        if !self.is_open() {
            return;
        }
        if !self.continued {
            self.length_ns = self.time_ns.saturating_sub(self.previous_ns);
        }
        let time_ns = i64::try_from(self.time_ns).unwrap_or(i64::MAX);
        let wall_ns = self.zero_ns.unwrap_or(0).saturating_add(time_ns).saturating_add(self.offset_ns);
        let mut rows = mem::replace(&mut self.rows, Vec::with_capacity(self.expected));
        if self.hide_clock {
            rows.retain(|row| !self.hidden.iter().any(|clock| Arc::ptr_eq(&row.name, clock)));
        }
        if self.may_repeat {
            let mut seen = HashSet::new();
            rows.retain(|row| seen.insert((Arc::as_ptr(&row.name), row.cpu, row.target.clone())));
        }
        done.push(Interval {
            stamp: Stamp { ts_us: wall_ns / 1000, elapsed_s: Some(self.length_ns as f64 / 1e9) },
            rows,
            missing: self.missing.take(),
            continued: self.continued,
        });
        self.previous_ns = self.time_ns;
        self.continued = false;
    }

    fn row(&mut self, line: &Line<'_>) -> Option<Row> {
        let known = self.known(line.event)?;
        let (mut value, status) = match line.reading {
            Reading::Counted(value) => (Some(value), Status::Counted),
            // Never enabled, says 100.00: the target slept all the time.
            Reading::NotCounted if self.may_sleep && line.running_percent.is_some_and(|p| p >= 100.0) => {
                (Some(0.0), Status::Counted)
            }
            Reading::NotCounted => (None, Status::NotCounted),
            Reading::NotSupported => (None, Status::NotSupported),
        };
        let running_percent = match status {
            Status::Counted if line.reading == Reading::NotCounted => None,
            Status::Counted => line.running_percent,
            // Never enabled (a sleeping target) prints 100.00, never on a counter (crowded out) prints 0.00.
            Status::NotCounted => line.running_percent.filter(|percent| *percent < 100.0),
            Status::NotSupported => None,
        };
        let unit = if known.is_clock {
            // perf 4 prints milliseconds with decimals and no unit, 6.17 whole nanoseconds and no unit.
            if line.unit.is_empty() && line.whole || line.unit == "ns" {
                value = value.map(|ns| ns / 1e6);
            }
            "msec"
        } else {
            line.unit
        };
        if status == Status::Counted {
            known.answers.iter().for_each(|request| self.missing.answer(*request));
        }
        let target = match (line.key, line.cgroup) {
            (Some(key), Some(cgroup)) => self.words.get(&format!("{key} {cgroup}")),
            (one, other) => one.or(other).and_then(|word| self.words.get(word)),
        };
        if target.is_none() && (line.key.is_some() || line.cgroup.is_some()) {
            // Without its name it would pass for the whole.
            return None;
        }
        let name = known.name.clone();
        Some(Row { name, cpu: line.cpu, target, value, unit: self.words.get(unit), status, running_percent })
    }

    fn known(&mut self, printed: &str) -> Option<Arc<Known>> {
        if let Some(known) = self.names.get(printed) {
            return Some(known.clone());
        }
        if self.names.len() >= MOST_NAMES {
            return None;
        }
        let (bare, bracket) = without_bracket(printed);
        let events = || self.missing.events().iter().enumerate();
        let answers = |name: &str| events().filter(|(_, e)| e.is_answered_by(name)).map(|(n, _)| n).collect();
        let requests = || self.missing.requests().iter();
        let mut name = bare.to_string();
        let mut answered: Vec<usize> = answers(bare);
        // The letters of a group, which perf leaves out, are part of the name, unless the event was asked for without as well.
        let alone = requests().any(|r| !r.is_group() && r.is_answered_by(bare));
        let members = requests().filter(|r| !alone && r.is_group()).flat_map(Request::members);
        let same = |member: &String| parts(bare).modifiers.is_none() && parts(member).base == parts(bare).base;
        if let Some(member) = members.into_iter().find(same) {
            answered = answers(&member);
            name = member;
        }
        let named = name.clone();
        let parts = parts(&named);
        let known = Arc::new(Known {
            is_clock: is_clock(parts.base),
            name: Arc::new(Name {
                pmu: parts.pmu.or(bracket).map(str::to_string),
                modifiers: parts.modifiers.map(str::to_string),
                printed: name,
            }),
            answers: answered,
        });
        if known.answers.is_empty() && parts.base == CPU_CLOCK {
            self.hidden.push(known.name.clone());
        }
        self.names.insert(printed.into(), known.clone());
        Some(known)
    }
}

/// Is an event among the requests twice?
fn has_repeats(requests: &[Request]) -> bool {
    let mut seen = HashSet::new();
    requests.iter().flat_map(Request::members).any(|member| !seen.insert(member))
}

#[cfg(test)]
mod tests {
    use super::super::line::{Format, Layout, each_row};
    use super::super::lines::Lines;
    use super::*;
    use crate::collector::Per;
    use proptest::prelude::*;

    fn layout(per: Per) -> Layout {
        Layout { format: Format::Csv { separator: ';' }, per, cgroups: false, events: Vec::new() }
    }

    /// One row of a line that has one.
    fn line(text: &str) -> Line<'_> {
        let mut found = None;
        each_row(text, &layout(Per::Whole), |row| found = row.ok());
        found.unwrap()
    }

    fn requests(names: &[&str]) -> Arc<[Request]> {
        names.iter().map(|n| Request::new(*n)).collect()
    }

    /// All of a text at one instant, as (chunk sizes) cut it.
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
        fn row(r: &Row) -> Plain<'_> {
            (&r.name.printed, r.cpu, r.value, r.unit.as_deref(), r.status.word(), r.running_percent)
        }
        interval.rows.iter().map(row).collect()
    }

    /// Captured: perf 6.1.187, stopped by SIGINT; the last line is cut as by a kill.
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
        // Time 0 was at 100 s of the monotonic clock; the wall clock was 1,000,000 s ahead, and is set 7 s forward later.
        // The lines came 90, 5 and 40 ms late.
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
    fn a_time_that_goes_back_is_a_new_run() {
        let mut intervals = Intervals::new(requests(&["cs"]), 1);
        let text = b"1.000000000;1;;cs;1;100.00\n2.500000000;1;;cs;1;100.00\n0.750000000;1;;cs;1;100.00\n";
        let (done, _) = read(text, &[999], &mut intervals, false);
        let lengths: Vec<f64> = done.iter().filter_map(|i| i.stamp.elapsed_s).collect();
        assert_eq!(lengths, [1.0, 1.5, 0.75]);
    }

    #[test]
    fn clocks_are_milliseconds() {
        // perf 4.15, 5.x, 6.17; and one that says ns.
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
    fn both_ways_of_not_being_counted() {
        let text = b"1.000000000;<not counted>;;cycles;0;100.00;;\n1.000000000;<not counted>;;branches;0;0.00;;\n";
        let (done, _) = read(text, &[5], &mut Intervals::new(requests(&["cycles", "branches"]), 0), false);
        let running: Vec<_> = done[0].rows.iter().map(|r| (r.status.word(), r.running_percent)).collect();
        assert_eq!(running, [("not_counted", None), ("not_counted", Some(0.0))], "never enabled; crowded out");
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
    fn what_was_asked_for_twice_has_one_row() {
        let text =
            b"1.000000000;7;;cs;5;100.00;;\n1.000000000;7;;cs;5;100.00;;\n1.000000000;2;;page-faults;5;100.00;;\n";
        let (done, _) = read(text, &[64], &mut Intervals::new(requests(&["cs", "{cs,page-faults}"]), 0), false);
        assert_eq!(plain(&done[0]).iter().map(|r| r.0).collect::<Vec<_>>(), ["cs", "page-faults"]);
        assert_eq!(done[0].missing, None);
    }

    #[test]
    fn a_target_that_sleeps_counts_nothing_which_is_a_count() {
        let text = b"1.000000000;<not counted>;;cs;0;100.00;;\n1.000000000;<not counted>;;cycles;0;0.00;;\n";
        let (done, _) = read(text, &[64], &mut Intervals::new(requests(&["cs", "cycles"]), 0).may_sleep(), false);
        let rows: Vec<_> = done[0].rows.iter().map(|r| (r.value, r.status.word(), r.running_percent)).collect();
        assert_eq!(rows, [(Some(0.0), "counted", None), (None, "not_counted", Some(0.0))]);
        assert_eq!(done[0].missing.as_deref(), Some("cycles"));
    }

    #[test]
    fn only_the_clock_that_nobody_asked_for_is_hidden() {
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
}
