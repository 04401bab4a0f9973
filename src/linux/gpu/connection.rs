//! The connection to a helper, and what was asked of it.

use std::io;
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::serve::{Answer, Begin, Hello, Request};
use crate::linux::clock;
use crate::linux::helper_process::HelperProcess;

/// A reading is asked for this long before the sample that needs it, in addition to twice the time that it takes.
const LEAD_NS: u64 = 25_000_000;
const MOST_LEAD_NS: u64 = 250_000_000;

/// If an answer is later than this, the driver hangs.
pub const OVERDUE_NS: u64 = 500_000_000;

/// A reading that is due later than this does not help the sample.
const EARLY_NS: u64 = 5_000_000;

/// The wait for a reading that takes no time.
const SHORT: Duration = Duration::from_millis(10);

/// A helper without an open call ends immediately.
const END: Duration = Duration::from_millis(100);
/// Once killed, one whose call can be interrupted does as well.
const KILLED: Duration = Duration::from_millis(20);

/// A running helper with the request that has no answer yet.
pub struct Connection {
    pub process: HelperProcess,
    pub channel: Channel,
    /// What it said first.
    pub hello: Option<Hello>,
    last_number: u64,
    pub pending: Option<Pending>,
    /// A reading is asked for this long before the sample that needs it.
    pub lead_ns: u64,
}

/// A request without an answer.
#[derive(Clone, Copy)]
pub struct Pending {
    number: u64,
    /// When the reading begins, `CLOCK_MONOTONIC`.
    due_ns: u64,
}

impl Pending {
    pub fn is_overdue(self) -> bool {
        clock::mono_ns() > self.due_ns.saturating_add(OVERDUE_NS)
    }

    pub fn is_early(self) -> bool {
        self.due_ns > clock::mono_ns().saturating_add(EARLY_NS)
    }
}

impl Connection {
    /// Tells the helper what to read, and asks for a first reading.
    ///
    /// # Errors
    /// If it is gone already.
    pub fn open(process: HelperProcess, begin: &Begin, pids: &[u32]) -> io::Result<Connection> {
        let channel = Channel::new(&process.socket)?;
        let mut connection =
            Connection { process, channel, hello: None, last_number: 0, pending: None, lead_ns: LEAD_NS };
        connection.channel.send(begin)?;
        match connection.ask(0, pids) {
            // It cannot read the cards and has ended; it said why before.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            asked => asked?,
        }
        Ok(connection)
    }

    /// Asks for a reading at this time, instead of one that has not begun.
    ///
    /// # Errors
    /// If the helper is gone.
    pub fn ask(&mut self, at_ns: u64, pids: &[u32]) -> io::Result<()> {
        self.last_number += 1;
        let number = self.last_number;
        self.channel.send(&Request { number, at_ns, pids: pids.to_vec() })?;
        self.pending = Some(Pending { number, due_ns: at_ns.max(clock::mono_ns()) });
        Ok(())
    }

    /// The wait for an answer that is due: 10 ms and twice the time that a reading takes.
    pub fn patience(&self) -> Duration {
        Duration::from_nanos(self.lead_ns.saturating_sub(LEAD_NS).min(MOST_LEAD_NS / 2)) + SHORT
    }

    /// The newest answer that is there, or the first that arrives until then.
    ///
    /// # Errors
    /// If the helper is gone.
    pub fn take(&mut self, until: Instant) -> io::Result<Option<Answer>> {
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
