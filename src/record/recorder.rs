//! The sampling loop. At each tick it collects the rows of every collector and one row about the tick itself, and
//! writes them to the sink. Between ticks it stores marks. A mark that starts or ends a phase causes an extra tick, so
//! that each interval belongs to one phase.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::active::{Active, Reports, Timer};
use super::burst::{Bursts, Rule};
use super::collectors::OpenCollectors;
use super::event::SamplingEvent;
use super::progress::Progress;
use crate::collect::health::{self, Health};
use crate::linux::clock::{Clock, Lateness, Now, Stop, Ticker, Woken, process_cpu_us};
use crate::linux::files::HeldFile;
use crate::mark::intake::Intake;
use crate::mark::queue::{Mark, queue};
use crate::store::journal::codec::TickStamp;
use crate::store::write::{Follower, Outlet, Sink, Tick, WriteError};
use crate::table::TableDef;
use crate::table::sample::Sample;

/// The interval between two rows about a collector in table `collector`.
const HEALTH_EVERY_NS: u64 = 60_000_000_000;

/// The smallest distance between two extra ticks at phase boundaries (or half the interval), so that very many marks do
/// not cause very many samples. The next regular tick has at least the same distance.
const BOUNDARIES_NS: u64 = 10_000_000;

/// If the last tick began less than this ago, it counts as the one at the boundary: percentages of so short a time
/// would be noise.
const SAME_NS: u64 = 1_000_000;

/// Further warnings are only written to table `collector`.
const MOST_WARNINGS: usize = 50;

/// Why there is a tick.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// The interval is over.
    Due,
    /// A phase begins or ends.
    Boundary,
    /// The end of the session.
    Last,
}

/// The loop of a session.
pub struct Recorder<'c> {
    interval: Duration,
    bursts: Bursts<'c>,
    collectors: Vec<Active>,
    sample: Sample<'c>,
    sink: Sink<'c>,
    /// Other outlets, which get a tick after it is stored.
    followers: Vec<Follower>,
    progress: Arc<Progress>,
    notify: Box<dyn Fn(SamplingEvent) + Send>,
    ticks: u64,
    marks: Intake,
    /// The start of the last tick, and of the last one at a phase boundary.
    sampled_ns: u64,
    boundary_ns: Option<u64>,
    health_due_ns: Option<u64>,
    health: Vec<Health>,
    statm: Option<HeldFile>,
    page_size: u64,
    lost_in_a_row: u64,
    /// The warnings so far.
    warned: HashSet<String>,
}

impl<'c> Recorder<'c> {
    pub fn new(
        interval: Duration,
        collectors: OpenCollectors,
        catalog: &'c [TableDef],
        sink: Sink<'c>,
        progress: Arc<Progress>,
        notify: Box<dyn Fn(SamplingEvent) + Send>,
    ) -> Self {
        Recorder {
            interval,
            bursts: Bursts::new(interval, Vec::new(), catalog),
            collectors: collectors.into_iter().map(Active::new).collect(),
            sample: Sample::new(catalog),
            sink,
            followers: Vec::new(),
            progress,
            notify,
            ticks: 0,
            // Nothing can be sent to this queue.
            marks: Intake::new(queue(Stop::default()).1),
            sampled_ns: 0,
            boundary_ns: None,
            health_due_ns: None,
            health: Vec::new(),
            statm: HeldFile::open("/proc/self/statm").ok(),
            page_size: procfs::page_size(),
            lost_in_a_row: 0,
            warned: HashSet::new(),
        }
    }

    /// Receives marks from this queue. Sending one interrupts the clock.
    pub fn listen(mut self, marks: Receiver<Mark>) -> Self {
        self.marks = Intake::new(marks);
        self
    }

    /// Samples more often while a rule asks for it.
    pub fn with_bursts(mut self, rules: Vec<Rule>) -> Self {
        self.bursts = Bursts::new(self.interval, rules, self.sample.catalog());
        self
    }

    /// Also passes each stored tick to this outlet.
    pub fn and_to(mut self, follower: Follower) -> Self {
        self.followers.push(follower);
        self
    }

