//! Keeps perf running on its own thread, and leaves its intervals where the sampling thread fetches them.
//!
//! perf may die, hang, flood its pipes or print garbage without affecting other collectors. It is restarted a few
//! times, with growing pauses, and given up in the end; each time this is reported. To stop it, SIGINT is sent, at
//! which perf prints its last, shorter interval; then SIGTERM, then SIGKILL. It is reaped in any case.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, mem, thread};

use tokio::io::AsyncReadExt;
use tokio::process::ChildStdout;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::child::{self, Invocation, Running, Said};
use super::intervals::{Interval, Intervals};
use super::line::NoRow;
use super::lines::Lines;
use super::parse::each_row;
use super::plan::Plan;
use crate::collect::perf::now::Now;
use crate::linux::pidfd::{Watched, all_ended, end_of};

/// What the supervisor reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    Interval(Interval),
    /// perf is not running.
    Away(Away),
    /// The counted processes have ended, and perf with them.
    Ended {
        ts_us: i64,
        what: String,
    },
    /// Lines that were not counts; the counting continues.
    Odd(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Away {
    pub ts_us: i64,
    pub error: String,
}

/// Time limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// If there is no row for this long, perf hangs.
    pub watchdog: Duration,
    /// Additional time for the first row: perf opens thousands of counters on a large machine.
    pub start: Duration,
    /// Silence after which an interval counts as complete.
    pub silence: Duration,
    /// Between SIGINT and SIGTERM, and between SIGTERM and SIGKILL.
    pub patience: [Duration; 2],
    /// Before the first restart; doubled for each further one.
    pub back_off: Duration,
    /// Number of restarts without a good run in between.
    pub restarts: u32,
    /// A run of at least this length is a good one.
    pub good_run: Duration,
}

impl Limits {
    pub fn for_interval(interval: Duration) -> Limits {
        Limits {
            watchdog: (interval * 5).max(Duration::from_secs(3)),
            start: Duration::from_secs(5),
            // Never so short that a perf which is delayed while printing loses the rest.
            silence: (interval * 3 / 2).max(Duration::from_millis(250)),
            patience: [Duration::from_millis(1000), Duration::from_millis(400)],
            back_off: Duration::from_secs(1),
            restarts: 5,
            good_run: Duration::from_secs(60),
        }
    }

    /// The longest time that stopping takes.
    fn stop(&self) -> Duration {
        self.patience[0] + self.patience[1] + child::REAP
    }
}

/// Maximum number of rows waiting for the sampling thread: one hour of the default events at 1 s.
const MOST_WAITING: usize = 65_536;

/// Lines between two intervals that are not rows; more are a flood.
const MOST_ODD: u64 = 10_000;

/// Minimum time between two checks whether the counted processes still exist.
const CHECK_PROCESSES_EVERY: Duration = Duration::from_millis(100);

/// Number of odd lines kept for the diagnosis.
const ODD_KEPT: usize = 3;

/// The waiting reports.
#[derive(Default)]
struct Queue {
    reports: VecDeque<Report>,
    rows: usize,
    /// Intervals discarded because they were not fetched.
    dropped: u64,
}

impl Queue {
    fn add(&mut self, report: Report) {
        self.rows += weight(&report);
        self.reports.push_back(report);
        while self.rows > MOST_WAITING && self.reports.len() > 1 {
            if let Some(oldest) = self.reports.pop_front() {
                self.rows -= weight(&oldest);
                self.dropped += 1;
            }
        }
    }
}

fn weight(report: &Report) -> usize {
    match report {
        Report::Interval(interval) => interval.rows.len() + 1,
        Report::Away(_) | Report::Ended { .. } | Report::Odd(_) => 1,
    }
}

type Shared = Arc<Mutex<Queue>>;

fn lock(queue: &Shared) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The end used by the sampling thread. Dropping it stops perf.
pub struct Supervisor {
    queue: Shared,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
    limits: Limits,
}

