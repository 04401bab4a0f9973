//! The recorded command in a session: started after the first sample and followed to its end, with the steps before and
//! after.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep_until;

use super::notice::{Notice, Notices};
use super::orders::Order;
use super::recording::now;
use super::result::{Finished, NOT_EXECUTABLE, NOT_FOUND, OUR_FAILURE, not_executed};
use super::settings::WorkloadSettings;
use super::signals::Received;
use super::steps::{Step, StepKind, Steps};
use crate::linux::cgroup::account::cpu_us;
use crate::linux::clock;
use crate::linux::lock::lock;
use crate::linux::signal::name;
use crate::store::manifest::CommandFacts;
use crate::workload::command::{Before, RecordedCommand};
use crate::workload::{self, Event, Held, ProcessGroup, Running};

/// The end reason if the command ended by itself.
const COMMAND: &str = "command";
/// The end reason if it never began.
const NEVER_BEGAN: &str = "the command did not begin";

/// The command of a session.
pub(super) struct Workload {
    facts: CommandFacts,
    command: Arc<RecordedCommand>,
    group: ProcessGroup,
    settings: WorkloadSettings,
    steps: Steps,
    orders: UnboundedReceiver<Order>,
    notices: Notices,
    held: Option<Held>,
    /// Set when the command has ended, before it is waited for.
    ended: Option<Running>,
    began: Option<Instant>,
    wall: Duration,
    deadline: Option<Instant>,
    /// The exit status if it never ran or was ended by us.
    status: Option<u8>,
    /// Signals from keys, which the command received as well.
    keys: Vec<libc::c_int>,
}

impl Workload {
    pub fn new(
        facts: CommandFacts,
        held: Held,
        command: Arc<RecordedCommand>,
        settings: WorkloadSettings,
        steps: Steps,
        orders: UnboundedReceiver<Order>,
        notices: Notices,
    ) -> Workload {
        Workload {
            facts,
            command,
            group: held.group,
            settings,
            steps,
            orders,
            notices,
            held: Some(held),
            ended: None,
            began: None,
            wall: Duration::ZERO,
            deadline: None,
            status: None,
            keys: Vec::new(),
        }
    }

    /// Follows the command from before its start until everything is over. Returns the end reason.
    pub async fn follow(&mut self) -> String {
        let Some(held) = self.held.take() else { return pending().await };
        match self.prepare(held).await {
            Ok(held) => {
                let running = self.release(held).await;
                self.run(running).await
            }
            Err(why) => why,
        }
    }

    /// Waits for the first sample, then runs `--prepare`. The error says why the command must not begin. Its process
    /// ends when `held` is dropped.
    async fn prepare(&mut self, held: Held) -> Result<Held, String> {
        self.wait_for_go().await?;
        let mut step = match self.steps.begin(StepKind::Prepare, self.group).await {
            Ok(Some(step)) => step,
            Ok(None) => return Ok(held),
            Err(error) => {
                (self.notices)(Notice::StepFailed { option: StepKind::Prepare.option(), error });
                self.status = Some(OUR_FAILURE);
                return Err(NEVER_BEGAN.into());
            }
        };
        while let Some(received) = self.signal_during(&mut step).await {
            self.note_interrupt(received);
            if received.ends() {
                self.status = Some(received.status());
            }
        }
        let status = step.finish(&self.steps).await;
        let why = if self.status.is_some() {
            let signal = self.facts.interrupted_by.map_or_else(|| "a signal".into(), name);
            format!("{signal} came during --prepare")
        } else if status == 0 {
            return Ok(held);
        } else {
            self.status = Some(OUR_FAILURE);
            format!("--prepare: exit status {status}")
        };
        (self.notices)(Notice::NotStarted(format!("{why}; the command was not started")));
        Err(why)
    }

    async fn wait_for_go(&mut self) -> Result<(), String> {
        while let Some(Order::Signal(received)) = self.orders.recv().await {
            self.note_interrupt(received);
            if received.signal != libc::SIGCONT {
                let why = format!("{} was received before the command began; it was not started", received.name());
                (self.notices)(Notice::NotStarted(why));
                self.status = Some(received.status());
                return Err(NEVER_BEGAN.into());
            }
        }
        Ok(())
    }

    /// Waits for the end of a step. If a signal arrives first, forwards it to the step and returns it.
    async fn signal_during(&mut self, step: &mut Step) -> Option<Received> {
        loop {
            tokio::select! {
                biased;
                Some(order) = self.orders.recv() => if let Order::Signal(received) = order {
                    step.pass(received);
                    return Some(received);
                },
                () = step.ended() => return None,
            }
        }
    }

