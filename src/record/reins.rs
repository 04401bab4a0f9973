//! How the session gives orders to the recorded command that it follows.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::signals::Received;
use crate::workload;
use crate::workload::command::Command;

/// What the session tells the command.
#[derive(Debug)]
pub(super) enum Order {
    /// The first sample was taken, or there will be none.
    Go,
    Signal(Received),
}

/// Gives orders to a [`Workload`](super::workload::Workload), which carries them out when it is polled.
pub(super) struct Reins {
    orders: UnboundedSender<Order>,
    command: Arc<Command>,
}

impl Reins {
    pub fn new(command: Arc<Command>) -> (Reins, UnboundedReceiver<Order>) {
        let (send, orders) = unbounded_channel();
        (Reins { orders: send, command }, orders)
    }

    /// Lets the command begin, or what comes before it, unless that has begun.
    pub fn go(&self) {
        let _ = self.orders.send(Order::Go);
    }

    /// Passes on a signal that was sent to us.
    pub fn pass(&self, received: Received) {
        let _ = self.orders.send(Order::Signal(received));
    }

    /// Waits for the orphans that have ended. Call this on the main thread.
    pub fn reap(&self) {
        workload::reap(&self.command);
    }
}
