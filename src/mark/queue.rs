//! The way of a mark to the thread that samples, and of the answer back.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::request::Request;
use crate::linux::clock::{Clock, Now, Stop, SystemClock};

/// What was done: stored, perhaps with something to say about it; or why it was not.
pub type Reply = Result<Option<String>, String>;

/// Hands marks to the recording, from any thread.
#[derive(Clone, Debug)]
pub struct Marks {
    /// Under a lock, so that marks come in the order of their instants.
    sender: Arc<Mutex<Sender<Mark>>>,
    wake: Stop,
}

/// A mark on its way.
#[derive(Debug)]
pub struct Mark {
    pub request: Request,
    /// When it came in.
    pub at: Now,
    reply: SyncSender<Reply>,
}

impl Mark {
    pub fn answer(&self, reply: Reply) {
        // Whoever asked may not wait for it. There is room for one, so this never waits either.
        let _ = self.reply.try_send(reply);
    }
}

/// An answer that is to come.
#[derive(Debug)]
pub struct Pending(Receiver<Reply>);

impl Pending {
    /// Waits until the mark is in the journal, which takes a tick at most; or until it is known that it will not be.
    ///
    /// # Errors
    /// Why it is not recorded.
    pub fn wait(self) -> Reply {
        self.0.recv().unwrap_or_else(|_| Err("the recording has ended".into()))
    }

    /// The same, for so long at most.
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

/// The two ends. `wake` ends the wait of the thread that holds the second.
pub fn queue(wake: Stop) -> (Marks, Receiver<Mark>) {
    let (sender, receiver) = channel();
    (Marks { sender: Arc::new(Mutex::new(sender)), wake }, receiver)
}

impl Marks {
    /// Hands a mark in; it is of this instant.
    pub fn send(&self, request: Request) -> Pending {
        self.send_at(request, || SystemClock::new(self.wake.clone()).now())
    }

    /// The same with a clock of one's own.
    pub fn send_at(&self, request: Request, now: impl FnOnce() -> Now) -> Pending {
        // Room for the answer, so that whoever gives it never waits.
        let (reply, answer) = sync_channel(1);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = Mark { request, at: now(), reply };
        // A recording that has ended drops it, and with it the reply: the answer then says so.
        let _ = sender.send(mark);
        drop(sender);
        self.wake.interrupt();
        Pending(answer)
    }
}
