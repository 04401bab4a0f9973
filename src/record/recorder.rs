//! The loop: a tick, every collector, its rows, the sink; and one row about how it went. Between two ticks marks are
//! stored, and where one starts or ends a phase, there is a tick off the grid: so that each interval lies in one phase.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::collect::collector::{Collector, Entry};
use crate::collect::health::{self, Health};
use crate::linux::clock::{Clock, Lateness, Now, Stop, Ticker, Woken, process_cpu_us};
use crate::linux::files::HeldFile;
use crate::mark::intake::Intake;
use crate::mark::queue::{Mark, queue};
use crate::store::journal::codec::TickStamp;
use crate::store::write::{Sink, WriteError};
use crate::table::TableDef;
use crate::table::sample::Sample;

/// Each collector's row in table `collector` is due this often.
const HEALTH_EVERY_NS: u64 = 60_000_000_000;

/// Ticks at the boundaries of phases are no nearer to each other than this, or half the interval: a storm of marks must not
/// become one of samples. The next tick on the grid is no nearer either.
const BOUNDARIES_NS: u64 = 10_000_000;

/// A tick that began less than this before stands for one at the boundary: percentages of so little time would be noise.
const SAME_NS: u64 = 1_000_000;

/// Warnings beyond this many go to table `collector` alone.
const MOST_WARNINGS: usize = 50;

/// What the loop tells while it runs: read by the progress line and for the manifest.
#[derive(Debug, Default)]
pub struct Progress {
    pub ticks: AtomicU64,
    pub missed: AtomicU64,
    pub lost: AtomicU64,
    pub marks: AtomicU64,
    pub journal_bytes: AtomicU64,
    pub sync_failures: AtomicU64,
    failing: Mutex<Vec<&'static str>>,
}

