//! What perf prints in one run: counts become intervals, and the first of the other lines are kept for the diagnosis.

use tokio::time::Instant;

use super::queue::{Report, Shared};
use crate::collect::perf::now::Now;
use crate::collect::perf::program::intervals::{Interval, Intervals};
use crate::collect::perf::program::line::{LineLayout, NoRow};
use crate::collect::perf::program::lines::Lines;
use crate::collect::perf::program::parse::each_row;
use crate::linux::lock::lock;

/// Lines between two intervals that are not rows; more are a flood.
const MOST_ODD: u64 = 10_000;

/// Number of odd lines kept for the diagnosis.
const ODD_KEPT: usize = 3;

/// The output of one perf process.
pub struct PerfOutput<'a> {
    layout: &'a LineLayout,
    queue: &'a Shared,
    intervals: &'a mut Intervals,
    lines: Lines,
    done: Vec<Interval>,
    began: Now,
    pub last_row: Option<Instant>,
    /// Lines that are not rows: all, those since the last row, and the first few.
    odd: u64,
    odd_since_row: u64,
    odd_kept: Vec<String>,
    /// How many of them were reported.
    odd_reported: u64,
}

impl<'a> PerfOutput<'a> {
    pub fn new(layout: &'a LineLayout, queue: &'a Shared, intervals: &'a mut Intervals) -> Self {
        intervals.restart();
        PerfOutput {
            layout,
            queue,
            intervals,
            lines: Lines::default(),
            done: Vec::new(),
            began: Now::read(),
            last_row: None,
            odd: 0,
            odd_since_row: 0,
            odd_kept: Vec::new(),
            odd_reported: 0,
        }
    }

    /// Whether rows of an interval were read that may not be complete.
    pub fn is_open(&self) -> bool {
        self.intervals.is_open()
    }

    /// Whether perf prints anything but rows.
    pub fn is_garbage(&self) -> bool {
        self.odd_since_row > MOST_ODD
    }

    pub fn feed(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        let now = Now::read();
        let PerfOutput { layout, intervals, lines, done, began, last_row, odd, odd_since_row, odd_kept, .. } = self;
        // A stamp from the future is garbage that looks like a row, and would falsify the anchor of all following rows.
        let age_ns = now.mono_ns.saturating_sub(began.mono_ns).saturating_add(1_000_000_000);
        lines.feed(chunk, |bytes| {
            let text = String::from_utf8_lossy(bytes.unwrap_or(b"(a line without end)"));
            each_row(&text, layout, |row| match row {
                Ok(row) if i64::try_from(row.time_ns).is_ok_and(|time| time <= age_ns) => {
                    let refused = intervals.refused;
                    intervals.add(&row, now, done);
                    *odd += intervals.refused - refused;
                    *last_row = Some(Instant::now());
                    *odd_since_row = 0;
                }
                Err(NoRow::Known) => *odd_since_row += 1,
                _ => {
                    *odd += 1;
                    *odd_since_row += 1;
                    if odd_kept.len() < ODD_KEPT {
                        odd_kept.push(text.chars().filter(|c| !c.is_control()).take(80).collect());
                    }
                }
            });
        });
        self.hand_over();
    }

    pub fn hand_over_rest(&mut self) {
        self.intervals.flush(&mut self.done);
        self.hand_over();
    }

    fn hand_over(&mut self) {
        if !self.done.is_empty() {
            let mut queue = lock(self.queue);
            for interval in self.done.drain(..) {
                queue.add(Report::Interval(interval));
            }
            drop(queue);
            if self.odd_reported == 0 {
                self.report_odd();
            }
        }
    }

    /// Reports lines that are not counts: at the first time, and at the end with their number.
    pub fn report_odd(&mut self) {
        if self.odd > self.odd_reported {
            self.odd_reported = self.odd;
            let lines = match self.odd {
                1 => "a line that is not a count: ".to_string(),
                n => format!("{n} lines that are not counts, such as "),
            };
            let text = format!("perf printed {lines}`{}`", self.odd_kept.join("`, `"));
            lock(self.queue).add(Report::Odd(text));
        }
    }

    /// The odd lines in words; empty if there were none.
    pub fn odd_words(&self) -> String {
        match self.odd {
            0 => String::new(),
            odd => format!("{odd} lines were not counts, such as `{}`", self.odd_kept.join("`, `")),
        }
    }
}
