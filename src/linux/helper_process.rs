//! This program, started again as a process that makes calls which may not return: `statvfs` on a file system whose
//! server is gone, calls into a graphics driver.
//!
//! A thread in such a call cannot be ended, and a process with such a thread does not end. So the calls are made by a
//! process that the recorder can leave behind. The two are connected by a socket, which is the standard input of the
//! helper; the helper ends when the socket is closed.

use std::ffi::OsStr;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::clock;
use super::descriptors::close_all_but_standard;
use super::helper::Helper;
use super::signal::{Disposition, set_disposition};

/// How often its end is looked for.
const STEP: Duration = Duration::from_millis(1);

/// A running helper, as seen by the recorder.
#[derive(Debug)]
pub struct HelperProcess {
    pub socket: UnixStream,
    child: Option<Child>,
    /// It is not an orphan of a recorded command.
    helper: Option<Helper>,
}

impl HelperProcess {
    /// Starts this program with `argument`, by which it knows that it is a helper.
    ///
    /// # Errors
    /// If no more processes or descriptors are possible.
    pub fn start(argument: &str) -> io::Result<HelperProcess> {
        let (ours, theirs) = UnixStream::pair()?;
        let spawn = || {
            let mut command = Command::new("/proc/self/exe");
            command.arg0("perfwatch").arg(argument).stdin(Stdio::from(OwnedFd::from(theirs)));
            // It may live longer than we do, so it must not hold open what others wait for.
            command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).current_dir("/");
            let child = command.spawn()?;
            let pid = child.id();
            io::Result::Ok((child, Some(pid)))
        };
        let (child, helper) = Helper::start(spawn)?;
        Ok(HelperProcess { socket: ours, child: Some(child), helper })
    }

    /// A helper at the other end of this socket, which is a thread of a test.
    pub fn over(socket: UnixStream) -> HelperProcess {
        HelperProcess { socket, child: None, helper: None }
    }

    /// Closes the connection, and waits for the end of the helper at most this long. Returns whether it ended.
    pub fn end(&mut self, patience: Duration) -> bool {
        let _ = self.socket.shutdown(Shutdown::Both);
        let until = clock::instant() + patience;
        while !self.has_ended() {
            if clock::instant() >= until {
                return false;
            }
            std::thread::sleep(STEP);
        }
        true
    }

    /// Kills it, without waiting. A call that does not return may outlast even this.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for HelperProcess {
    #[allow(
        clippy::mem_forget,
        reason = "as long as the helper lives it must be known as ours, and nobody waits for its end"
    )]
    fn drop(&mut self) {
        // It ends after its connection is closed, unless a call does not return: nobody waits for it.
        let _ = self.socket.shutdown(Shutdown::Both);
        if !self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_)))) {
            // As long as it lives it is registered as ours.
            std::mem::forget(self.helper.take());
        }
    }
}

/// Whether this process was started as the helper with this argument. `argv` is its own.
pub fn is_wanted(argv: &[impl AsRef<OsStr>], argument: &str) -> bool {
    matches!(argv, [_, only] if only.as_ref() == argument) && connection().is_ok_and(|c| c.local_addr().is_ok())
}

/// Lets this process live as a helper: nobody has to wait for it, and only the end of the recorder ends it. Returns the
/// connection to the recorder.
///
/// # Errors
/// If there is no connection.
pub fn become_helper(name: &std::ffi::CStr) -> io::Result<UnixStream> {
    // Neither the reader of a pipe that we inherited, nor an `umount`.
    close_all_but_standard();
    let connection = connection()?;
    let _ = std::env::set_current_dir("/");
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        // After its signal, the recorder takes one more sample.
        set_disposition(signal, Disposition::Ignore);
    }
    let _ = rustix::thread::set_name(name);
    Ok(connection)
}

/// Standard input, which is a socket.
fn connection() -> io::Result<UnixStream> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}