impl Supervisor {
    /// Starts the thread, which starts perf.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn start(plan: Arc<Plan>, limits: Limits) -> io::Result<Supervisor> {
        let queue = Shared::default();
        let (stop, stopping) = watch::channel(false);
        let (end, ended) = mpsc::sync_channel(1);
        let for_thread = queue.clone();
        let run = move || {
            let result =
                child::runtime().map(|runtime| runtime.block_on(supervise(&plan, limits, &for_thread, stopping)));
            if let Err(error) = result {
                away(&for_thread, format!("perf cannot be supervised: {error}"));
            }
            // The other end may no longer be waiting.
            let _ = end.send(());
        };
        let thread = thread::Builder::new().name("perf".into()).spawn(run)?;
        Ok(Supervisor { queue, stop, ended, thread: Some(thread), limits })
    }

    /// Takes the reports since the last call; `into` must be empty. Returns how many intervals were dropped because
    /// they were not fetched.
    pub fn take(&self, into: &mut VecDeque<Report>) -> u64 {
        let mut queue = lock(&self.queue);
        mem::swap(&mut queue.reports, into);
        queue.rows = 0;
        mem::take(&mut queue.dropped)
    }

    /// Stops perf and waits for its last interval; returns after a limited time whatever perf does.
    pub fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.stop.send_replace(true);
        // The thread continues alone if a process blocked in the kernel cannot be killed.
        if self.ended.recv_timeout(self.limits.stop() + Duration::from_millis(500)).is_ok() {
            let _ = thread.join();
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn away(queue: &Shared, error: String) {
    lock(queue).add(Report::Away(Away { ts_us: Now::read().wall_ns / 1000, error }));
}

/// Runs perf, and restarts it when it fails.
async fn supervise(plan: &Plan, limits: Limits, queue: &Shared, mut stop: watch::Receiver<bool>) {
    let mut failures = 0;
    let mut processes: Vec<Watched> = plan.processes.iter().map(|pid| Watched::watch(*pid)).collect();
    let mut intervals = Intervals::new(plan.requests.clone(), plan.rows).no_zeros_of_the_kernel();
    if plan.clock_added {
        intervals = intervals.hide_clock();
    }
    if !plan.processes.is_empty() || plan.layout.cgroups {
        intervals = intervals.may_sleep();
    }
    while !*stop.borrow() {
        let began = Instant::now();
        let alive: Vec<u32> = processes.iter_mut().filter_map(|p| (!p.has_ended()).then_some(p.pid)).collect();
        let run = Run::new(plan, limits, queue, &mut intervals, &alive);
        let Some(error) = run.run(&mut stop, &mut processes).await else { return };
        if all_ended(&mut processes) {
            let (ts_us, what) = (Now::read().wall_ns / 1000, end_of(&processes));
            lock(queue).add(Report::Ended { ts_us, what });
            return;
        }
        if began.elapsed() >= limits.good_run {
            failures = 0;
        }
        failures += 1;
        if failures > limits.restarts {
            away(queue, format!("{error}; given up after {failures} attempts"));
            return;
        }
        let pause = limits.back_off * 2u32.saturating_pow(failures - 1);
        away(queue, format!("{error}; started again in {} ms", pause.as_millis()));
        tokio::select! {
            () = sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// One perf process from start to end.
struct Run<'a> {
    invocation: Invocation,
    plan: &'a Plan,
    limits: Limits,
    queue: &'a Shared,
    intervals: &'a mut Intervals,
    lines: Lines,
    done: Vec<Interval>,
    began: Now,
    last_row: Option<Instant>,
    /// Lines that are not rows: all, those since the last row, and the first few.
    odd: u64,
    odd_since_row: u64,
    odd_kept: Vec<String>,
    /// How many of them were reported.
    odd_reported: u64,
}

/// The next step when perf must end.
#[derive(Clone, Copy)]
struct Ending {
    next: usize,
    at: Instant,
}

const LADDER: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGKILL];

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, limits: Limits, queue: &'a Shared, intervals: &'a mut Intervals, alive: &[u32]) -> Self {
        intervals.restart();
        let mut invocation = plan.invocation.clone();
        // One process that has ended would make perf fail for all.
        let pids = invocation.args.iter().position(|a| a == "-p").and_then(|at| invocation.args.get_mut(at + 1));
        if let Some(pids) = pids.filter(|_| !alive.is_empty()) {
            *pids = alive.iter().map(ToString::to_string).collect::<Vec<_>>().join(",").into();
        }
        Run {
            invocation,
            plan,
            limits,
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

    /// Returns why perf ended, or `None` if it was asked to.
    async fn run(mut self, stop: &mut watch::Receiver<bool>, processes: &mut [Watched]) -> Option<String> {
        let mut running = match self.invocation.spawn() {
            Ok(running) => running,
            Err(error) => return Some(format!("cannot run {}: {error}", self.invocation.program.display())),
        };
        let mut stdout = running.child.stdout.take();
        let mut stderr = running.child.stderr.take();
        let mut said = Said::default();
        let mut buffer = vec![0; 16 * 1024];
        let started = Instant::now();
        let mut asked = false;
        let mut fault: Option<String> = None;
        let mut ending: Option<Ending> = None;
        // perf up to 4.18 continues when they have ended.
        let mut check = tokio::time::interval(self.plan.interval.max(CHECK_PROCESSES_EVERY));

        let status = {
            let listening = child::listen(&mut stderr, &mut said);
            tokio::pin!(listening);
            loop {
                let overdue = match self.last_row {
                    Some(row) => row + self.limits.watchdog,
                    None => started + self.limits.watchdog + self.limits.start,
                };
                let silent = self.last_row.unwrap_or(started) + self.limits.silence;
                let step = ending.map_or(started, |e| e.at);
                let (is_ending, is_open) = (ending.is_some(), self.intervals.is_open());
                let may_step = ending.is_some_and(|e| e.next < LADDER.len());
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop), if !asked => {
                        asked = true;
                        ending = ending.or(Some(Ending { next: 0, at: Instant::now() }));
                    }
                    () = sleep_until(step), if may_step => {
                        ending = ending.map(|e| self.send_next_signal(&running, e));
                    }
                    status = running.child.wait() => break status,
                    () = sleep_until(overdue), if !is_ending => {
                        // We may have been delayed ourselves (a suspended machine, a stopped process): the rows are
                        // still in the pipe.
                        let late = tokio::time::timeout(Duration::from_millis(1), read(&mut stdout, &mut buffer));
                        let before = self.last_row;
                        if let Ok(n) = late.await {
                            self.feed(buffer.get(..n).unwrap_or_default());
                        }
                        if self.last_row > before {
                            continue;
                        }
                        fault = Some(self.hangs(overdue - self.last_row.unwrap_or(started)));
                        ending = Some(Ending { next: 1, at: Instant::now() });
                    }
                    read = read(&mut stdout, &mut buffer) => {
                        self.feed(buffer.get(..read).unwrap_or_default());
                        if self.odd_since_row > MOST_ODD && !is_ending {
                            fault = Some("perf prints garbage".to_string());
                            ending = Some(Ending { next: 1, at: Instant::now() });
                        }
                    }
                    () = sleep_until(silent), if is_open => self.hand_over_rest(),
                    _ = check.tick(), if !is_ending && !processes.is_empty() => {
                        if all_ended(processes) {
                            ending = Some(Ending { next: 0, at: Instant::now() + self.plan.interval });
                        }
                    }
                    () = &mut listening => {}
                }
            }
        };
        self.read_rest(&running, stdout, &mut buffer).await;
        // perf's last messages are still in the pipe.
        let rest = child::drain(stderr.take(), |bytes| said.add(bytes));
        let _ = tokio::time::timeout(Duration::from_millis(20), rest).await;
        self.hand_over_rest();
        if asked {
            self.report_odd();
            return None;
        }
        Some(self.explain(fault, status, &said))
    }

    /// Sends the next signal, and says when the following one is due.
    fn send_next_signal(&self, running: &Running, ending: Ending) -> Ending {
        if let Some(signal) = LADDER.get(ending.next) {
            running.signal(*signal);
        }
        let patience = self.limits.patience.get(ending.next).copied().unwrap_or_default();
        Ending { next: ending.next + 1, at: Instant::now() + patience }
    }

    /// Reads the rest of the pipe after perf's end. If a process that perf left behind holds it open, that process is
    /// killed.
    async fn read_rest(&mut self, running: &Running, mut stdout: Option<ChildStdout>, buffer: &mut [u8]) {
        let all = async {
            while stdout.is_some() {
                let n = read(&mut stdout, buffer).await;
                self.feed(buffer.get(..n).unwrap_or_default());
                if self.odd_since_row > MOST_ODD {
                    return;
                }
            }
        };
        if tokio::time::timeout(Duration::from_millis(200), all).await.is_err() {
            running.signal(libc::SIGKILL);
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        let now = Now::read();
        let Run { plan, intervals, lines, done, began, last_row, odd, odd_since_row, odd_kept, .. } = self;
        // A stamp from the future is garbage that looks like a row, and would falsify the anchor of all following rows.
        let age_ns = now.mono_ns.saturating_sub(began.mono_ns).saturating_add(1_000_000_000);
        lines.feed(chunk, |bytes| {
            let text = String::from_utf8_lossy(bytes.unwrap_or(b"(a line without end)"));
            each_row(&text, &plan.layout, |row| match row {
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

    fn hand_over_rest(&mut self) {
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
    fn report_odd(&mut self) {
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

    fn hangs(&self, length: Duration) -> String {
        format!("perf printed no counts for {:.1} s", length.as_secs_f64())
    }

    fn explain(&self, fault: Option<String>, status: io::Result<ExitStatus>, said: &Said) -> String {
        let words = if self.last_row.is_some() { said.last_words() } else { said.first_words() };
        let mut text = match (fault, status) {
            (Some(fault), _) if words.is_empty() => fault,
            (Some(fault), _) => format!("{fault}: {words}"),
            (None, Ok(status)) => child::describe(status, &words),
            (None, Err(error)) => format!("perf cannot be waited for: {error}"),
        };
        if self.odd > 0 {
            text.push_str(&format!("; {} lines were not counts, such as `{}`", self.odd, self.odd_kept.join("`, `")));
        }
        text
    }
}

/// Reads from perf; never returns if the pipe has ended.
async fn read(stdout: &mut Option<ChildStdout>, buffer: &mut [u8]) -> usize {
    match stdout {
        Some(pipe) => match pipe.read(buffer).await {
            Ok(n @ 1..) => n,
            Ok(0) | Err(_) => {
                *stdout = None;
                0
            }
        },
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::sample::Stamp;

    #[test]
    fn waiting_reports_are_limited() {
        let mut queue = Queue::default();
        for ts_us in 0..100_000 {
            let stamp = Stamp { ts_us, elapsed_s: None };
            queue.add(Report::Interval(Interval { stamp, rows: Vec::new(), missing: None, continued: false }));
        }
        assert_eq!((queue.reports.len(), queue.dropped), (65_536, 34_464));
        let Some(Report::Interval(last)) = queue.reports.back() else { panic!("an interval") };
        assert_eq!(last.stamp.ts_us, 99_999, "the newest are kept");
    }
}
