//! The recorder's side: asks a helper for the next reading, and never waits for a driver at a tick.
//!
//! At each sample the recorder asks for a reading shortly before the next one, so that it finds a fresh answer there.
//! Samples whose time was not known (the first, the last, those at the boundary of a phase) ask for one at once, and
//! wait a little, unless the helper is silent already.

use std::io;
use std::time::Duration;

use super::connection::{Connection, Pending};
use super::serve::{ARGUMENT, Answer, Begin, Hello};
use crate::linux::clock;
use crate::linux::helper_process::HelperProcess;

/// How a helper is started, so that a test needs no program.
pub type Start = Box<dyn Fn() -> io::Result<HelperProcess> + Send>;

/// An older reading does not belong to the sample.
const FRESH_NS: u64 = 500_000_000;

/// The wait for an answer at the first and the last sample. A reading takes 4 ms per card. At others it is
/// [`Connection::patience`].
const PATIENCE: Duration = Duration::from_millis(250);

/// The time between two starts of a helper that ended by itself.
const RESTART_NS: u64 = 10_000_000_000;

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
        let connection = (self.start)().and_then(|process| Connection::open(process, &self.begin, pids));
        self.connection = Some(connection.map_err(|error| Silence::NotStarted(self.name(), error.to_string()))?);
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

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
