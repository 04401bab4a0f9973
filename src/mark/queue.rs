//! Carries marks to the sampling thread, and the answers back.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::request::Request;
use crate::linux::clock::{Clock, Now, Stop, SystemClock};

/// The result: stored, perhaps with a note; or the reason why it was not stored.
pub type Reply = Result<Option<String>, String>;

/// Sends marks to the recording, from any thread.
#[derive(Clone, Debug)]
pub struct Marks {
    /// Under a lock, so that marks arrive in the order of their times.
    sender: Arc<Mutex<Sender<Mark>>>,
    wake: Stop,
}

/// A mark on its way to the sampling thread.
#[derive(Debug)]
pub struct Mark {
    pub request: Request,
    /// When it was received.
    pub at: Now,
    reply: SyncSender<Reply>,
}

impl Mark {
    /// One for which nobody waits.
    pub fn unasked(request: Request, at: Now) -> Mark {
        Mark { request, at, reply: sync_channel(1).0 }
    }

    pub fn answer(&self, reply: Reply) {
        // The sender may not be waiting for the reply. The channel has space for one, so this never waits either.
        let _ = self.reply.try_send(reply);
    }
}

/// An answer that will arrive.
#[derive(Debug)]
pub struct Pending(Receiver<Reply>);

impl Pending {
    /// Waits until the mark is in the journal, which takes at most one tick, or until it is known that it will not be.
    ///
    /// # Errors
    /// Why it is not recorded.
    pub fn wait(self) -> Reply {
        self.0.recv().unwrap_or_else(|_| Err("the recording has ended".into()))
    }

    /// The same, for at most `patience`.
    ///
    /// # Errors
    /// Why it is not recorded, or that it may be later.
    pub fn wait_for(self, patience: Duration) -> Reply {
        match self.0.recv_timeout(patience) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Timeout) => Err("the recording does not answer; the mark may still be stored".into()),
            Err(RecvTimeoutError::Disconnected) => Err("the recording has ended".into()),
        }
    }
}

/// The two ends. `wake` ends the wait of the thread that holds the receiver.
pub fn queue(wake: Stop) -> (Marks, Receiver<Mark>) {
    let (sender, receiver) = channel();
    (Marks { sender: Arc::new(Mutex::new(sender)), wake }, receiver)
}

impl Marks {
    /// Sends a mark with the current time.
    pub fn send(&self, request: Request) -> Pending {
        self.send_at(request, || SystemClock::new(self.wake.clone()).now())
    }

    /// The same with another clock.
    pub fn send_at(&self, request: Request, now: impl FnOnce() -> Now) -> Pending {
        // With space for the answer, so that answering never waits.
        let (reply, answer) = sync_channel(1);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = Mark { request, at: now(), reply };
        // If the recording has ended, the mark is dropped, and with it the reply: the answer then says so.
        let _ = sender.send(mark);
        drop(sender);
        self.wake.interrupt();
        Pending(answer)
    }
}
