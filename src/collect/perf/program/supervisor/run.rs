//! One perf process from its start to its end.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::ChildStdout;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::limits::Limits;
use super::output::PerfOutput;
use super::queue::Shared;
use crate::collect::perf::program::child::{self, Invocation, RunningPerf, Said};
use crate::collect::perf::program::intervals::Intervals;
use crate::collect::perf::program::plan::PerfPlan;
use crate::linux::pidfd::{Watched, all_ended};

/// Minimum time between two checks whether the counted processes still exist.
const CHECK_PROCESSES_EVERY: Duration = Duration::from_millis(100);

/// A run of perf.
pub struct PerfRun<'a> {
    invocation: Invocation,
    interval: Duration,
    limits: Limits,
    output: PerfOutput<'a>,
}

/// The next step when perf must end.
#[derive(Clone, Copy)]
struct Ending {
    next: usize,
    at: Instant,
}

/// The signals that end perf: each is sent if it did not end after the one before.
const LADDER: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGKILL];

impl<'a> PerfRun<'a> {
    pub fn new(
        plan: &'a PerfPlan,
        limits: Limits,
        queue: &'a Shared,
        intervals: &'a mut Intervals,
        alive: &[u32],
    ) -> Self {
        let mut invocation = plan.invocation.clone();
        // One process that has ended would make perf fail for all.
        let pids = invocation.args.iter().position(|a| a == "-p").and_then(|at| invocation.args.get_mut(at + 1));
        if let Some(pids) = pids.filter(|_| !alive.is_empty()) {
            *pids = alive.iter().map(ToString::to_string).collect::<Vec<_>>().join(",").into();
        }
        let output = PerfOutput::new(&plan.layout, queue, intervals);
        PerfRun { invocation, interval: plan.interval, limits, output }
    }

    /// Returns why perf ended, or `None` if it was asked to.
    pub async fn run(mut self, stop: &mut watch::Receiver<bool>, processes: &mut [Watched]) -> Option<String> {
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
        let mut check = tokio::time::interval(self.interval.max(CHECK_PROCESSES_EVERY));

        let status = {
            let listening = child::listen(&mut stderr, &mut said);
            tokio::pin!(listening);
            loop {
                let overdue = match self.output.last_row {
                    Some(row) => row + self.limits.watchdog,
                    None => started + self.limits.watchdog + self.limits.start,
                };
                let silent = self.output.last_row.unwrap_or(started) + self.limits.silence;
                let step = ending.map_or(started, |e| e.at);
                let (is_ending, is_open) = (ending.is_some(), self.output.is_open());
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
                        let before = self.output.last_row;
                        if let Ok(n) = late.await {
                            self.output.feed(buffer.get(..n).unwrap_or_default());
                        }
                        if self.output.last_row > before {
                            continue;
                        }
                        fault = Some(hangs(overdue - self.output.last_row.unwrap_or(started)));
                        ending = Some(Ending { next: 1, at: Instant::now() });
                    }
                    read = read(&mut stdout, &mut buffer) => {
                        self.output.feed(buffer.get(..read).unwrap_or_default());
                        if self.output.is_garbage() && !is_ending {
                            fault = Some("perf prints garbage".to_string());
                            ending = Some(Ending { next: 1, at: Instant::now() });
                        }
                    }
                    () = sleep_until(silent), if is_open => self.output.hand_over_rest(),
                    _ = check.tick(), if !is_ending && !processes.is_empty() => {
                        if all_ended(processes) {
                            ending = Some(Ending { next: 0, at: Instant::now() + self.interval });
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
        self.output.hand_over_rest();
        if asked {
            self.output.report_odd();
            return None;
        }
        Some(self.explain(fault, status, &said))
    }

    /// Sends the next signal, and says when the following one is due.
    fn send_next_signal(&self, running: &RunningPerf, ending: Ending) -> Ending {
        if let Some(signal) = LADDER.get(ending.next) {
            running.signal(*signal);
        }
        let patience = self.limits.patience.get(ending.next).copied().unwrap_or_default();
        Ending { next: ending.next + 1, at: Instant::now() + patience }
    }

    /// Reads the rest of the pipe after perf's end. If a process that perf left behind holds it open, that process is
    /// killed.
    async fn read_rest(&mut self, running: &RunningPerf, mut stdout: Option<ChildStdout>, buffer: &mut [u8]) {
        let all = async {
            while stdout.is_some() {
                let n = read(&mut stdout, buffer).await;
                self.output.feed(buffer.get(..n).unwrap_or_default());
                if self.output.is_garbage() {
                    return;
                }
            }
        };
        if tokio::time::timeout(Duration::from_millis(200), all).await.is_err() {
            running.signal(libc::SIGKILL);
        }
    }

    fn explain(&self, fault: Option<String>, status: io::Result<ExitStatus>, said: &Said) -> String {
        let words = if self.output.last_row.is_some() { said.last_words() } else { said.first_words() };
        let mut text = match (fault, status) {
            (Some(fault), _) if words.is_empty() => fault,
            (Some(fault), _) => format!("{fault}: {words}"),
            (None, Ok(status)) => child::describe(status, &words),
            (None, Err(error)) => format!("perf cannot be waited for: {error}"),
        };
        let odd = self.output.odd_words();
        if !odd.is_empty() {
            text.push_str(&format!("; {odd}"));
        }
        text
    }
}

fn hangs(length: Duration) -> String {
    format!("perf printed no counts for {:.1} s", length.as_secs_f64())
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
