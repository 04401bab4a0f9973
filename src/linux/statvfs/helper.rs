//! Asks through a separate process, which can be left behind with calls that do not return.

use std::ffi::CStr;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::serve::{ANSWER, HELLO, request, understood};
use super::{Answer, FilesystemUsage};
use crate::linux::clock;
use crate::linux::helper_process::HelperProcess;
use crate::linux::poll::is_readable;

pub use super::serve::{ARGUMENT, run, serve};

/// The connection to a running helper.
pub struct Connection {
    process: HelperProcess,
    /// The part of an answer that has arrived.
    begun: Vec<u8>,
}

/// How a helper is started, so that a test needs no program.
pub type Start = Box<dyn Fn() -> io::Result<Connection> + Send>;

/// Starts this program again, as the helper.
///
/// # Errors
/// If no more processes or descriptors are possible.
pub fn start() -> io::Result<Connection> {
    Ok(Connection { process: HelperProcess::start(ARGUMENT)?, begun: Vec::new() })
}

impl Connection {
    /// To a helper at the other end of this socket.
    pub fn over(connection: UnixStream) -> Connection {
        Connection { process: HelperProcess::over(connection), begun: Vec::new() }
    }

    /// The next answer; `None` if none arrives until then.
    fn next(&mut self, until: Instant) -> io::Result<Option<(u64, io::Result<FilesystemUsage>)>> {
        loop {
            if let Some((answer, rest)) = self.begun.split_first_chunk::<ANSWER>() {
                let answer = understood(answer);
                self.begun = rest.to_vec();
                return Ok(Some(answer));
            }
            if !self.is_heard(until) {
                return Ok(None);
            }
            let mut bytes = [0; 64 * ANSWER];
            match self.process.socket.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.begun.extend_from_slice(&bytes[..n]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether there is something to read, or its end, before this instant.
    fn is_heard(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(clock::instant());
        // After a signal, it is asked again the next time.
        is_readable(&self.process.socket, Some(left)).unwrap_or(false)
    }
}

/// Asks for several paths at once.
pub struct Remote {
    start: Start,
    deadline: Duration,
    connection: Option<Connection>,
    /// It has reported that it is ready.
    is_ready: bool,
    last_number: u64,
    /// Requests that have no answer yet.
    pending: Vec<(u64, Arc<CStr>)>,
    /// Paths that were late before.
    unpunctual: Vec<Arc<CStr>>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        /// A helper without an open call ends immediately.
        const PATIENCE: Duration = Duration::from_millis(100);
        // If nobody adopts orphans (as in many containers), it would remain as a zombie.
        if let Some(connection) = self.connection.as_mut().filter(|_| self.pending.is_empty()) {
            connection.process.end(PATIENCE);
        }
    }
}

impl Remote {
    pub fn new(start: Start, deadline: Duration) -> Remote {
        Remote {
            start,
            deadline,
            connection: None,
            is_ready: false,
            last_number: HELLO,
            pending: Vec::new(),
            unpunctual: Vec::new(),
        }
    }

    /// Whether a call on this path was late before.
    pub fn is_unpunctual(&self, path: &CStr) -> bool {
        self.unpunctual.iter().any(|late| **late == *path)
    }

    /// Starts the helper and waits until it is ready, because a tick, which asks it, has less time.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn prepare(&mut self, patience: Duration) -> io::Result<()> {
        let until = clock::instant() + patience;
        let mut connection = (self.start)()?;
        connection.process.socket.set_nonblocking(true)?;
        self.is_ready = matches!(connection.next(until)?, Some((HELLO, _)));
        self.connection = Some(connection);
        Ok(())
    }

    /// Asks for all paths and returns an answer for each, in their order, before the deadline.
    ///
    /// # Errors
    /// If there is no helper to ask. Another one is started the next time.
    pub fn ask(&mut self, paths: &[Arc<CStr>]) -> io::Result<Vec<Answer>> {
        if self.connection.is_none() && !paths.is_empty() {
            self.prepare(self.deadline)?;
        }
        let answers = self.try_asking(paths);
        if answers.is_err() {
            self.connection = None;
            self.pending.clear();
        }
        answers
    }

    /// The other side is gone.
    #[cfg(test)]
    pub fn end_process(&self) {
        self.connection.iter().for_each(|c| c.process.socket.shutdown(std::net::Shutdown::Both).unwrap());
    }

    fn try_asking(&mut self, paths: &[Arc<CStr>]) -> io::Result<Vec<Answer>> {
        let Remote { connection, pending, unpunctual, .. } = self;
        let mut answers: Vec<Answer> = paths.iter().map(|_| Answer::NotAsked).collect();
        let Some(connection) = connection else { return Ok(answers) };
        unpunctual.retain(|late| paths.contains(late));
        // Late answers to earlier requests.
        while let Some((number, _)) = connection.next(clock::instant())? {
            self.is_ready |= number == HELLO;
            pending.retain(|(asked, _)| *asked != number);
        }
        if !self.is_ready {
            return Ok(answers);
        }
        let until = clock::instant() + self.deadline;
        let mut asked = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            if pending.iter().any(|(_, waits)| waits == path) {
                continue;
            }
            self.last_number += 1;
            connection.process.socket.write_all(&request(self.last_number, path.to_bytes()))?;
            pending.push((self.last_number, path.clone()));
            answers[index] = Answer::Late;
            asked.push((self.last_number, index));
        }
        while !asked.is_empty() {
            let Some((number, said)) = connection.next(until)? else { break };
            pending.retain(|(asked, _)| *asked != number);
            let Some(at) = asked.iter().position(|(asked, _)| *asked == number) else { continue };
            answers[asked.swap_remove(at).1] = said.map_or_else(Answer::Failed, Answer::Usage);
        }
        for (_, index) in asked {
            if !unpunctual.contains(&paths[index]) {
                unpunctual.push(paths[index].clone());
            }
        }
        Ok(answers)
    }
}
