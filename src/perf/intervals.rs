//! Rows of one time stamp become an interval: with its true length, its place on the wall clock, and what is missing in it.
//!
//! perf counts its time from the enabling of the counters, 50-150 ms after its start. Where that lies on our clocks
//! follows from the lines: each arrives after the time that it names, so the earliest (arrival - time) is nearest.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use super::event::{self, Request};
use super::stat::{self, Reading};
use crate::sample::Stamp;

/// More rows than this in one interval, or names in one recording, are not perf's: 17 events on 3,800 CPUs.
const MOST_ROWS: usize = 65_536;
const MOST_NAMES: usize = 4_096;

/// Both clocks at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub mono_ns: i64,
    pub wall_ns: i64,
}

impl Now {
    pub fn read() -> Now {
        Now { mono_ns: clock_ns(libc::CLOCK_MONOTONIC), wall_ns: clock_ns(libc::CLOCK_REALTIME) }
    }
}

// Both fields are 32 bits wide on some machines.
#[allow(clippy::unnecessary_cast)]
fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; the two clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut time) };
    (time.tv_sec as i64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as i64)
}

/// An event as perf printed it, with its parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    pub printed: String,
    pub pmu: Option<String>,
    pub modifiers: Option<String>,
    is_clock: bool,
    /// The requests that a row of this name answers, as indices.
    answers: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Counted,
    NotCounted,
    NotSupported,
}

impl Status {
    pub const fn word(self) -> &'static str {
        match self {
            Status::Counted => "counted",
            Status::NotCounted => "not_counted",
            Status::NotSupported => "not_supported",
        }
    }
}

