//! Kernels for tests: `perf_event_open` without real counters.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

use super::syscall::open::{Ask, Kernel, Whose};

/// Any counter, which reads nothing.
pub fn counts() -> Result<OwnedFd, i32> {
    std::fs::File::open("/dev/null").map(OwnedFd::from).map_err(|_| libc::EMFILE)
}

/// A kernel that counts everything except hardware events.
pub fn software_only() -> Kernel {
    Arc::new(|ask: &Ask| if ask.id.kind == 1 { counts() } else { Err(libc::ENOENT) })
}

/// A kernel with scripted counters, read by read.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<HashMap<u32, Vec<UnixDatagram>>>>);

impl Script {
    /// Counters on CPUs; the script keeps the other end of each. The members of a group after the first are never read.
    pub fn kernel(&self) -> Kernel {
        let ends = self.0.clone();
        Arc::new(move |ask: &Ask| {
            let Whose::Cpu(cpu) = ask.whose else { return Err(libc::EINVAL) };
            let (ours, theirs) = UnixDatagram::pair().map_err(|_| libc::EMFILE)?;
            theirs.set_nonblocking(true).map_err(|_| libc::EMFILE)?;
            if ask.leader.is_none() {
                ends.lock().unwrap().entry(cpu).or_default().push(ours);
            }
            Ok(theirs.into())
        })
    }

    /// Forgets the counters opened so far by trials.
    pub fn forget(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The next reading of the counter of this CPU that was opened last.
    pub fn last_answers(&self, cpu: u32, words: &[u64]) {
        let last = self.0.lock().unwrap().get(&cpu).map_or(0, |ends| ends.len() - 1);
        self.answers_nth(cpu, last, words);
    }

    /// The next reading of the only open counter of this CPU.
    pub fn answers(&self, cpu: u32, words: &[u64]) {
        self.answers_nth(cpu, 0, words);
    }

    /// The next reading of the `n`th counter of this CPU that is still open.
    pub fn answers_nth(&self, cpu: u32, n: usize, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let mut ends = self.0.lock().unwrap();
        let open = ends.get_mut(&cpu).expect("a counter on this CPU");
        let end = open.get(n).expect("a counter");
        end.send(&bytes).unwrap();
    }
}
