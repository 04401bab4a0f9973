//! What the kernel says of processes besides `stat`: their clocks, who there are, and single lines of their files.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::linux::scan::{lines, number, words};

/// What a process read from storage and wrote there, from its `io`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    pub read_bytes: u64,
    pub write_bytes: u64,
}

/// The CPU time of a process with all its threads, those that ended included. The kernel tells it of any process, by
/// number. `None`: there is none of this number.
pub fn cpu_ns(pid: u32) -> Option<u64> {
    /// Of a process, by the scheduler's accounts (`CPUCLOCK_SCHED`).
    const SCHEDULED: libc::clockid_t = 2;
    let clock = (!libc::clockid_t::try_from(pid).ok()?).wrapping_shl(3) | SCHEDULED;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills in the structure that is handed over.
    let answer = unsafe { libc::clock_gettime(clock, &mut time) };
    (answer == 0).then(|| (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64))
}

/// Calls `each` with the number and inode of every process in the folder.
pub fn entries(folder: &File, buffer: &mut [u8], mut each: impl FnMut(u32, u64)) -> io::Result<()> {
    /// Where in a `linux_dirent64` the record's length and the name stand.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    // SAFETY: no memory is involved.
    if unsafe { libc::lseek(folder.as_raw_fd(), 0, libc::SEEK_SET) } < 0 {
        return Err(io::Error::last_os_error());
    }
    loop {
        // SAFETY: the kernel writes at most the buffer's length into it.
        let read =
            unsafe { libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
        let read = match usize::try_from(read) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(_) => return Err(io::Error::last_os_error()),
        };
        let mut rest = &buffer[..read];
        while let Some(length) = rest.get(LENGTH..LENGTH + 2) {
            let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
            let Some((record, tail)) = rest.split_at_checked(length).filter(|_| length > NAME) else { break };
            rest = tail;
            let name = record[NAME..].split(|b| *b == 0).next().unwrap_or_default();
            let inode = record[..8].try_into().map_or(0, u64::from_ne_bytes);
            if let Some(pid) = number(name).and_then(|n| n.try_into().ok()) {
                each(pid, inode);
            }
        }
    }
}

/// `0.20 0.18 0.12 1/80 11206`
pub fn threads_and_last_number(loadavg: &[u8]) -> Option<(u64, u64)> {
    let mut words = words(loadavg.trim_ascii_end()).skip(3);
    let threads = number(words.next()?.split(|b| *b == b'/').nth(1)?)?;
    Some((threads, number(words.next()?)?))
}

pub fn io_of(text: &[u8]) -> Option<Io> {
    let field = |name: &[u8]| number(lines(text).find_map(|l| l.strip_prefix(name))?.trim_ascii());
    Some(Io { read_bytes: field(b"read_bytes:")?, write_bytes: field(b"write_bytes:")? })
}

/// `VmHWM` of a `status`.
pub fn peak_of(text: &[u8]) -> Option<u64> {
    let line = lines(text).find_map(|l| l.strip_prefix(b"VmHWM:"))?;
    number(words(line).next()?)?.checked_mul(1024)
}

/// Voluntary and other switches to another task, of a `status`.
pub fn switches_of(text: &[u8]) -> (u64, u64) {
    let field = |name: &[u8]| lines(text).find_map(|line| number(line.strip_prefix(name)?.trim_ascii())).unwrap_or(0);
    (field(b"voluntary_ctxt_switches:"), field(b"nonvoluntary_ctxt_switches:"))
}

/// Is SIGCHLD in the `SigIgn` of a `status`, a number in base 16 of a bit for each signal?
pub fn ignores_children(status: &[u8]) -> bool {
    let line = lines(status).find_map(|l| l.strip_prefix(b"SigIgn:")).unwrap_or_default();
    let signals = std::str::from_utf8(line.trim_ascii()).ok().and_then(|hex| u128::from_str_radix(hex, 16).ok());
    signals.is_some_and(|set| set >> (libc::SIGCHLD - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_process() {
        let io =
            b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n";
        assert_eq!(io_of(io), Some(Io { read_bytes: 4096, write_bytes: 8192 }));
        assert_eq!(io_of(b""), None);
        assert_eq!(peak_of(b"Name:\tx\nVmPeak:\t    3060 kB\nVmHWM:\t    1696 kB\n"), Some(1696 * 1024));
        assert_eq!(peak_of(b"Name:\tkthreadd\n"), None);
        let status = b"Threads:\t1\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t14\n";
        assert_eq!((switches_of(status), switches_of(b"")), ((3, 14), (0, 0)));
        assert!(ignores_children(b"SigBlk:\t0000000000000000\nSigIgn:\t0000000000011006\nSigCgt:\t0\n"));
        assert!(!ignores_children(b"SigBlk:\t0000000000010000\nSigIgn:\tfffffffffffeffff\n"));
        assert!(!ignores_children(b"SigIgn:\tx\n") && !ignores_children(b""));
        assert_eq!(threads_and_last_number(b"0.20 0.18 0.12 1/80 11206\n"), Some((80, 11_206)));
        assert_eq!(threads_and_last_number(b"0.20 0.18 0.12\n"), None);
    }

    #[test]
    fn no_number_no_clock() {
        assert_eq!(cpu_ns(4_000_000), None);
        assert!(cpu_ns(std::process::id()).is_some());
    }
}