/// A row of the table `perf`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: Arc<Name>,
    pub cpu: Option<i32>,
    pub target: Option<Arc<str>>,
    /// The count of the interval, scaled by perf where the event shared its counter; clocks in milliseconds.
    pub value: Option<f64>,
    pub unit: Option<Arc<str>>,
    pub status: Status,
    /// Percent of its enabled time that the event was on a counter; null where it was never enabled.
    pub running_percent: Option<f64>,
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
    requests: Arc<[Request]>,
    /// Rows in a complete interval, as the trial run showed them; zero: not known.
    expected: usize,
    names: HashMap<Box<str>, Arc<Name>>,
    words: Words,
    /// For each request, whether it was counted in the interval; and the same of the interval before, which `missing` tells of.
    answered: Vec<bool>,
    answered_before: Vec<bool>,
    missing: Option<Arc<str>>,
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
            answered: vec![false; requests.len()],
            answered_before: Vec::new(),
            requests,
            expected,
            names: HashMap::new(),
            words: Words::default(),
            missing: None,
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
    pub fn add(&mut self, line: &stat::Line<'_>, now: Now, done: &mut Vec<Interval>) {
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
        self.find_missing();
        let rows = mem::replace(&mut self.rows, Vec::with_capacity(self.expected));
        done.push(Interval {
            stamp: Stamp { ts_us: wall_ns / 1000, elapsed_s: Some(self.length_ns as f64 / 1e9) },
            rows,
            missing: self.missing.clone(),
            continued: self.continued,
        });
        self.previous_ns = self.time_ns;
        self.continued = false;
    }

    fn row(&mut self, line: &stat::Line<'_>) -> Option<Row> {
        let name = self.name(line.event)?;
        let (mut value, status) = match line.reading {
            Reading::Counted(value) => (Some(value), Status::Counted),
            Reading::NotCounted => (None, Status::NotCounted),
            Reading::NotSupported => (None, Status::NotSupported),
        };
        let running_percent = match status {
            Status::Counted => line.running_percent,
            // Never enabled (a sleeping target) prints 100.00, never on a counter (crowded out) prints 0.00.
            Status::NotCounted => line.running_percent.filter(|percent| *percent < 100.0),
            Status::NotSupported => None,
        };
        let unit = if name.is_clock {
            // perf 4 prints milliseconds with decimals and no unit, 6.17 whole nanoseconds and no unit.
            if line.unit.is_empty() && !line.decimal || line.unit == "ns" {
                value = value.map(|ns| ns / 1e6);
            }
            "msec"
        } else {
            line.unit
        };
        let cpu = line.key.and_then(stat::cpu);
        let target = line.key.filter(|_| cpu.is_none()).and_then(|key| self.words.get(key));
        Some(Row { name, cpu, target, value, unit: self.words.get(unit), status, running_percent })
    }

    fn name(&mut self, printed: &str) -> Option<Arc<Name>> {
        if let Some(known) = self.names.get(printed) {
            return Some(known.clone());
        }
        if self.names.len() >= MOST_NAMES {
            return None;
        }
        let parts = event::parts(printed);
        let (bare, _) = event::without_bracket(printed);
        let answers = (0..self.requests.len()).filter(|i| self.requests[*i].is_answered_by(bare)).collect();
        let name = Arc::new(Name {
            printed: bare.to_string(),
            pmu: parts.pmu.map(str::to_string),
            modifiers: parts.modifiers.map(str::to_string),
            is_clock: event::is_clock(parts.base),
            answers,
        });
        self.names.insert(printed.into(), name.clone());
        Some(name)
    }

    /// Which requests have no counted row; the text is built anew only when that changed.
    fn find_missing(&mut self) {
        self.answered.fill(false);
        for row in self.rows.iter().filter(|row| row.status == Status::Counted) {
            for answer in &row.name.answers {
                self.answered[*answer] = true;
            }
        }
        if self.answered != self.answered_before {
            let requests = self.requests.iter().zip(&self.answered);
            let names: Vec<&str> = requests.filter(|(_, answered)| !**answered).map(|(r, _)| &*r.text).collect();
            self.missing = Some(names.join(",")).filter(|names| !names.is_empty()).map(Into::into);
            self.answered_before.clone_from(&self.answered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::lines::Lines;
    use crate::perf::stat::Layout;
    use proptest::prelude::*;

    fn requests(names: &[&str]) -> Arc<[Request]> {
        names.iter().map(|n| Request::new(*n)).collect()
    }

    /// All of a text at one instant, as (chunk sizes) cut it.
    fn read(text: &[u8], sizes: &[usize], intervals: &mut Intervals, keyed: bool) -> (Vec<Interval>, u64) {
        let layout = Layout { separator: ';', keyed, events: Vec::new() };
        let now = Now { mono_ns: 10_000_000_000, wall_ns: 1_795_000_000_000_000_000 };
        let (mut lines, mut done, mut odd) = (Lines::default(), Vec::new(), 0);
        let (mut rest, mut sizes) = (text, sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, left) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
            rest = left;
            lines.feed(chunk, |line| {
                let text = String::from_utf8_lossy(line.unwrap_or(b"?"));
                match stat::line(&text, &layout) {
                    Ok(row) => intervals.add(&row, now, &mut done),
                    Err(_) => odd += 1,
                }
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
        let layout = Layout { separator: ';', keyed: false, events: Vec::new() };
        let now = Now { mono_ns: 5_000_000_000, wall_ns: 1_000_000_000_000 };
        let mut done = Vec::new();
        for (line, complete) in [
            ("1.000000000;1;;cs;1;100.00", 0),
            ("1.000000000;2;;faults;1;100.00", 1),
            ("1.000000000;3;;cycles;1;100.00", 1),
            ("2.000000000;4;;cs;1;100.00", 2),
            ("2.000000000;5;;faults;1;100.00", 3),
        ] {
            intervals.add(&stat::line(line, &layout).unwrap(), now, &mut done);
            assert_eq!(done.len(), complete, "{line}");
        }
        assert_eq!(done.iter().map(|i| i.continued).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(done[2].stamp.elapsed_s, Some(1.0));
        assert_eq!(done[2].missing, None);
    }

    #[test]
    fn the_stamp_is_anchored_at_the_earliest_arrival() {
        let mut intervals = Intervals::new(requests(&["cs"]), 1);
        let layout = Layout { separator: ';', keyed: false, events: Vec::new() };
        let mut done = Vec::new();
        // Time 0 was at 100 s of the monotonic clock; the wall clock was 1,000,000 s ahead, and is set 7 s forward later.
        // The lines came 90, 5 and 40 ms late.
        for (time, arrival_ms, ahead_s) in [(1, 101_090, 1_000_000), (2, 102_005, 1_000_000), (3, 103_040, 1_000_007)] {
            let mono_ns = arrival_ms * 1_000_000;
            let now = Now { mono_ns, wall_ns: mono_ns + ahead_s * 1_000_000_000 };
            let text = format!("{time}.000000000;1;;cs;1;100.00");
            intervals.add(&stat::line(&text, &layout).unwrap(), now, &mut done);
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
    fn endless_names_and_rows_are_refused() {
        let mut intervals = Intervals::new(requests(&["cs"]), 0);
        let layout = Layout { separator: ';', keyed: false, events: Vec::new() };
        let now = Now { mono_ns: 0, wall_ns: 0 };
        let mut done = Vec::new();
        for i in 0..MOST_ROWS + 10 {
            let text = format!("1.000000000;1;;event{};1;100.00", i % 5000);
            intervals.add(&stat::line(&text, &layout).unwrap(), now, &mut done);
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
