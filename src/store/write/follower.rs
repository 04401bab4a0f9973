//! Runs an outlet on a thread of its own, where it can be slow, fail or hang without any effect on the recording.
//!
//! A fixed number of buffers is passed between the sampling thread and the outlet's thread. A tick is copied into a free buffer. If
//! none is free, the tick is dropped and counted. So the cost for the sampling thread is at most one copy.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::outlet::{Outlet, Tick};
use crate::store::journal::codec::TickStamp;
use crate::table::TableDef;
use crate::table::sample::Sample;

/// Passes ticks to an outlet on another thread. After this is dropped, the thread handles what is queued and ends; nothing waits
/// for it.
pub struct Follower {
    queue: Sender<Buffer>,
    free: Receiver<Buffer>,
    tally: Arc<Tally>,
}

/// Counts of ticks.
#[derive(Debug, Default)]
pub struct Tally {
    /// Handled by the outlet.
    pub taken: AtomicU64,
    /// The outlet returned an error.
    pub failed: AtomicU64,
    /// There was no free buffer: the outlet is too slow, or has ended.
    pub dropped: AtomicU64,
}

/// A copy of one tick.
struct Buffer {
    stamp: TickStamp,
    phase: Option<u32>,
    sample: Sample<'static>,
}

impl Follower {
    /// Starts the outlet's thread. `room`: the number of ticks that may wait for the outlet, including the one that it is handling.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start<O: Outlet + Send + 'static>(
        name: &str,
        mut outlet: O,
        catalog: &'static [TableDef],
        room: usize,
    ) -> io::Result<Follower> {
        let (queue, queued) = channel::<Buffer>();
        let (give_back, free) = channel();
        for _ in 0..room {
            let stamp = TickStamp { number: 0, ts_us: 0, mono_ns: 0 };
            // This cannot fail, since the receiver still exists.
            let _ = give_back.send(Buffer { stamp, phase: None, sample: Sample::new(catalog) });
        }
        let tally = Arc::new(Tally::default());
        let theirs = tally.clone();
        thread::Builder::new().name(name.into()).spawn(move || {
            for buffer in queued {
                let Buffer { stamp, phase, sample } = &buffer;
                let count = match outlet.tick(Tick { stamp: *stamp, phase: *phase, sample }) {
                    Ok(()) => &theirs.taken,
                    Err(_) => &theirs.failed,
                };
                count.fetch_add(1, Relaxed);
                let _ = give_back.send(buffer);
            }
        })?;
        Ok(Follower { queue, free, tally })
    }

    /// The counts so far.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Passes a tick to the outlet, unless it is too far behind. Never waits.
    pub fn offer(&mut self, tick: Tick<'_>) {
        let Ok(mut buffer) = self.free.try_recv() else {
            self.tally.dropped.fetch_add(1, Relaxed);
            return;
        };
        buffer.sample.copy_from(tick.sample);
        buffer.stamp = tick.stamp;
        let phase = tick.phase.and_then(|id| tick.sample.texts.get(id));
        buffer.phase = phase.map(|phase| buffer.sample.texts.intern(phase));
        if self.queue.send(buffer).is_err() {
            // The outlet panicked.
            self.tally.dropped.fetch_add(1, Relaxed);
        }
    }
}
