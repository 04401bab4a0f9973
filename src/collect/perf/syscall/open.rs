//! `perf_event_open(2)`: the one place where the kernel is asked for a counter.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::events::EventId;
use crate::events::modifier::Modifiers;
use crate::linux::perf_event::{self, Attr};

/// Bits of `Attr::flags`.
mod flag {
    pub const DISABLED: u64 = 1 << 0;
    pub const INHERIT: u64 = 1 << 1;
    pub const PINNED: u64 = 1 << 2;
    pub const EXCLUSIVE: u64 = 1 << 3;
    pub const EXCLUDE_USER: u64 = 1 << 4;
    pub const EXCLUDE_KERNEL: u64 = 1 << 5;
    pub const EXCLUDE_HV: u64 = 1 << 6;
    pub const EXCLUDE_IDLE: u64 = 1 << 7;
    /// Two bits wide.
    pub const PRECISE_SHIFT: u32 = 15;
    pub const EXCLUDE_HOST: u64 = 1 << 19;
    pub const EXCLUDE_GUEST: u64 = 1 << 20;
}

/// Bits of `Attr::read_format`.
mod format {
    pub const TOTAL_TIME_ENABLED: u64 = 1;
    pub const TOTAL_TIME_RUNNING: u64 = 2;
    pub const GROUP: u64 = 8;
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everything that runs on this CPU.
    Cpu(u32),
    /// A thread on any CPU, and the threads it starts; 0 is the calling thread.
    Thread(libc::pid_t),
    /// The tasks of a cgroup, by the descriptor of its folder, on this CPU.
    Cgroup(RawFd, u32),
}

/// A counter to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub id: EventId,
    pub whose: Whose,
    pub modifiers: Modifiers,
    /// The counter that must be on the CPU at the same time.
    pub leader: Option<RawFd>,
    /// Others will join it: it starts to count when it is [enabled](OpenCounter::enable) with them.
    pub leads: bool,
    /// A read of the leader gives the whole group.
    pub read_as_group: bool,
}

impl Ask {
    pub fn single(id: EventId, whose: Whose, modifiers: Modifiers) -> Ask {
        Ask { id, whose, modifiers, leader: None, leads: false, read_as_group: false }
    }
}

/// The kernel's answer: a counter that counts (a group's leader only after [`OpenCounter::enable`]), or an `errno`.
/// Tests use their own kernels.
pub type Kernel = Arc<dyn Fn(&Ask) -> Result<OwnedFd, i32> + Send + Sync>;

/// The kernel itself.
pub fn kernel() -> Kernel {
    Arc::new(system_call)
}

fn system_call(ask: &Ask) -> Result<OwnedFd, i32> {
    match open(ask) {
        // Kernels before 3.2, and CPUs without virtualisation of their counters, cannot leave guests out.
        Err(libc::EINVAL | libc::EOPNOTSUPP) if ask.modifiers.no_guest && !ask.modifiers.no_host => {
            open(&Ask { modifiers: Modifiers { no_guest: false, ..ask.modifiers }, ..*ask })
        }
        answer => answer,
    }
}

fn open(ask: &Ask) -> Result<OwnedFd, i32> {
    let m = ask.modifiers;
    let bit = |set: bool, flag: u64| if set { flag } else { 0 };
    // A group is enabled when it is whole: Linux 6.18 never schedules a software event that joins a leader at work.
    let flags = bit(ask.leads, flag::DISABLED)
        | bit(matches!(ask.whose, Whose::Thread(_)), flag::INHERIT)
        | bit(m.pinned && ask.leader.is_none(), flag::PINNED)
        | bit(m.exclusive && ask.leader.is_none(), flag::EXCLUSIVE)
        | bit(m.no_user, flag::EXCLUDE_USER)
        | bit(m.no_kernel, flag::EXCLUDE_KERNEL)
        | bit(m.no_hypervisor, flag::EXCLUDE_HV)
        | bit(m.no_idle, flag::EXCLUDE_IDLE)
        | u64::from(m.precise) << flag::PRECISE_SHIFT
        | bit(m.no_host, flag::EXCLUDE_HOST)
        | bit(m.no_guest, flag::EXCLUDE_GUEST);
    let attr = Attr {
        kind: ask.id.kind,
        size: Attr::SIZE,
        config: ask.id.config,
        read_format: format::TOTAL_TIME_ENABLED | format::TOTAL_TIME_RUNNING | bit(ask.read_as_group, format::GROUP),
        flags,
        config1: ask.id.config1,
        config2: ask.id.config2,
        ..Attr::default()
    };
    let on = |cpu: u32| libc::c_int::try_from(cpu).unwrap_or(libc::c_int::MAX);
    const FD_CLOEXEC: libc::c_ulong = 8;
    const PID_CGROUP: libc::c_ulong = 4;
    let (pid, cpu, how): (libc::pid_t, libc::c_int, libc::c_ulong) = match ask.whose {
        Whose::Cpu(cpu) => (-1, on(cpu), FD_CLOEXEC),
        Whose::Thread(tid) => (tid, -1, FD_CLOEXEC),
        Whose::Cgroup(folder, cpu) => (folder, on(cpu), FD_CLOEXEC | PID_CGROUP),
    };
    let leader: libc::c_int = ask.leader.unwrap_or(-1);
    perf_event::open(&attr, pid, cpu, leader, how)
}