    /// Starts the command.
    async fn release(&mut self, held: Held) -> Running {
        if self.steps.have_prepared() {
            workload::disown_all(&self.command);
        }
        self.steps.start_run().await;
        let before = Before {
            process: held.spent(),
            cgroup_us: cpu_us(&self.command.cgroup.folders),
            wait_us: held.waited_us(),
        };
        self.command.begin(before);
        self.facts.started = Some(now());
        let began = clock::instant();
        self.began = Some(began);
        self.deadline = self.settings.timeout.and_then(|timeout| began.checked_add(timeout));
        held.go()
    }

    /// Follows the command until it and `--conclude` have ended.
    async fn run(&mut self, mut running: Running) -> String {
        let (at, why) = self.run_to_end(&mut running).await;
        self.wall = self.began.map(|began| at.saturating_duration_since(began)).unwrap_or_default();
        self.facts.ended = self.facts.started.is_some().then(now);
        self.ended = Some(running);
        self.steps.end_run().await;
        match self.steps.begin(StepKind::Conclude, self.group).await {
            Ok(Some(step)) => self.conclude(step).await,
            Ok(None) => {}
            Err(error) => (self.notices)(Notice::StepFailed { option: StepKind::Conclude.option(), error }),
        }
        why
    }

    /// Follows the command until it ends. Returns the time of its end and the end reason.
    async fn run_to_end(&mut self, running: &mut Running) -> (Instant, String) {
        loop {
            let deadline = self.deadline;
            tokio::select! {
                biased;
                Some(order) = self.orders.recv() => if let Order::Signal(received) = order {
                    self.pass(received);
                },
                event = running.events.recv() => match event {
                    Some(Event::Begun) => {}
                    Some(Event::Stopped) => self.group.stop_with(self.command.pid),
                    Some(Event::Failed(error)) => return (clock::instant(), self.not_executed(&error)),
                    Some(Event::Ended(at)) => return (at, COMMAND.into()),
                    None => return (clock::instant(), COMMAND.into()),
                },
                Some(()) = async { sleep_until(deadline?.into()).await; Some(()) } => self.time_is_up(),
            }
        }
    }

    async fn conclude(&mut self, mut step: Step) {
        // Processes that end from now on may belong to the step.
        workload::reap(&self.command);
        self.command.set_running(false);
        while self.signal_during(&mut step).await.is_some() {}
        let status = step.finish(&self.steps).await;
        if status != 0 {
            (self.notices)(Notice::Concluded { status });
        }
    }

    fn not_executed(&mut self, error: &std::io::Error) -> String {
        self.facts.started = None;
        self.status = Some(if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE });
        let why = not_executed(self.facts.argv.first().map_or("", String::as_str), error);
        (self.notices)(Notice::NotExecuted(why.clone()));
        why
    }

    /// Sends SIGTERM, and SIGKILL when the grace period is over.
    fn time_is_up(&mut self) {
        let is_first = !std::mem::replace(&mut self.facts.timed_out, true);
        self.deadline = if is_first { clock::instant().checked_add(self.settings.grace) } else { None };
        self.group.send(self.command.pid, if is_first { libc::SIGTERM } else { libc::SIGKILL });
        // A stopped process could not handle it.
        self.group.send(self.command.pid, libc::SIGCONT);
    }

    /// Forwards a signal to the command unless the command received it too.
    fn pass(&mut self, received: Received) {
        self.note_interrupt(received);
        if received.by_kernel && self.group.hears(received.signal) {
            self.keys.push(received.signal);
        } else {
            self.group.send(self.command.pid, received.signal);
        }
    }

    fn note_interrupt(&mut self, received: Received) {
        if received.ends() {
            self.facts.interrupted_by.get_or_insert(received.signal);
        }
    }

    /// Call this after the last sample. `is_unseen`: the recording ended before the command.
    pub fn finish(self, is_unseen: bool) -> Finished {
        let Workload { mut facts, command, settings, ended, wall, status, keys, .. } = self;
        if is_unseen {
            lock(&command.seen).living.clear();
        }
        let end = ended.and_then(Running::finish);
        workload::reap(&command);
        if let Some(end) = &end {
            facts.exit_code = end.code;
            facts.signal = end.signal;
            facts.cost = Some(workload::cost::measure(&command, end, wall.as_secs_f64()));
            facts.files = workload::files::named_files(&settings.argv);
        }
        Finished::new(facts, status, end.as_ref(), &keys)
    }
}