impl Progress {
    /// Collectors whose last sample failed.
    pub fn failing(&self) -> Vec<&'static str> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What users should hear at once.
#[derive(Debug)]
pub enum Notice {
    /// The first sample was taken.
    Begun,
    /// A collector's rows stand, but something in them could not be read. Said once.
    Incomplete { collector: &'static str, warning: String },
    /// A collector's sample failed, after ones that did not.
    Failing { collector: &'static str, error: String },
    /// It works again.
    Recovered { collector: &'static str },
    /// A tick could not be written, after ones that could.
    CannotWrite(WriteError),
    /// Ticks are written again; so many were lost.
    WritesAgain { lost: u64 },
}

/// A collector at work.
struct Running {
    entry: &'static Entry,
    collector: Box<dyn Collector>,
    cadence_ns: u64,
    last_ns: Option<u64>,
    /// Rows of its last sample that did not fail.
    rows: usize,
    health: Tally,
    failing: bool,
}

impl Running {
    fn is_due(&self, mono_ns: u64, interval: Duration) -> bool {
        // Half an interval of grace: a tick that is a little early must not put the sample off to the next.
        let grace_ns = interval.as_nanos() as u64 / 2;
        self.last_ns.is_none_or(|at| mono_ns + grace_ns >= at.saturating_add(self.cadence_ns))
    }
}

/// Health since the last row about it.
#[derive(Default)]
struct Tally {
    samples: u64,
    rows: u64,
    total_ns: u64,
    max_ns: u64,
    errors: u64,
    error: Option<String>,
}

impl Tally {
    fn take(&mut self, collector: &'static str) -> Health {
        let tally = std::mem::take(self);
        Health {
            collector,
            samples: tally.samples,
            rows: tally.rows,
            collect_us_mean: (tally.samples > 0).then(|| tally.total_ns as f64 / 1000.0 / tally.samples as f64),
            collect_us_max: (tally.samples > 0).then_some(tally.max_ns / 1000),
            errors: tally.errors,
            error: tally.error,
        }
    }
}

/// One session's loop.
pub struct Recorder<'c> {
    interval: Duration,
    collectors: Vec<Running>,
    sample: Sample<'c>,
    sink: Sink<'c>,
    progress: Arc<Progress>,
    notify: Box<dyn Fn(Notice) + Send>,
    ticks: u64,
    marks: Intake,
    /// When the last tick began, and the last at a boundary of phases.
    sampled_ns: u64,
    boundary_ns: Option<u64>,
    health_due_ns: Option<u64>,
    health: Vec<Health>,
    statm: Option<HeldFile>,
    page_size: u64,
    lost_in_a_row: u64,
    /// Warnings that were said.
    told: HashSet<String>,
}

impl<'c> Recorder<'c> {
    pub fn new(
        interval: Duration,
        collectors: Vec<(&'static Entry, Box<dyn Collector>)>,
        catalog: &'c [TableDef],
        sink: Sink<'c>,
        progress: Arc<Progress>,
        notify: Box<dyn Fn(Notice) + Send>,
    ) -> Self {
        let run = |(entry, collector): (&'static Entry, _)| Running {
            entry,
            collector,
            cadence_ns: entry.cadence.as_nanos() as u64,
            last_ns: None,
            rows: 0,
            health: Tally::default(),
            failing: false,
        };
        Recorder {
            interval,
            collectors: collectors.into_iter().map(run).collect(),
            sample: Sample::new(catalog),
            sink,
            progress,
            notify,
            ticks: 0,
            // Nobody has the other end.
            marks: Intake::new(queue(Stop::default()).1),
            sampled_ns: 0,
            boundary_ns: None,
            health_due_ns: None,
            health: Vec::new(),
            statm: HeldFile::open("/proc/self/statm").ok(),
            page_size: procfs::page_size(),
            lost_in_a_row: 0,
            told: HashSet::new(),
        }
    }

    /// Takes in the marks that come out of this queue, whose other end interrupts the clock.
    pub fn listen(mut self, marks: Receiver<Mark>) -> Self {
        self.marks = Intake::new(marks);
        self
    }

    /// Ticks until the clock says stop or `duration` is over, then once more. Returns the sink, to be finished.
    pub fn run(mut self, clock: &mut impl Clock, duration: Option<Duration>) -> Sink<'c> {
        let mut ticker = Ticker::new(self.interval);
        let start = clock.mono_ns();
        let end = duration.map_or(u64::MAX, |d| start.saturating_add(d.as_nanos() as u64));
        'session: loop {
            let now = clock.now();
            let lateness = ticker.lateness(now);
            if now.mono_ns >= end {
                break;
            }
            self.tick(clock, now, lateness, false);
            if self.ticks == 1 {
                (self.notify)(Notice::Begun);
            }
            ticker.next(now);
            loop {
                self.between(clock, &mut ticker);
                let deadline_ns = ticker.deadline_ns().min(end);
                match clock.wait(deadline_ns) {
                    Woken::Stop => break 'session,
                    // However many marks come in, the tick begins when it is due.
                    Woken::Interrupt if clock.mono_ns() < deadline_ns => {}
                    Woken::Interrupt | Woken::Deadline => break,
                }
            }
        }
        // Those who count in intervals of their own print the last one before the last look at everything.
        for running in &mut self.collectors {
            running.collector.finish();
        }
        let now = clock.now();
        self.tick(clock, now, Lateness::default(), true);
        while self.marks.gather() {
            self.store_marks(now);
        }
        self.sink
    }

    /// Stores the marks that came in before the next tick is due; those that come later are stored with it.
    fn between(&mut self, clock: &mut impl Clock, ticker: &mut Ticker) {
        let nearest_ns = BOUNDARIES_NS.min(self.interval.as_nanos() as u64 / 2);
        loop {
            let now = clock.now();
            if now.mono_ns >= ticker.deadline_ns() || !self.marks.gather() {
                return;
            }
            let is_calm = now.mono_ns.saturating_sub(self.sampled_ns) >= SAME_NS
                && self.boundary_ns.is_none_or(|last| now.mono_ns.saturating_sub(last) >= nearest_ns);
            if self.marks.changes_phase() && is_calm {
                self.tick(clock, now, Lateness::default(), false);
                ticker.between(now, nearest_ns);
            } else {
                self.store_marks(now);
            }
        }
    }

    /// Stores the marks that were gathered, and nothing else.
    fn store_marks(&mut self, now: Now) {
        self.sample.clear();
        self.sample.ts_us = now.wall_us;
        let number = self.ticks.saturating_sub(1);
        // That nothing can be written a tick tells users; whoever sent a mark has heard it from the answer.
        let _ = self.write(TickStamp { number, ts_us: now.wall_us, mono_ns: now.mono_ns });
    }

    fn tick(&mut self, clock: &mut impl Clock, now: Now, Lateness { late_us, missed }: Lateness, last: bool) {
        // Before the collectors: a mark that comes in while they read is of the next interval.
        self.marks.gather();
        self.sampled_ns = now.mono_ns;
        if self.marks.changes_phase() {
            self.boundary_ns = Some(now.mono_ns);
        }
        self.sample.clear();
        self.sample.ts_us = now.wall_us;
        self.sample.mono_ns = now.mono_ns;
        let number = self.ticks;
        let mut before = now.mono_ns;
        for running in &mut self.collectors {
            if !last && !running.is_due(now.mono_ns, self.interval) {
                continue;
            }
            running.last_ns = Some(now.mono_ns);
            let mark = self.sample.mark();
            let result = running.collector.collect(number, &mut self.sample);
            let after = clock.mono_ns();
            let took = after.saturating_sub(before);
            before = after;
            let tally = &mut running.health;
            tally.samples += 1;
            tally.total_ns += took;
            tally.max_ns = tally.max_ns.max(took);
            let name = running.entry.name;
            match result {
                Ok(()) => {
                    let rows = self.sample.blocks[mark.0..].iter().map(|b| b.rows).sum();
                    let before = std::mem::replace(&mut running.rows, rows);
                    if rows == 0 && before > 0 && running.collector.lasts() {
                        self.sample.warn(all_gone(running.entry));
                    }
                    for warning in self.sample.warnings.drain(..) {
                        tally.error = Some(warning.clone());
                        if self.told.len() < MOST_WARNINGS && self.told.insert(warning.clone()) {
                            (self.notify)(Notice::Incomplete { collector: name, warning });
                        }
                    }
                    tally.rows += rows as u64;
                    if std::mem::take(&mut running.failing) {
                        self.health.push(tally.take(name));
                        self.progress.failing.lock().unwrap_or_else(PoisonError::into_inner).retain(|n| *n != name);
                        (self.notify)(Notice::Recovered { collector: name });
                    }
                }
                Err(error) => {
                    self.sample.rewind(mark);
                    self.sample.warnings.clear();
                    tally.errors += 1;
                    let error = error.to_string();
                    tally.error = Some(error.clone());
                    if !std::mem::replace(&mut running.failing, true) {
                        self.health.push(tally.take(name));
                        self.progress.failing.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                        (self.notify)(Notice::Failing { collector: name, error });
                    }
                }
            }
        }
        self.report_health(now.mono_ns, last);
        self.sample.push(
            &health::TICK,
            &[health::Tick {
                number,
                mono_ns: now.mono_ns,
                late_us,
                collect_us: before.saturating_sub(now.mono_ns) / 1000,
                missed,
                self_cpu_us: Some(process_cpu_us()),
                self_rss_bytes: self.statm.as_mut().and_then(|f| resident(f.read().ok()?)).map(|p| p * self.page_size),
                journal_bytes: self.sink.journal_bytes(),
                synced_bytes: self.sink.synced_bytes(),
            }],
        );
        self.ticks += 1;
        let written = self.write(TickStamp { number, ts_us: now.wall_us, mono_ns: now.mono_ns });
        self.count(written, missed);
    }

    fn report_health(&mut self, mono_ns: u64, last: bool) {
        let due = *self.health_due_ns.get_or_insert(mono_ns.saturating_add(HEALTH_EVERY_NS));
        if mono_ns >= due || last {
            self.health_due_ns = Some(mono_ns.saturating_add(HEALTH_EVERY_NS));
            for running in self.collectors.iter_mut().filter(|r| r.health.samples > 0) {
                self.health.push(running.health.take(running.entry.name));
            }
        }
        self.sample.push(&health::COLLECTOR, &self.health);
        self.health.clear();
    }

    /// Writes the sample and the marks that were gathered, and answers those.
    fn write(&mut self, stamp: TickStamp) -> Result<(), WriteError> {
        self.marks.push(&mut self.sample);
        let phase = self.marks.phase().map(|path| self.sample.texts.intern(path));
        let written = self.sink.write(stamp, phase, &self.sample);
        self.sink.forget_texts(&mut self.sample);
        let stored = self.marks.close(written.as_ref().copied().map_err(ToString::to_string));
        self.progress.marks.fetch_add(stored, Relaxed);
        self.progress.journal_bytes.store(self.sink.journal_bytes(), Relaxed);
        self.progress.sync_failures.store(self.sink.sync_failures(), Relaxed);
        written
    }

    /// Keeps account of the ticks that were written, lost and missed.
    fn count(&mut self, written: Result<(), WriteError>, missed: u64) {
        match written {
            Ok(()) => {
                if self.lost_in_a_row > 0 {
                    (self.notify)(Notice::WritesAgain { lost: self.lost_in_a_row });
                    self.lost_in_a_row = 0;
                }
                self.progress.ticks.fetch_add(1, Relaxed);
            }
            Err(error) => {
                if self.lost_in_a_row == 0 {
                    (self.notify)(Notice::CannotWrite(error));
                }
                self.lost_in_a_row += 1;
                self.progress.lost.fetch_add(1, Relaxed);
            }
        }
        self.progress.missed.fetch_add(missed, Relaxed);
    }
}

fn all_gone(entry: &Entry) -> String {
    let source = entry.tables.first().map_or("its source", |table| table().source);
    format!("all of the sample before are gone: {source} shows none of them any more")
}

/// The second number of `/proc/self/statm`: resident pages.
fn resident(statm: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(statm).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}