/// The result of reading a counter, or the leader of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterReading {
    /// One per member of the group.
    pub values: Vec<u64>,
    /// Nanoseconds in which it was enabled, and in which it was on a counter.
    pub enabled_ns: u64,
    pub running_ns: u64,
}

/// An open counter.
#[derive(Debug)]
pub struct OpenCounter {
    file: File,
    buffer: Vec<u8>,
    as_group: bool,
}

impl OpenCounter {
    /// `members` of a group, with the leader; 0 for a counter that is read by itself.
    pub fn new(fd: OwnedFd, members: usize) -> OpenCounter {
        // Of a group: number of members, two times, values; of one counter: value and two times.
        let words = 3 + members;
        OpenCounter { file: File::from(fd), buffer: vec![0; words * 8], as_group: members > 0 }
    }

    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Starts the group of which this is the leader.
    pub fn enable(&self) {
        perf_event::enable(&self.file);
    }

    /// Reads into `into`; false where the counter has ended: its CPU is off-line, or a pinned one lost its place.
    pub fn read(&mut self, into: &mut CounterReading) -> bool {
        let Ok(read) = self.file.read(&mut self.buffer) else { return false };
        let mut words = self.buffer.get(..read).unwrap_or_default().chunks_exact(8).map(|w| {
            let mut word = [0; 8];
            word.copy_from_slice(w);
            u64::from_ne_bytes(word)
        });
        into.values.clear();
        let first = words.next();
        let (Some(first), Some(enabled), Some(running)) = (first, words.next(), words.next()) else { return false };
        (into.enabled_ns, into.running_ns) = (enabled, running);
        if self.as_group {
            into.values.extend(words.take(usize::try_from(first).unwrap_or(0)));
        } else {
            into.values.push(first);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_no_event_of_type_million() {
        // Whatever this machine allows: ENOENT where the call works, EACCES, EPERM or ENOSYS where it is forbidden.
        let ask = Ask::single(EventId::new(1_000_000, 0), Whose::Thread(0), Modifiers::NONE.user_only());
        let errno = kernel()(&ask).unwrap_err();
        assert!([libc::ENOENT, libc::EACCES, libc::EPERM, libc::ENOSYS].contains(&errno), "{errno}");
    }

    #[test]
    fn answers_in_both_forms() {
        let written = |words: &[u64]| {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &words.iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<u8>>())
                .unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            OwnedFd::from(file)
        };
        let mut reading = CounterReading::default();
        assert!(OpenCounter::new(written(&[17, 1000, 900]), 0).read(&mut reading));
        assert_eq!(reading, CounterReading { values: vec![17], enabled_ns: 1000, running_ns: 900 });
        assert!(OpenCounter::new(written(&[2, 1000, 900, 5, 6]), 2).read(&mut reading));
        assert_eq!(reading, CounterReading { values: vec![5, 6], enabled_ns: 1000, running_ns: 900 });
        assert!(!OpenCounter::new(written(&[]), 0).read(&mut reading), "a counter in error reads nothing");
        assert!(!OpenCounter::new(written(&[3]), 2).read(&mut reading));
    }
}
