//! Combines rows of one time stamp into an interval, with its real length, its wall clock time, and the events missing
//! in it.
//!
//! perf counts its time from the enabling of the counters, 50-150 ms after its start. Its position on our clocks
//! follows from the lines: each arrives after the time that it shows, so the smallest (arrival - time) is the closest
//! estimate.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use super::line::{PerfLine, PrintedCount};
use crate::collect::perf::now::Now;
use crate::collect::perf::rows::{CountStatus, EventName, Missing, PerfRow};
use crate::events::generic::CPU_CLOCK;
use crate::events::modifier::counts_nothing_in_user_mode;
use crate::events::name::{is_clock, parts, without_bracket};
use crate::events::request::Request;
use crate::table::sample::Stamp;

/// Maximum number of rows in one interval, and of names in one recording: 17 events on 3,800 CPUs.
const MOST_ROWS: usize = 65_536;
const MOST_NAMES: usize = 4_096;

/// A name that perf printed.
#[derive(Debug)]
struct KnownEvent {
    name: Arc<EventName>,
    is_clock: bool,
    /// It always stays at zero: it happens in the kernel, and only user mode is counted.
    is_never: bool,
    /// The requested events that a row with this name answers, as indices.
    answers: Vec<usize>,
}

/// One interval of perf.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    pub stamp: Stamp,
    pub rows: Vec<PerfRow>,
    /// The requested events that are not counted, comma-separated.
    pub missing: Option<Arc<str>>,
    /// More rows of an interval that was already handed over.
    pub continued: bool,
}

/// Repeated texts, each stored once. Limited, because the child may print anything.
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
    /// We added the clock to perf's list: its rows were not requested.
    hide_clock: bool,
    hidden: Vec<Arc<EventName>>,
    may_sleep: bool,
    zero_may_be_none: bool,
    /// An event was requested twice, on its own and in a group: one of its two rows is kept.
    may_repeat: bool,
    /// Rows in a complete interval, as seen in the trial run; zero: unknown.
    expected: usize,
    names: HashMap<Box<str>, Arc<KnownEvent>>,
    words: Words,
    missing: Missing,
    rows: Vec<PerfRow>,
    /// The time stamp of `rows`, and of the last interval handed over.
    time_ns: u64,
    previous_ns: u64,
    /// The length of the interval of `rows`, also for rows that arrive late.
    length_ns: u64,
    continued: bool,
    /// CLOCK_MONOTONIC at perf's time 0, at the latest; and the wall clock minus CLOCK_MONOTONIC, at the last arrival.
    zero_ns: Option<i64>,
    offset_ns: i64,
    /// Number of rows that were too many, or had too many names.
    pub refused: u64,
}

impl Intervals {
    pub fn new(requests: Arc<[Request]>, expected: usize) -> Self {
        Intervals {
            hide_clock: false,
            may_sleep: false,
            zero_may_be_none: false,
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

    /// Leaves out the rows of a clock that was not requested.
    pub fn hide_clock(mut self) -> Self {
        self.hide_clock = true;
        self
    }

    /// For processes and cgroups: an event that was never enabled did not run, and its count is zero.
    pub fn may_sleep(mut self) -> Self {
        self.may_sleep = true;
        self
    }

    /// Treats the zeros of events that cannot be counted in user mode alone as missing values.
    pub fn no_zeros_of_the_kernel(mut self) -> Self {
        self.zero_may_be_none = true;
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

    /// Whether an interval is open and waits for more rows.
    pub fn is_open(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Adds a row that arrived at `now`; an interval that this completes is added to `done`.
    pub fn add(&mut self, line: &PerfLine<'_>, now: Now, done: &mut Vec<Interval>) {
        if self.is_open() && line.time_ns != self.time_ns {
            self.flush(done);
        }
        if !self.is_open() {
            // The same stamp again: the interval had more rows than expected. An earlier stamp: perf started again
            // (`-r`).
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

    /// Hands over the current rows: no more rows of this interval will come.
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

    fn row(&mut self, line: &PerfLine<'_>) -> Option<PerfRow> {
        let known = self.known(line.event)?;
        let (mut value, status) = match line.reading {
            PrintedCount::Counted(0.0) | PrintedCount::NotCounted if known.is_never && self.zero_may_be_none => {
                (None, CountStatus::NotSupported)
            }
            PrintedCount::Counted(value) => (Some(value), CountStatus::Counted),
            // 100.00 means never enabled: the target slept all the time.
            PrintedCount::NotCounted if self.may_sleep && line.running_percent.is_some_and(|p| p >= 100.0) => {
                (Some(0.0), CountStatus::Counted)
            }
            PrintedCount::NotCounted => (None, CountStatus::NotCounted),
            PrintedCount::NotSupported => (None, CountStatus::NotSupported),
        };
        let running_percent = match status {
            CountStatus::Counted if line.reading == PrintedCount::NotCounted => None,
            CountStatus::Counted => line.running_percent,
            // Never enabled (a sleeping target) prints 100.00; never on a counter (no counter was free) prints 0.00.
            CountStatus::NotCounted => line.running_percent.filter(|percent| *percent < 100.0),
            CountStatus::NotSupported => None,
        };
        let unit = if known.is_clock {
            // perf 4 prints milliseconds with decimals and no unit, 6.17 prints whole nanoseconds and no unit.
            if line.unit.is_empty() && line.whole || line.unit == "ns" {
                value = value.map(|ns| ns / 1e6);
            }
            "msec"
        } else {
            line.unit
        };
        if status == CountStatus::Counted {
            known.answers.iter().for_each(|request| self.missing.answer(*request));
        }
        let target = match (line.key, line.cgroup) {
            (Some(key), Some(cgroup)) => self.words.get(&format!("{key} {cgroup}")),
            (one, other) => one.or(other).and_then(|word| self.words.get(word)),
        };
        if target.is_none() && (line.key.is_some() || line.cgroup.is_some()) {
            // Without its name it would look like the whole.
            return None;
        }
        let name = known.name.clone();
        Some(PerfRow { name, cpu: line.cpu, target, value, unit: self.words.get(unit), status, running_percent })
    }

    fn known(&mut self, printed: &str) -> Option<Arc<KnownEvent>> {
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
        // The modifiers of a group, which perf leaves out, are part of the name, unless the event was also requested
        // without them.
        let alone = requests().any(|r| !r.is_group() && r.is_answered_by(bare));
        let members = requests().filter(|r| !alone && r.is_group()).flat_map(Request::members);
        let same = |member: &String| parts(bare).modifiers.is_none() && parts(member).base == parts(bare).base;
        if let Some(member) = members.into_iter().find(same) {
            answered = answers(&member);
            name = member;
        }
        let named = name.clone();
        let parts = parts(&named);
        let known = Arc::new(KnownEvent {
            is_clock: is_clock(parts.base),
            is_never: counts_nothing_in_user_mode(&named)
                || !answered.is_empty() && answered.iter().all(|n| self.missing.events()[*n].counts_nothing_as(bare)),
            name: Arc::new(EventName {
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

/// Whether an event is requested twice.
fn has_repeats(requests: &[Request]) -> bool {
    let mut seen = HashSet::new();
    requests.iter().flat_map(Request::members).any(|member| !seen.insert(member))
}

#[cfg(test)]
#[path = "intervals_tests.rs"]
mod tests;
