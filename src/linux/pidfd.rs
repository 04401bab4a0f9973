//! Processes whose events are counted, and whether any of them still exists.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

use super::poll::is_readable;

/// A process that is waited for.
#[derive(Debug)]
pub struct Watched {
    pub pid: u32,
    /// Readable when it ends; `None` before Linux 5.3. Unlike the process ID it never means another process.
    handle: Option<OwnedFd>,
    has_ended: bool,
}

impl Watched {
    pub fn watch(pid: u32) -> Watched {
        let handle = raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Watched { pid, handle, has_ended: false }
    }

    pub fn has_ended(&mut self) -> bool {
        self.has_ended = self.has_ended
            || match &self.handle {
                Some(handle) => is_readable(handle, Some(Duration::ZERO)).unwrap_or(false),
                // There is no process 0, and none with an ID that the kernel's type cannot hold.
                None => raw(self.pid).is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH)),
            };
        self.has_ended
    }
}

fn raw(pid: u32) -> Option<Pid> {
    pid.try_into().ok().and_then(Pid::from_raw)
}

/// Whether all of them have ended; false if there are none.
pub fn all_ended(processes: &mut [Watched]) -> bool {
    // Each is asked, because each remembers its end.
    !processes.is_empty() && processes.iter_mut().filter_map(|p| (!p.has_ended()).then_some(())).count() == 0
}

/// `process 17 ended`
pub fn end_of(processes: &[Watched]) -> String {
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
        let mut processes: Vec<Watched> = children.iter().map(|c| Watched::watch(c.id())).collect();
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
        let mut gone = [Watched { pid: pids.0, handle: None, has_ended: false }];
        assert!(all_ended(&mut gone), "an old kernel is asked by number");
    }
}
