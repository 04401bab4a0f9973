//! The recorder's side: asks a helper for the next reading, and never waits for a driver at a tick.
//!
//! At each sample the recorder asks for a reading shortly before the next one, so that it finds a fresh answer there.
//! Samples whose time was not known (the first, the last, those at the boundary of a phase) ask for one at once, and
//! wait a little, unless the helper is silent already.

use std::io;
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::serve::{ARGUMENT, Answer, Begin, Hello, Request};
use crate::linux::clock;
use crate::linux::helper_process::HelperProcess;

/// How a helper is started, so that a test needs no program.
pub type Start = Box<dyn Fn() -> io::Result<HelperProcess> + Send>;

/// A reading is asked for this long before the sample that needs it, in addition to twice the time that it takes.
const LEAD_NS: u64 = 25_000_000;
const MOST_LEAD_NS: u64 = 250_000_000;

/// If an answer is later than this, the driver hangs.
const OVERDUE_NS: u64 = 500_000_000;

/// An older reading does not belong to the sample.
const FRESH_NS: u64 = 500_000_000;

/// A reading that is due later than this does not help the sample.
const EARLY_NS: u64 = 5_000_000;

/// The wait for an answer at the first and the last sample. A reading takes 4 ms per card. At others it is
/// [`Connection::patience`].
const PATIENCE: Duration = Duration::from_millis(250);

const SHORT: Duration = Duration::from_millis(10);

/// The time between two starts of a helper that ended by itself.
const RESTART_NS: u64 = 10_000_000_000;

/// A helper without an open call ends immediately.
const END: Duration = Duration::from_millis(100);
/// Once killed, one whose call can be interrupted does as well.
const KILLED: Duration = Duration::from_millis(20);

/// Why there is no reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    #[error("{0}")]
    Absent(String),
    #[error("{0} does not answer")]
    Hangs(&'static str),
    #[error("the process that reads {0} ended")]
    Ended(&'static str),
    #[error("cannot start a process that reads {0}: {1}")]
    NotStarted(&'static str, String),
}

/// Which sample it is, and when the next one will be, `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    First(u64),
    Next(u64),
    Last,
}

/// A source that is read by a helper.
pub struct Remote {
    begin: Begin,
    start: Start,
    connection: Option<Connection>,
    /// When a helper was started last.
    started_ns: u64,
}

struct Connection {
    process: HelperProcess,
    channel: Channel,
    hello: Option<Hello>,
    last_number: u64,
    pending: Option<Pending>,
    lead_ns: u64,
}

/// A request without an answer.
#[derive(Clone, Copy)]
struct Pending {
    number: u64,
    due_ns: u64,
}

/// Starts this program again, as the helper.
pub fn program() -> Start {
    Box::new(|| HelperProcess::start(ARGUMENT))
}

impl Remote {
    /// Starts a helper, which also reads for the first time.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn new(begin: Begin, start: Start, pids: &[u32]) -> Result<Remote, Silence> {
        let mut remote = Remote { begin, start, connection: None, started_ns: 0 };
        remote.restart(pids)?;
        Ok(remote)
    }

    fn name(&self) -> &'static str {
        self.begin.source.name()
    }

    fn restart(&mut self, pids: &[u32]) -> Result<(), Silence> {
        self.started_ns = clock::mono_ns();
        let connect = || {
            let process = (self.start)()?;
            let mut channel = Channel::new(&process.socket)?;
            channel.send(&self.begin)?;
            let mut connection =
                Connection { process, channel, hello: None, last_number: 0, pending: None, lead_ns: LEAD_NS };
            connection.ask(0, pids)?;
            Ok(connection)
        };
        match connect() {
            Ok(connection) => self.connection = Some(connection),
            Err(error) => {
                let error: io::Error = error;
                return Err(Silence::NotStarted(self.name(), error.to_string()));
            }
        }
        Ok(())
    }

    /// What the helper found, if it answers in this time.
    pub fn hello(&mut self, patience: Duration) -> Option<Hello> {
        let until = clock::instant() + patience;
        let connection = self.connection.as_mut()?;
        if connection.hello.is_none() {
            connection.hello = connection.channel.receive(Some(until)).ok()?;
        }
        connection.hello.clone()
    }

    /// A reading for this sample, and the request for the next one. `Ok(None)`: there is none yet.
    ///
    /// # Errors
    /// Why there is none.
    pub fn sample(&mut self, moment: Moment, pids: &[u32]) -> Result<Option<Answer>, Silence> {
        self.with(pids, |connection| {
            let mut newest = connection.take(clock::instant())?;
            if !connection.pending.is_some_and(Pending::is_overdue) {
                let is_early = connection.pending.is_some_and(Pending::is_early);
                if moment == Moment::Last || is_early {
                    connection.ask(0, pids)?;
                }
                let patience = if matches!(moment, Moment::Next(_)) { connection.patience() } else { PATIENCE };
                let until = clock::instant() + patience;
                while connection.pending.is_some() {
                    let Some(answer) = connection.take(until)? else { break };
                    newest = Some(answer);
                }
            }
            if let (Moment::First(next_ns) | Moment::Next(next_ns), None) = (moment, connection.pending) {
                connection.ask(next_ns.saturating_sub(connection.lead_ns), pids)?;
            }
            let oldest_ns = clock::mono_ns().saturating_sub(FRESH_NS);
            Ok(newest.filter(|answer| answer.mono_ns >= oldest_ns))
        })
    }

    fn with(
        &mut self,
        pids: &[u32],
        sample: impl FnOnce(&mut Connection) -> io::Result<Option<Answer>>,
    ) -> Result<Option<Answer>, Silence> {
        if self.connection.is_none() && clock::mono_ns() >= self.started_ns + RESTART_NS {
            self.restart(pids)?;
        }
        let name = self.name();
        let Some(connection) = &mut self.connection else { return Err(Silence::Ended(name)) };
        let result = sample(connection);
        let absent = connection.hello.as_ref().and_then(|hello| hello.as_ref().err()).cloned();
        match result {
            Ok(None) if connection.pending.is_some_and(Pending::is_overdue) => Err(Silence::Hangs(name)),
            Ok(answer) => Ok(answer),
            Err(_) => {
                self.connection = None;
                Err(absent.map_or(Silence::Ended(name), Silence::Absent))
            }
        }
    }
}

