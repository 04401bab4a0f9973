//! The command that is recorded: let go after the first sample, followed, and at its end put into words and figures.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::now;
use super::steps::{Step, Steps, Which};
use crate::cli::OUR_FAILURE;
use crate::cli::record::RecordArgs;
use crate::commands::signals::Received;
use crate::linux::cgroup::account::cpu_us;
use crate::linux::lock::lock;
use crate::linux::signal::name;
use crate::mark::Marks;
use crate::store::manifest::CommandFacts;
use crate::ui;
use crate::workload::command::{Before, Command};
use crate::workload::{self, Event, Group, Held, Running};

/// What `timeout` returns.
const TIMED_OUT: u8 = 124;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// A command on its way through a session.
pub struct Wrapped {
    pub facts: CommandFacts,
    command: Arc<Command>,
    group: Group,
    state: State,
    began: Option<Instant>,
    wall: Duration,
    timeout: Option<Duration>,
    grace: Duration,
    deadline: Option<Instant>,
    /// Where it never ran, or was ended by us.
    status: Option<u8>,
    /// Signals of keys that reached it as they reached us.
    keys: Vec<libc::c_int>,
    /// Why it ended, while the step after it runs.
    reason: Option<String>,
    /// The recording ended before it did.
    is_unseen: bool,
    steps: Steps,
}

enum State {
    Held(Held),
    /// `--prepare` runs.
    Preparing(Held, Step),
    /// Told to begin, and not ended yet.
    Running(Running),
    /// It has ended, and `--conclude` runs.
    Concluding(Running, Step),
    /// Ended, and not waited for yet.
    Ended(Running),
    /// There is nothing to wait for any more.
    Gone,
}

/// What happened to the command.
pub enum News {
    /// Nothing that ends the session.
    Other,
    Ended(String),
}

/// What it came to.
pub struct Finished {
    pub facts: CommandFacts,
    pub status: u8,
    /// The key that ended it.
    pub key: Option<libc::c_int>,
}

impl Wrapped {
    pub fn new(args: &RecordArgs, held: Held, command: Arc<Command>, socket: Option<OsString>) -> Wrapped {
        let facts = CommandFacts {
            argv: args.command.iter().map(|w| w.to_string_lossy().into_owned()).collect(),
            pid: held.pid,
            ..CommandFacts::default()
        };
        Wrapped {
            facts,
            command,
            group: held.group,
            state: State::Held(held),
            began: None,
            wall: Duration::ZERO,
            timeout: args.timeout,
            grace: args.grace,
            deadline: None,
            status: None,
            keys: Vec::new(),
            reason: None,
            is_unseen: false,
            steps: Steps::new(args, socket),
        }
    }

    /// Phases are marked from now on, if there are steps beside the command.
    pub fn mark_with(&mut self, marks: Marks) {
        self.steps.marks = Some(marks);
    }

