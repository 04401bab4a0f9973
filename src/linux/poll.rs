//! Waiting until a descriptor is ready, for a limited time.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

pub use rustix::event::{PollFd, PollFlags};
use rustix::event::{Timespec, poll};

/// Whether there is something to read, or its end, within this time. `None` waits without limit.
///
/// # Errors
/// If the kernel refuses, or a signal interrupts the wait.
pub fn is_readable(fd: impl AsFd, patience: Option<Duration>) -> io::Result<bool> {
    Ok(wait(&mut [PollFd::new(&fd, PollFlags::IN)], patience)? > 0)
}

/// Waits for any of several. Returns how many are ready.
///
/// # Errors
/// If the kernel refuses, or a signal interrupts the wait.
pub fn wait(fds: &mut [PollFd<'_>], patience: Option<Duration>) -> io::Result<usize> {
    // A time that does not fit is longer than anyone waits.
    let timeout = patience.and_then(|time| Timespec::try_from(time).ok());
    Ok(poll(fds, timeout.as_ref())?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn news_and_silence_are_told_apart() {
        let (read, mut write) = io::pipe().unwrap();
        assert!(!is_readable(&read, Some(Duration::ZERO)).unwrap());
        write.write_all(b"x").unwrap();
        assert!(is_readable(&read, Some(Duration::MAX)).unwrap());
        assert!(is_readable(&read, None).unwrap());
        let (read, write) = io::pipe().unwrap();
        drop(write);
        assert!(is_readable(&read, None).unwrap(), "its end is news as well");
    }
}
