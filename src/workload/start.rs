//! Starts a command in two steps, so that it can be watched from its beginning: first its process is created and waits,
//! then it executes the command.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::WaitIdOptions;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::command::Used;
use super::group::ProcessGroup;
use super::orphans::used;
use crate::linux::clock;
use crate::linux::files::read_bytes;
use crate::linux::process::clock::cpu_ns;
use crate::linux::process::held::{Gate, Prepared, Program, Waiting};
use crate::linux::process::kernel::switches_of;
use crate::linux::process::schedstat::Schedstat;
use crate::linux::process::stat::Stat;
use crate::linux::process::wait::{Target, news_of, wait};

/// A process that waits before it executes the command.
pub struct Held {
    pub pid: u32,
    pub group: ProcessGroup,
    gate: Gate,
    /// Closed when the process is in its groups.
    joined: mpsc::Receiver<()>,
    running: Running,
}

/// The command after it was started.
pub struct Running {
    pub events: UnboundedReceiver<Event>,
    /// When this is dropped, the thread reaps the command, which frees its pid.
    release: mpsc::Sender<()>,
    thread: JoinHandle<Option<End>>,
}

/// What happens to the command.
#[derive(Debug)]
pub enum Event {
    /// It is running.
    Begun,
    /// It could not be executed.
    Failed(io::Error),
    /// It was stopped, for example by Ctrl-Z.
    Stopped,
    /// It ended at this time.
    Ended(Instant),
}

/// The standard streams of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Our own.
    Ours,
    /// No input, and all output goes to our standard error, so that it is not mixed with the output of the command.
    Aside,
}

/// How a command ended, and what it used, including the children that it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub used: Used,
}

impl End {
    /// The exit status as in a shell.
    pub fn status(&self) -> u8 {
        match (self.code, self.signal) {
            (Some(code), _) => code as u8,
            (None, signal) => 128u8.wrapping_add(signal.unwrap_or(0) as u8),
        }
    }
}

impl Held {
    /// Creates a process that will execute these words, with our environment and the variables in `set`, and that waits
    /// until then. Meanwhile it is moved to control groups (`joins`: their open `cgroup.procs` files): see
    /// [`Held::join`].
    ///
    /// # Errors
    /// When no process, thread or pipe can be created.
    pub fn start(
        words: &[OsString],
        set: &[(&OsStr, &OsStr)],
        group: ProcessGroup,
        streams: Streams,
        joins: Vec<File>,
    ) -> io::Result<Held> {
        let (own_group, aside) = (group == ProcessGroup::Own, streams == Streams::Aside);
        let prepared = Prepared::new(&Program { words, set, own_group, aside })?;
        let (send, events) = unbounded_channel();
        let (release, released) = mpsc::channel();
        let (born, birth) = mpsc::channel();
        let (join, joined) = mpsc::channel();
        let thread = std::thread::Builder::new().name("command".into()).spawn(move || {
            let Waiting { pid, gate, ready, outcome } = match prepared.fork() {
                Ok(waiting) => waiting,
                Err(error) => {
                    let _ = born.send(Err(error));
                    return None;
                }
            };
            let _ = born.send(Ok((pid, gate, ready)));
            for mut door in joins {
                // Done by us and not by the child, whose account it would add to. If it fails, the command runs
                // nevertheless.
                let _ = door.write_all(pid.to_string().as_bytes());
            }
            drop(join);
            match outcome.wait() {
                Ok(()) => {
                    let _ = send.send(Event::Begun);
                    watch(pid, &send, &released)
                }
                Err(error) => {
                    wait(Target::Child(pid));
                    let _ = send.send(Event::Failed(error));
                    None
                }
            }
        })?;
        let running = Running { events, release, thread };
        let (pid, gate, ready) =
            birth.recv().map_err(|_| io::Error::other("the thread that starts the command has ended"))??;
        // If it was killed in the meantime, an event will report its end.
        ready.wait();
        Ok(Held { pid, group, gate, joined, running })
    }

    /// Waits until it is in its control groups, or could not be moved there. The kernel waits for every processor to
    /// pass through a quiescent state before it moves a process: 5 to 10 ms.
    pub fn join(&self) {
        // Nothing is ever sent.
        let _ = self.joined.recv();
    }

    /// What it has used so far, which does not belong to the command.
    pub fn spent(&self) -> Used {
        let text = |file: &str| read_bytes(format!("/proc/{}/{file}", self.pid)).unwrap_or_default();
        let faults = Stat::parse(&text("stat")).map(|stat| stat.own).unwrap_or_default();
        let (voluntary_switches, involuntary_switches) = switches_of(&text("status"));
        Used {
            system_us: cpu_ns(self.pid).unwrap_or(0) / 1000,
            minor_faults: faults.minor_faults,
            major_faults: faults.major_faults,
            voluntary_switches,
            involuntary_switches,
            ..Used::default()
        }
    }

    /// How long it has waited for a CPU so far, which does not belong to the command either. Microseconds.
    pub fn waited_us(&self) -> u64 {
        let text = read_bytes(format!("/proc/{}/schedstat", self.pid)).unwrap_or_default();
        Schedstat::parse(&text).map_or(0, |schedstat| schedstat.wait_ns / 1000)
    }

    /// Starts the command. The first event shows whether that succeeded.
    pub fn go(self) -> Running {
        self.gate.open();
        self.running
    }
}

impl Running {
    /// Reaps a command that has ended.
    pub fn finish(self) -> Option<End> {
        drop(self.release);
        self.thread.join().ok().flatten()
    }
}

/// Sends events about the process. It is reaped only when that is requested: until then its files in `/proc` show what
/// it used.
fn watch(pid: u32, events: &UnboundedSender<Event>, released: &mpsc::Receiver<()>) -> Option<End> {
    const PAUSES: WaitIdOptions = WaitIdOptions::STOPPED.union(WaitIdOptions::CONTINUED);
    loop {
        let news = news_of(pid, WaitIdOptions::EXITED | PAUSES | WaitIdOptions::NOWAIT)?;
        if news.exited() || news.killed() || news.dumped() {
            break;
        }
        news_of(pid, PAUSES | WaitIdOptions::NOHANG);
        if news.stopped() {
            let _ = events.send(Event::Stopped);
        }
    }
    let _ = events.send(Event::Ended(clock::instant()));
    let _ = released.recv();
    let ended = wait(Target::Child(pid))?;
    Some(End { code: ended.status.code(), signal: ended.status.signal(), used: used(&ended.usage) })
}