    /// Samples until the clock stops it or `duration` is over, and once more at the end. Returns the sink, to be
    /// finished.
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
            self.tick(clock, ticker.stamp(now), lateness, Occasion::Due);
            if self.ticks == 1 {
                (self.notify)(SamplingEvent::Begun);
            }
            ticker.set_interval(self.bursts.interval());
            ticker.next(now);
            loop {
                self.between(clock, &mut ticker);
                let deadline_ns = ticker.deadline_ns().min(end);
                match clock.wait(deadline_ns) {
                    Woken::Stop => break 'session,
                    // A tick begins when it is due, however many marks arrive.
                    Woken::Interrupt if clock.mono_ns() < deadline_ns => {}
                    Woken::Interrupt | Woken::Deadline => break,
                }
            }
        }
        // Collectors with intervals of their own (`perf stat`) finish the last one before the last sample.
        self.collectors.iter_mut().for_each(Active::finish);
        let now = clock.now();
        self.tick(clock, now, Lateness::default(), Occasion::Last);
        while self.marks.gather() {
            self.store_marks(now);
        }
        self.sink
    }

    /// Stores the marks that arrive before the next tick is due. Later ones are stored with that tick.
    fn between(&mut self, clock: &mut impl Clock, ticker: &mut Ticker) {
        let nearest_ns = BOUNDARIES_NS.min(self.bursts.interval().as_nanos() as u64 / 2);
        loop {
            let now = clock.now();
            if now.mono_ns >= ticker.deadline_ns() || !self.marks.gather() {
                return;
            }
            let is_calm = now.mono_ns.saturating_sub(self.sampled_ns) >= SAME_NS
                && self.boundary_ns.is_none_or(|last| now.mono_ns.saturating_sub(last) >= nearest_ns);
            if self.marks.changes_phase() && is_calm {
                self.tick(clock, now, Lateness::default(), Occasion::Boundary);
                ticker.between(now, nearest_ns);
            } else {
                self.store_marks(now);
            }
        }
    }

    /// Stores only the marks that were gathered.
    fn store_marks(&mut self, now: Now) {
        self.sample.clear();
        self.sample.ts_us = now.wall_us;
        let number = self.ticks.saturating_sub(1);
        // Senders of marks get the error as an answer; for everyone else the next tick reports it.
        let _ = self.write(TickStamp { number, ts_us: now.wall_us, mono_ns: now.mono_ns });
    }

    fn tick(&mut self, clock: &mut impl Clock, now: Now, lateness: Lateness, occasion: Occasion) {
        let is_last = occasion == Occasion::Last;
        // Before the collectors: a mark that arrives while they read belongs to the next interval.
        self.marks.gather();
        self.sampled_ns = now.mono_ns;
        if self.marks.changes_phase() {
            self.boundary_ns = Some(now.mono_ns);
        }
        self.sample.clear();
        self.sample.ts_us = now.wall_us;
        self.sample.mono_ns = now.mono_ns;
        let is_regular = occasion == Occasion::Due && self.bursts.is_regular(now.wall_us);
        let collected_ns = self.collect(clock, now, is_last, is_regular);
        if is_regular {
            for text in self.bursts.look(now, &self.sample) {
                self.marks.note(&text, now);
            }
        }
        self.add_health(now.mono_ns, is_last);
        self.add_tick(now, lateness, collected_ns);
        let number = self.ticks;
        self.ticks += 1;
        let written = self.write(TickStamp { number, ts_us: now.wall_us, mono_ns: now.mono_ns });
        self.count(written, lateness.missed);
    }

    /// Collects the rows of every collector that is due; between the regular ticks of a burst, of those that it samples.
    /// Returns the time at which the last one finished.
    fn collect(&mut self, clock: &mut impl Clock, now: Now, is_last: bool, is_regular: bool) -> u64 {
        // An interval belongs to one phase.
        let is_whole = is_regular || self.marks.changes_phase() || !self.bursts.are_lasting();
        let Recorder { bursts, collectors, sample, health, progress, notify, warned, .. } = self;
        let mut warn = |collector, warning: String| {
            if warned.len() < MOST_WARNINGS && warned.insert(warning.clone()) {
                notify(SamplingEvent::Incomplete { collector, warning });
            }
        };
        let mut reports = Reports { health, progress, notify, warn: &mut warn };
        let mut mono_ns = || clock.mono_ns();
        let mut timer = Timer { mono_ns: &mut mono_ns, last_ns: now.mono_ns };
        let interval = bursts.interval();
        let is_due =
            |active: &Active| active.is_due(now.mono_ns, interval) && (is_whole || bursts.samples(active.name()));
        for active in collectors.iter_mut().filter(|active| is_last || is_due(active)) {
            active.collect(self.ticks, now.mono_ns, sample, &mut timer, &mut reports);
        }
        timer.last_ns
    }

    /// Adds the rows of table `collector` that are due.
    fn add_health(&mut self, mono_ns: u64, is_last: bool) {
        let due = *self.health_due_ns.get_or_insert(mono_ns.saturating_add(HEALTH_EVERY_NS));
        if mono_ns >= due || is_last {
            self.health_due_ns = Some(mono_ns.saturating_add(HEALTH_EVERY_NS));
            self.health.extend(self.collectors.iter_mut().filter_map(Active::health));
        }
        self.sample.push(&health::COLLECTOR, &self.health);
        self.health.clear();
    }

    /// Adds the row of table `tick`.
    fn add_tick(&mut self, now: Now, Lateness { late_us, missed }: Lateness, collected_ns: u64) {
        let resident_pages = self.statm.as_mut().and_then(|file| resident_pages(file.read().ok()?));
        let tick = health::Tick {
            number: self.ticks,
            mono_ns: now.mono_ns,
            late_us,
            collect_us: collected_ns.saturating_sub(now.mono_ns) / 1000,
            missed,
            self_cpu_us: Some(process_cpu_us()),
            self_rss_bytes: resident_pages.map(|pages| pages * self.page_size),
            journal_bytes: self.sink.journal_bytes(),
            synced_bytes: self.sink.synced_bytes(),
        };
        self.sample.push(&health::TICK, &[tick]);
    }

    /// Writes the sample and the marks that were gathered, and answers the marks.
    fn write(&mut self, stamp: TickStamp) -> Result<(), WriteError> {
        self.marks.push(&mut self.sample);
        let phase = self.marks.phase().map(|path| self.sample.texts.intern(path));
        let tick = Tick { stamp, phase, sample: &self.sample };
        let written = self.sink.tick(tick);
        if written.is_ok() {
            self.followers.iter_mut().for_each(|follower| follower.offer(tick));
        }
        self.sink.forget_texts(&mut self.sample);
        let stored = self.marks.close(written.as_ref().copied().map_err(ToString::to_string));
        self.progress.marks.fetch_add(stored, Relaxed);
        self.progress.journal_bytes.store(self.sink.journal_bytes(), Relaxed);
        self.progress.sync_failures.store(self.sink.sync_failures(), Relaxed);
        written
    }

    /// Counts ticks that were written, lost and missed.
    fn count(&mut self, written: Result<(), WriteError>, missed: u64) {
        match written {
            Ok(()) => {
                if self.lost_in_a_row > 0 {
                    (self.notify)(SamplingEvent::WritesAgain { lost: self.lost_in_a_row });
                    self.lost_in_a_row = 0;
                }
                self.progress.ticks.fetch_add(1, Relaxed);
            }
            Err(error) => {
                if self.lost_in_a_row == 0 {
                    (self.notify)(SamplingEvent::CannotWrite(error));
                }
                self.lost_in_a_row += 1;
                self.progress.lost.fetch_add(1, Relaxed);
            }
        }
        self.progress.missed.fetch_add(missed, Relaxed);
    }
}

/// Resident pages: the second number of `/proc/self/statm`.
fn resident_pages(statm: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(statm).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}
