//! What the kernel reports about processes in addition to `stat`: their IDs, and single lines of their files.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;

use rustix::fs::{RawDir, SeekFrom, seek};

use crate::linux::scan::{lines, number, words};

/// What a process read from storage and wrote to it, from its `io`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    pub read_bytes: u64,
    pub write_bytes: u64,
}

/// Calls `each` with the ID and inode of every process in the folder. `buffer` is space to read into.
///
/// # Errors
/// If the folder cannot be listed.
pub fn entries(folder: &File, buffer: &mut [MaybeUninit<u8>], mut each: impl FnMut(u32, u64)) -> io::Result<()> {
    seek(folder, SeekFrom::Start(0))?;
    let mut entries = RawDir::new(folder, buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if let Some(pid) = number(entry.file_name().to_bytes()).and_then(|n| n.try_into().ok()) {
            each(pid, entry.ino());
        }
    }
    Ok(())
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

/// `VmHWM` in a `status`.
pub fn peak_of(text: &[u8]) -> Option<u64> {
    let line = lines(text).find_map(|l| l.strip_prefix(b"VmHWM:"))?;
    number(words(line).next()?)?.checked_mul(1024)
}

/// `VmSwap` in a `status`.
pub fn swap_of(text: &[u8]) -> Option<u64> {
    let line = lines(text).find_map(|l| l.strip_prefix(b"VmSwap:"))?;
    number(words(line).next()?)?.checked_mul(1024)
}

/// `Pss` in a `smaps_rollup`.
pub fn pss_of(text: &[u8]) -> Option<u64> {
    let line = lines(text).find_map(|l| l.strip_prefix(b"Pss:"))?;
    number(words(line).next()?)?.checked_mul(1024)
}

/// Voluntary and other context switches in a `status`.
pub fn switches_of(text: &[u8]) -> (u64, u64) {
    let field = |name: &[u8]| lines(text).find_map(|line| number(line.strip_prefix(name)?.trim_ascii())).unwrap_or(0);
    (field(b"voluntary_ctxt_switches:"), field(b"nonvoluntary_ctxt_switches:"))
}

/// Whether SIGCHLD is in the `SigIgn` of a `status`, a hexadecimal number with one bit per signal.
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
        assert_eq!(swap_of(b"Name:\tx\nVmSwap:\t      12 kB\nThreads:\t1\n"), Some(12 * 1024));
        assert_eq!(swap_of(b"Name:\tkthreadd\n"), None);
        let status = b"Threads:\t1\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t14\n";
        assert_eq!((switches_of(status), switches_of(b"")), ((3, 14), (0, 0)));
        assert!(ignores_children(b"SigBlk:\t0000000000000000\nSigIgn:\t0000000000011006\nSigCgt:\t0\n"));
        assert!(!ignores_children(b"SigBlk:\t0000000000010000\nSigIgn:\tfffffffffffeffff\n"));
        assert!(!ignores_children(b"SigIgn:\tx\n") && !ignores_children(b""));
        assert_eq!(threads_and_last_number(b"0.20 0.18 0.12 1/80 11206\n"), Some((80, 11_206)));
        assert_eq!(threads_and_last_number(b"0.20 0.18 0.12\n"), None);
    }
}