    /// Not all is over.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, State::Ended(_) | State::Gone)
    }

    /// Lets it begin, or what comes before it, unless that has begun.
    pub fn go(&mut self) {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Held(held) => match self.steps.begin(Which::Prepare, self.group) {
                Ok(Some(step)) => self.state = State::Preparing(held, step),
                Ok(None) => self.release(held),
                Err(error) => {
                    ui::complain(&format!("--prepare: {error}"));
                    self.status = Some(OUR_FAILURE);
                }
            },
            other => self.state = other,
        }
    }

    /// The same; from now on nobody looks at it any more.
    pub fn go_unseen(&mut self) {
        self.is_unseen = self.is_alive();
        self.go();
    }

    fn release(&mut self, held: Held) {
        if self.steps.have_prepared() {
            workload::disown_all(&self.command);
        }
        self.steps.start_run();
        let before = Before { process: held.spent(), cgroup_us: cpu_us(&self.command.cgroup.folders) };
        self.command.begin(before);
        self.facts.started = Some(now());
        let began = Instant::now();
        self.began = Some(began);
        self.deadline = self.timeout.and_then(|t| began.checked_add(t));
        self.state = State::Running(held.go());
    }

    /// Waits for the orphans that have ended.
    pub fn reap(&self) {
        workload::reap(&self.command);
    }

    /// Waits until something happens to it.
    pub async fn news(&mut self) -> News {
        let deadline = self.deadline;
        let running = match &mut self.state {
            State::Running(running) => running,
            State::Preparing(_, step) => {
                step.ended().await;
                return self.prepared();
            }
            State::Concluding(_, step) => {
                step.ended().await;
                return self.concluded();
            }
            _ => return std::future::pending().await,
        };
        let event = tokio::select! {
            event = running.events.recv() => event,
            Some(()) = async { sleep_until(deadline?.into()).await; Some(()) } => {
                self.time_is_up();
                return News::Other;
            }
        };
        match event {
            Some(Event::Begun) => News::Other,
            Some(Event::Stopped) => {
                self.group.stop_with(self.command.pid);
                News::Other
            }
            Some(Event::Failed(error)) => {
                self.facts.started = None;
                self.status = Some(if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE });
                let program = self.facts.argv.first().cloned().unwrap_or_default();
                let why = failure(&program, &error);
                ui::complain(&why);
                self.ended(Instant::now(), why)
            }
            Some(Event::Ended(at)) => self.ended(at, "command".into()),
            None => self.ended(Instant::now(), "command".into()),
        }
    }

    fn prepared(&mut self) -> News {
        let State::Preparing(held, step) = std::mem::replace(&mut self.state, State::Gone) else { return News::Other };
        let status = step.finish(&self.steps);
        // Dropped, the process that waits to be the command ends.
        if self.status.is_some() {
            let signal = self.facts.interrupted_by.map_or_else(|| "a signal".into(), name);
            let why = format!("{signal} came during --prepare");
            ui::complain(&format!("{why}; the command was not started"));
            return News::Ended(why);
        }
        if status == 0 {
            self.release(held);
            return News::Other;
        }
        ui::complain(&format!("--prepare: exit status {status}; the command was not started"));
        self.status = Some(OUR_FAILURE);
        News::Ended(format!("--prepare: exit status {status}"))
    }

    /// The command has ended, or could not begin.
    fn ended(&mut self, at: Instant, why: String) -> News {
        self.wall = self.began.map(|began| at.saturating_duration_since(began)).unwrap_or_default();
        self.facts.ended = self.facts.started.is_some().then(now);
        let State::Running(running) = std::mem::replace(&mut self.state, State::Gone) else { return News::Other };
        self.steps.end_run();
        match self.steps.begin(Which::Conclude, self.group) {
            Ok(Some(step)) => {
                // Whose end comes from now on may be one of the step's.
                workload::reap(&self.command);
                self.command.set_running(false);
                self.reason = Some(why);
                self.state = State::Concluding(running, step);
                return News::Other;
            }
            Ok(None) => {}
            Err(error) => ui::complain(&format!("warning: --conclude: {error}")),
        }
        self.state = State::Ended(running);
        News::Ended(why)
    }

    fn concluded(&mut self) -> News {
        let State::Concluding(running, step) = std::mem::replace(&mut self.state, State::Gone) else {
            return News::Other;
        };
        let status = step.finish(&self.steps);
        if status != 0 {
            ui::complain(&format!("warning: --conclude: exit status {status}"));
        }
        self.state = State::Ended(running);
        News::Ended(self.reason.take().unwrap_or_else(|| "command".into()))
    }

    /// SIGTERM first, SIGKILL when its time of grace is over too.
    fn time_is_up(&mut self) {
        let first = !std::mem::replace(&mut self.facts.timed_out, true);
        self.deadline = if first { Instant::now().checked_add(self.grace) } else { None };
        self.group.send(self.command.pid, if first { libc::SIGTERM } else { libc::SIGKILL });
        // One that is stopped could not hear it.
        self.group.send(self.command.pid, libc::SIGCONT);
    }

    /// Passes on what was sent to us and not to it.
    pub fn pass(&mut self, received: Received) {
        let heard = received.by_kernel && self.group.hears(received.signal);
        if heard && matches!(self.state, State::Running(_)) {
            self.keys.push(received.signal);
        }
        if received.ends() && matches!(self.state, State::Held(_) | State::Preparing(..) | State::Running(_)) {
            self.facts.interrupted_by.get_or_insert(received.signal);
        }
        match &self.state {
            // It has not begun, and need not.
            State::Held(_) if received.signal != libc::SIGCONT => {
                ui::complain(&format!("{} came before the command began; it was not started", received.name()));
                self.state = State::Gone;
                self.status = Some(received.status());
            }
            State::Preparing(_, step) => {
                step.pass(received);
                if received.ends() {
                    self.status = Some(received.status());
                }
            }
            State::Concluding(_, step) => step.pass(received),
            State::Running(_) if !heard => {
                self.group.send(self.command.pid, received.signal);
            }
            _ => {}
        }
    }

    /// To be called when the last sample was taken.
    pub fn finish(self) -> Finished {
        let Wrapped { mut facts, command, state, wall, status, keys, is_unseen, .. } = self;
        if is_unseen {
            lock(&command.seen).living.clear();
        }
        let end = match state {
            State::Ended(running) => running.finish(),
            _ => None,
        };
        workload::reap(&command);
        if let Some(end) = &end {
            facts.exit_code = end.code;
            facts.signal = end.signal;
            facts.cost = Some(workload::cost::measure(&command, end, wall.as_secs_f64()));
        }
        let ended = if facts.timed_out { TIMED_OUT } else { end.map_or(OUR_FAILURE, |e| e.status()) };
        let key = end.and_then(|end| end.signal).filter(|signal| keys.contains(signal));
        Finished { facts, status: status.unwrap_or(ended), key }
    }
}

