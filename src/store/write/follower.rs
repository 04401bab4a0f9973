//! An outlet with a thread of its own, which can be slow, fail or hang without any effect on the recording.
//!
//! A fixed number of buffers circulates between the thread that samples and the outlet's. A tick is copied into a free buffer;
//! where none is free it is dropped, and counted. So the cost for the thread that samples is one copy at most.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::outlet::{Outlet, Tick};
use crate::store::journal::codec::TickStamp;
use crate::table::TableDef;
use crate::table::sample::Sample;

/// Gives ticks to an outlet on another thread. The thread ends after this is dropped, when the outlet has taken what is queued;
/// nobody waits for that.
pub struct Follower {
    queue: Sender<Buffer>,
    free: Receiver<Buffer>,
    tally: Arc<Tally>,
}

/// What became of the ticks. Read by whoever wants to tell users.
#[derive(Debug, Default)]
pub struct Tally {
    /// The outlet took them.
    pub taken: AtomicU64,
    /// The outlet failed.
    pub failed: AtomicU64,
    /// There was no free buffer: the outlet is too slow, or gone.
    pub dropped: AtomicU64,
}

/// A copy of one tick.
struct Buffer {
    stamp: TickStamp,
    phase: Option<u32>,
    sample: Sample<'static>,
}

impl Follower {
    /// Starts the outlet's thread. `room`: ticks that may wait for the outlet, the one that it is taking included.
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
            // The receiver is here.
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

    /// What became of the ticks so far.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Gives it a tick, unless it is too far behind. Never waits.
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
