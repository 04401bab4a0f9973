//! Asks through a separate process, which can be left behind with calls that do not return.

use std::ffi::CStr;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::serve::{ANSWER, ARGUMENT, HELLO, request, understood};
use super::{Answer, FilesystemUsage};
use crate::linux::clock;
use crate::linux::helper::Helper;
use crate::linux::poll::is_readable;

pub use super::serve::{is_wanted, run, serve};

/// A running helper.
pub struct HelperProcess {
    connection: UnixStream,
    /// The part of an answer that has arrived.
    begun: Vec<u8>,
    child: Option<Child>,
    /// It is not an orphan of a recorded command.
    helper: Option<Helper>,
}

/// How a helper is started, so that a test needs no program.
pub type Start = Box<dyn Fn() -> io::Result<HelperProcess> + Send>;

/// Starts this program again, as the helper.
///
/// # Errors
/// If no more processes or descriptors are possible.
pub fn start() -> io::Result<HelperProcess> {
    let (ours, theirs) = UnixStream::pair()?;
    let spawn = || {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("perfwatch").arg(ARGUMENT).stdin(Stdio::from(OwnedFd::from(theirs)));
        // It may live longer than we do, so it must not hold open what others wait for.
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).current_dir("/");
        let child = command.spawn()?;
        let pid = child.id();
        io::Result::Ok((child, Some(pid)))
    };
    let (child, helper) = Helper::start(spawn)?;
    let mut process = HelperProcess::over(ours);
    (process.child, process.helper) = (Some(child), helper);
    Ok(process)
}

impl HelperProcess {
    /// A helper at the other end of this socket.
    pub fn over(connection: UnixStream) -> HelperProcess {
        HelperProcess { connection, begun: Vec::new(), child: None, helper: None }
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
            match self.connection.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.begun.extend_from_slice(&bytes[..n]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl HelperProcess {
    /// Whether there is something to read, or its end, before this instant.
    fn is_heard(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(clock::instant());
        // After a signal, it is asked again the next time.
        is_readable(&self.connection, Some(left)).unwrap_or(false)
    }
}

impl Drop for HelperProcess {
    #[allow(
        clippy::mem_forget,
        reason = "as long as the helper lives it must be known as ours, and nobody waits for its end"
    )]
    fn drop(&mut self) {
        // It ends after its connection is closed, unless a call does not return: nobody waits for it.
        let _ = self.connection.shutdown(std::net::Shutdown::Both);
        if !self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_)))) {
            // As long as it lives it is registered as ours.
            std::mem::forget(self.helper.take());
        }
    }
}

/// Asks for several paths at once.
pub struct Remote {
    start: Start,
    deadline: Duration,
    process: Option<HelperProcess>,
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
        let Some(process) = self.process.as_mut().filter(|_| self.pending.is_empty()) else { return };
        let _ = process.connection.shutdown(std::net::Shutdown::Both);
        let until = clock::instant() + PATIENCE;
        // If nobody adopts orphans (as in many containers), it would remain as a zombie.
        while process.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
            && clock::instant() < until
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Remote {
    pub fn new(start: Start, deadline: Duration) -> Remote {
        Remote {
            start,
            deadline,
            process: None,
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
        let mut process = (self.start)()?;
        process.connection.set_nonblocking(true)?;
        self.is_ready = matches!(process.next(until)?, Some((HELLO, _)));
        self.process = Some(process);
        Ok(())
    }

    /// Asks for all paths and returns an answer for each, in their order, before the deadline.
    ///
    /// # Errors
    /// If there is no helper to ask. Another one is started the next time.
    pub fn ask(&mut self, paths: &[Arc<CStr>]) -> io::Result<Vec<Answer>> {
        if self.process.is_none() && !paths.is_empty() {
            self.prepare(self.deadline)?;
        }
        let answers = self.try_asking(paths);
        if answers.is_err() {
            self.process = None;
            self.pending.clear();
        }
        answers
    }

    /// The other side is gone.
    #[cfg(test)]
    pub fn end_process(&self) {
        self.process.iter().for_each(|p| p.connection.shutdown(std::net::Shutdown::Both).unwrap());
    }

    fn try_asking(&mut self, paths: &[Arc<CStr>]) -> io::Result<Vec<Answer>> {
        let Remote { process, pending, unpunctual, .. } = self;
        let mut answers: Vec<Answer> = paths.iter().map(|_| Answer::NotAsked).collect();
        let Some(process) = process else { return Ok(answers) };
        unpunctual.retain(|late| paths.contains(late));
        // Late answers to earlier requests.
        while let Some((number, _)) = process.next(clock::instant())? {
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
            process.connection.write_all(&request(self.last_number, path.to_bytes()))?;
            pending.push((self.last_number, path.clone()));
            answers[index] = Answer::Late;
            asked.push((self.last_number, index));
        }
        while !asked.is_empty() {
            let Some((number, said)) = process.next(until)? else { break };
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
