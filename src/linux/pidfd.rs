//! Processes whose events are counted: is any of them still there?

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A process that is waited for.
#[derive(Debug)]
pub struct Process {
    pub pid: u32,
    /// Readable when it ends; none before Linux 5.3. Unlike the number it never means another process.
    handle: Option<OwnedFd>,
    has_ended: bool,
}

impl Process {
    pub fn watch(pid: u32) -> Process {
        // SAFETY: no memory is involved.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
        // SAFETY: the kernel has just handed this descriptor to us.
        let handle = fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        Process { pid, handle, has_ended: false }
    }

    pub fn has_ended(&mut self) -> bool {
        self.has_ended = self.has_ended
            || match &self.handle {
                Some(handle) => {
                    let mut poll = libc::pollfd { fd: handle.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                    // SAFETY: one valid structure, and no waiting.
                    unsafe { libc::poll(&mut poll, 1, 0) > 0 }
                }
                None => {
                    let pid = libc::pid_t::try_from(self.pid).unwrap_or(libc::pid_t::MAX);
                    // SAFETY: no memory is involved; signal 0 only asks.
                    let answer = unsafe { libc::kill(pid, 0) };
                    answer != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
                }
            };
        self.has_ended
    }
}

/// Have all of them ended? Without any there is nothing to end.
pub fn all_ended(processes: &mut [Process]) -> bool {
    // Each is asked, for each remembers its end.
    !processes.is_empty() && processes.iter_mut().filter_map(|p| (!p.has_ended()).then_some(())).count() == 0
}

/// `process 17 ended`
pub fn end_of(processes: &[Process]) -> String {
    let pids: Vec<String> = processes.iter().map(|p| p.pid.to_string()).collect();
    format!("{} {} ended", if pids.len() == 1 { "process" } else { "processes" }, pids.join(", "))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_end_is_seen_once_and_for_good() {
        let mut children: Vec<_> = (0..2).map(|_| Command::new("sleep").arg("60").spawn().unwrap()).collect();
        let mut processes: Vec<Process> = children.iter().map(|c| Process::watch(c.id())).collect();
        assert!(!all_ended(&mut processes));
        children[0].kill().unwrap();
        children[0].wait().unwrap();
        assert!(!all_ended(&mut processes), "the other one lives");
        children[1].kill().unwrap();
        children[1].wait().unwrap();
        assert!(all_ended(&mut processes));
        let pids = (children[0].id(), children[1].id());
        assert_eq!(end_of(&processes), format!("processes {}, {} ended", pids.0, pids.1));
        assert!(!all_ended(&mut []));
        let mut gone = [Process { pid: pids.0, handle: None, has_ended: false }];
        assert!(all_ended(&mut gone), "an old kernel is asked by number");
    }
}
