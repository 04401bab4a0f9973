//! How the session controls the recorded command.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::signals::Received;
use crate::workload;
use crate::workload::command::Command;

/// An order of the session.
#[derive(Debug)]
pub(super) enum Order {
    /// The first sample was taken, or there will be none: the command can begin.
    Go,
    Signal(Received),
}

/// Sends orders to a [`Workload`](super::workload::Workload), which executes them when it is polled.
pub(super) struct Orders {
    send: UnboundedSender<Order>,
    command: Arc<Command>,
}

impl Orders {
    pub fn new(command: Arc<Command>) -> (Orders, UnboundedReceiver<Order>) {
        let (send, received) = unbounded_channel();
        (Orders { send, command }, received)
    }

    /// Starts the command, or the step before it, unless it has started already.
    pub fn go(&self) {
        let _ = self.send.send(Order::Go);
    }

    /// Forwards a signal that was sent to us.
    pub fn pass(&self, received: Received) {
        let _ = self.send.send(Order::Signal(received));
    }

    /// Reaps the orphans that have ended. Call this on the main thread.
    pub fn reap(&self) {
        workload::reap(&self.command);
    }
}