impl Pending {
    fn is_overdue(self) -> bool {
        clock::mono_ns() > self.due_ns.saturating_add(OVERDUE_NS)
    }

    fn is_early(self) -> bool {
        self.due_ns > clock::mono_ns().saturating_add(EARLY_NS)
    }
}

impl Connection {
    fn ask(&mut self, at_ns: u64, pids: &[u32]) -> io::Result<()> {
        self.last_number += 1;
        let number = self.last_number;
        self.channel.send(&Request { number, at_ns, pids: pids.to_vec() })?;
        self.pending = Some(Pending { number, due_ns: at_ns.max(clock::mono_ns()) });
        Ok(())
    }

    /// The wait for an answer that is due: 10 ms and twice the time that a reading takes.
    fn patience(&self) -> Duration {
        Duration::from_nanos(self.lead_ns.saturating_sub(LEAD_NS).min(MOST_LEAD_NS / 2)) + SHORT
    }

    /// The newest answer that is there, or the first that arrives until then.
    fn take(&mut self, until: Instant) -> io::Result<Option<Answer>> {
        if self.hello.is_none() {
            self.hello = self.channel.receive(Some(until))?;
        }
        if self.hello.is_none() {
            return Ok(None);
        }
        let mut newest = None;
        let mut wait = until;
        while let Some(answer) = self.channel.receive::<Answer>(Some(wait))? {
            self.pending = self.pending.filter(|pending| pending.number > answer.number);
            self.lead_ns = (LEAD_NS + 2 * answer.took_ns).min(MOST_LEAD_NS);
            // The values of a reading during which the driver hung belong to no known time.
            newest = (answer.took_ns <= OVERDUE_NS).then_some(answer);
            wait = clock::instant();
        }
        Ok(newest)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let is_silent = self.pending.is_some_and(|pending| pending.due_ns <= clock::mono_ns());
        // If nobody adopts orphans (as in many containers), it would remain as a zombie.
        if is_silent || !self.process.end(END) {
            self.process.kill();
            self.process.end(KILLED);
        }
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
