//! Keeps perf running on its own thread, and leaves its intervals where the sampling thread fetches them.
//!
//! perf may die, hang, flood its pipes or print garbage without affecting other collectors. It is restarted a few
//! times, with growing pauses, and given up in the end; each time this is reported. To stop it, SIGINT is sent, at
//! which perf prints its last, shorter interval; then SIGTERM, then SIGKILL. It is reaped in any case.

mod limits;
mod output;
mod queue;
mod run;

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, mem, thread};

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::child;
use super::intervals::Intervals;
use super::plan::PerfPlan;
use crate::collect::perf::now::Now;
use crate::linux::lock::lock;
use crate::linux::pidfd::{Watched, all_ended, end_of};
use queue::Shared;
use run::PerfRun;

pub use limits::Limits;
pub use queue::{Away, Report};

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
    pub fn start(plan: Arc<PerfPlan>, limits: Limits) -> io::Result<Supervisor> {
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
async fn supervise(plan: &PerfPlan, limits: Limits, queue: &Shared, mut stop: watch::Receiver<bool>) {
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
        let run = PerfRun::new(plan, limits, queue, &mut intervals, &alive);
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
