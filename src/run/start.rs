//! Starting a command in two steps, so that it can be watched from its very beginning: first there is a process that waits,
//! then it becomes the command.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::group::Group;
use super::inherit;
use super::orphans::wait;
use crate::command::Used;

/// A process that will be the command, and waits.
pub struct Held {
    pub pid: u32,
    pub group: Group,
    gate: File,
    running: Running,
}

/// The command, from the moment when it was let go.
pub struct Running {
    pub events: UnboundedReceiver<Event>,
    /// Dropped, it tells the thread to wait for the command, which frees its number.
    release: mpsc::Sender<()>,
    thread: JoinHandle<Option<End>>,
}

/// What becomes of the command.
#[derive(Debug)]
pub enum Event {
    /// It runs.
    Begun,
    /// It could not be executed after all.
    Failed(io::Error),
    /// Somebody stopped it, as Ctrl-Z does.
    Stopped,
    /// At this instant.
    Ended(Instant),
}

/// Where the process has its standard streams from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Ours, as they are.
    Ours,
    /// It is to be heard, but not in between the command's own: no input, and what it says goes to our errors.
    Aside,
}

/// How a command ended, and what it used up with the children that it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// As it returned, or `None`: a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub used: Used,
}

impl End {
    /// What a shell makes of it.
    pub fn status(&self) -> u8 {
        match (self.code, self.signal) {
            (Some(code), _) => code as u8,
            (None, signal) => 128u8.wrapping_add(signal.unwrap_or(0) as u8),
        }
    }
}

impl Held {
    /// Starts a process of these words and this environment besides ours, which joins `groups` (open `cgroup.procs` files)
    /// and then waits.
    ///
    /// # Errors
    /// When there can be no more processes, threads or pipes.
    pub fn start(
        words: &[OsString],
        set: &[(&OsStr, &OsStr)],
        group: Group,
        streams: Streams,
        joins: Vec<File>,
    ) -> io::Result<Held> {
        let Some((program, args)) = words.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let (held, gate) = pipe()?;
        let (mut told, tell) = pipe()?;
        let inherited = *inherit::remember();
        let mut command = Command::new(program);
        command.args(args).envs(set.iter().map(|(k, v)| (k, v)));
        if streams == Streams::Aside {
            command.stdin(Stdio::null()).stdout(io::stderr());
        }
        let (gate_fd, held_fd, tell_fd) = (gate.as_raw_fd(), held.as_raw_fd(), tell.as_raw_fd());
        // Already called what it will be called, so that its first row is no other process's.
        let comm = Path::new(program).file_name().and_then(|n| CString::new(n.as_bytes()).ok()).unwrap_or_default();
        let joining: Vec<RawFd> = joins.iter().map(AsRawFd::as_raw_fd).collect();
        // SAFETY: between fork and exec only system calls are made, on descriptors that are open as long as the parent's
        // side of this call lasts.
        unsafe {
            command.pre_exec(move || {
                // Else it would hold its own gate open, and wait for ever if we die.
                libc::close(gate_fd);
                for fd in &joining {
                    // To stay outside is no reason not to begin.
                    libc::write(*fd, c"0".as_ptr().cast(), 1);
                }
                libc::prctl(libc::PR_SET_NAME, comm.as_ptr());
                if group == Group::Own {
                    libc::setpgid(0, 0);
                }
                let pid = libc::getpid().to_ne_bytes();
                libc::write(tell_fd, pid.as_ptr().cast(), pid.len());
                let mut word = 0u8;
                loop {
                    match libc::read(held_fd, (&raw mut word).cast(), 1) {
                        1 => {
                            if streams == Streams::Ours {
                                inherited.close_streams();
                            }
                            return inherited.restore();
                        }
                        -1 if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
                        // Nobody will let it go any more.
                        _ => libc::_exit(125),
                    }
                }
            });
        }
        let (send, events) = unbounded_channel();
        let (release, released) = mpsc::channel();
        let thread = std::thread::Builder::new().name("command".into()).spawn(move || {
            let spawned = command.spawn();
            // The closure's pipe is closed with it.
            drop((command, held, tell, joins));
            match spawned {
                Ok(child) => {
                    let _ = send.send(Event::Begun);
                    watch(child.id(), &send, &released)
                }
                Err(error) => {
                    let _ = send.send(Event::Failed(error));
                    None
                }
            }
        })?;
        let running = Running { events, release, thread };
        let mut pid = [0; 4];
        match told.read_exact(&mut pid) {
            Ok(()) => Ok(Held { pid: u32::from_ne_bytes(pid), group, gate, running }),
            // It was never forked.
            Err(error) => Err(running.failure().unwrap_or(error)),
        }
    }

    /// Lets it begin. Whether it could, the first event tells.
    pub fn go(mut self) -> Running {
        // It cannot fail but for a process that was killed meanwhile, whose end is told as that of any other.
        let _ = self.gate.write_all(b"g");
        self.running
    }
}

impl Running {
    /// Why it was never forked, which the thread tells as its last word.
    fn failure(self) -> Option<io::Error> {
        let Running { mut events, thread, .. } = self;
        let _ = thread.join();
        match events.try_recv().ok()? {
            Event::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Waits for a command that has ended.
    pub fn finish(self) -> Option<End> {
        drop(self.release);
        self.thread.join().ok().flatten()
    }
}

/// Tells what becomes of the process. It is not waited for before that is wanted: until then its files in `/proc` tell what
/// it used up.
fn watch(pid: u32, tell: &UnboundedSender<Event>, released: &mpsc::Receiver<()>) -> Option<End> {
    const ANY: libc::c_int = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED;
    loop {
        match look(pid, ANY | libc::WNOWAIT)? {
            libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED => break,
            what => {
                look(pid, libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG);
                if what == libc::CLD_STOPPED {
                    let _ = tell.send(Event::Stopped);
                }
            }
        }
    }
    let _ = tell.send(Event::Ended(Instant::now()));
    let _ = released.recv();
    let (_, status, used) = wait(libc::pid_t::try_from(pid).ok()?, 0)?;
    let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    Some(End { code, signal, used })
}

fn look(pid: u32, options: libc::c_int) -> Option<libc::c_int> {
    loop {
        // SAFETY: the kernel fills in the structure, for which zeros are a value.
        let (answer, code) = unsafe {
            let mut info: libc::siginfo_t = zeroed();
            (libc::waitid(libc::P_PID, pid, &raw mut info, options), info.si_code)
        };
        if answer == 0 {
            return Some(code);
        }
        if io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return None;
        }
    }
}

/// Both ends of a pipe that no other program inherits: to read from, and to write to.
fn pipe() -> io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel fills in two descriptors, which are then owned here alone.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]).into(), OwnedFd::from_raw_fd(ends[1]).into()))
    }
}