/// Why it could not be executed. The kernel says of a script whose interpreter is missing that the script is.
fn failure(program: &str, error: &std::io::Error) -> String {
    let is_there = workload::find(program.as_ref(), std::env::var_os("PATH").as_deref()).is_ok();
    match error.kind() {
        ErrorKind::NotFound if is_there => {
            format!("{program}: the interpreter in its first line, or its loader, is not there")
        }
        _ => format!("{program}: {error}"),
    }
}

impl Finished {
    /// `make: exit status 0 after 12.3 s (45.1 s user, 3.2 s system, 512 MiB)`
    pub fn in_words(&self) -> String {
        let facts = &self.facts;
        let program = facts.argv.first().map_or("", String::as_str);
        let cost = facts.cost.as_ref().map_or_else(String::new, |cost| {
            let (user, system) = (seconds(cost.user_s), seconds(cost.system_s));
            let left = match cost.left_running {
                0 => String::new(),
                1 => "; left 1 process running".into(),
                n => format!("; left {n} processes running"),
            };
            let largest = indicatif::BinaryBytes(cost.max_rss_bytes);
            // Where parents do not care about their children, the kernel tells only the group.
            let more = cost.cgroup_cpu_s.filter(|cpu| *cpu > 1.05 * (cost.user_s + cost.system_s) + 0.05);
            let more = more.map_or_else(String::new, |cpu| format!(", {} by its control group", seconds(cpu)));
            format!(
                " after {} ({user} user, {system} system{more}, largest process {largest}{left})",
                seconds(cost.wall_s)
            )
        });
        format!("{program}: {}{cost}", facts.how_it_ended(true))
    }
}

/// To the millisecond below a minute, as `time` shows it.
fn seconds(s: f64) -> String {
    if s < 60.0 { format!("{s:.3} s") } else { format!("{}m {:.1} s", (s / 60.0).floor(), s % 60.0) }
}
