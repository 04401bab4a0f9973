//! Starting a command in two steps, so that it can be watched from its very beginning: first there is a process that waits,
//! then it becomes the command.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::command::Used;
use super::group::Group;
use super::orphans::wait;
use crate::linux::inherit::{self, Inherited};
use crate::linux::process::kernel::{cpu_ns, switches_of};
use crate::linux::process::stat::Stat;

/// A process that will be the command, and waits.
pub struct Held {
    pub pid: u32,
    pub group: Group,
    gate: File,
    /// Ends when it is in its groups.
    joined: mpsc::Receiver<()>,
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
    /// Starts a process of these words and this environment in addition to ours, which waits. It is put into groups (`joins`: their
    /// open `cgroup.procs` files) meanwhile: see [`Held::join`].
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
        let (held, gate) = pipe()?;
        let (mut told, tell) = pipe()?;
        let (mut failed, fail) = pipe()?;
        let plan = Plan::new(words, set, group, streams, [&held, &gate, &tell, &fail].map(AsRawFd::as_raw_fd))?;
        let (send, events) = unbounded_channel();
        let (release, released) = mpsc::channel();
        let (born, birth) = mpsc::channel();
        let (join, joined) = mpsc::channel();
        let thread = std::thread::Builder::new().name("command".into()).spawn(move || {
            // SAFETY: the child makes system calls alone, on what was prepared before it was forked.
            let pid = match unsafe { libc::fork() } {
                0 => unsafe { plan.run() },
                pid @ 1.. => pid.cast_unsigned(),
                _ => {
                    let _ = born.send(Err(io::Error::last_os_error()));
                    return None;
                }
            };
            // The child's ends are the child's alone from now on.
            drop((plan, held, tell, fail));
            let _ = born.send(Ok(pid));
            for mut door in joins {
                // Done by us and not by the child, which would be charged for it. A command that stays outside runs all the same.
                let _ = door.write_all(pid.to_string().as_bytes());
            }
            drop(join);
            let mut errno = [0; 4];
            if failed.read_exact(&mut errno).is_err() {
                // Closed by its exec, or its end.
                let _ = send.send(Event::Begun);
                return watch(pid, &send, &released);
            }
            wait(libc::pid_t::try_from(pid).ok()?, 0);
            let _ = send.send(Event::Failed(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))));
            None
        })?;
        let running = Running { events, release, thread };
        let pid = birth.recv().map_err(|_| io::Error::other("the thread that starts the command has ended"))??;
        // Until it has its name and its process group. If it was killed meanwhile, that is told as its end.
        let _ = told.read_exact(&mut [0]);
        Ok(Held { pid, group, gate, joined, running })
    }

    /// Waits until it is in its groups, as far as it could be put there. The kernel lets every processor pass through a quiet state
    /// before it moves a process: 5 to 10 ms.
    pub fn join(&self) {
        // Nothing is ever sent.
        let _ = self.joined.recv();
    }

    /// What it has used so far, which is not the command's.
    pub fn spent(&self) -> Used {
        let text = |file: &str| std::fs::read(format!("/proc/{}/{file}", self.pid)).unwrap_or_default();
        let faults = Stat::parse(&text("stat")).map(|stat| stat.own).unwrap_or_default();
        let (voluntary_switches, involuntary_switches) = switches_of(&text("status"));
        Used {
            system_us: cpu_ns(self.pid).unwrap_or(0) / 1000,
            minor_faults: faults.minor_faults,
            major_faults: faults.major_faults,
            voluntary_switches,
            involuntary_switches,
            ..Used::default()
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
    /// Waits for a command that has ended.
    pub fn finish(self) -> Option<End> {
        drop(self.release);
        self.thread.join().ok().flatten()
    }
}

/// All that the process needs between its birth and its exec. Whatever it does there is charged to it, so it does little.
struct Plan {
    argv: Pointers,
    envp: Pointers,
    /// The name that it will have, so that its first row already has it.
    comm: CString,
    group: Group,
    streams: Streams,
    inherited: Inherited,
    /// Where it waits, and where it is let go from.
    held: RawFd,
    gate: RawFd,
    /// Where it says that it waits, and why it could not be executed.
    tell: RawFd,
    fail: RawFd,
}

impl Plan {
    fn new(
        words: &[OsString],
        set: &[(&OsStr, &OsStr)],
        group: Group,
        streams: Streams,
        [held, gate, tell, fail]: [RawFd; 4],
    ) -> io::Result<Plan> {
        let program = words.first().ok_or(io::ErrorKind::InvalidInput)?;
        let comm = Path::new(program).file_name().and_then(|n| CString::new(n.as_bytes()).ok()).unwrap_or_default();
        let others = std::env::vars_os().filter(|(name, _)| set.iter().all(|(new, _)| name != new));
        let of_ours = set.iter().map(|(name, value)| (name.to_os_string(), value.to_os_string()));
        let variable = |(name, value): (OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
        Ok(Plan {
            argv: Pointers::new(words.iter().map(|word| word.as_bytes().to_vec()))?,
            envp: Pointers::new(others.chain(of_ours).map(variable))?,
            comm,
            group,
            streams,
            inherited: *inherit::remember(),
            held,
            gate,
            tell,
            fail,
        })
    }

    /// What the child does: says that it is there, waits, becomes the command.
    ///
    /// # Safety
    /// To be called between fork and exec. It makes system calls alone.
    unsafe fn run(&self) -> ! {
        // SAFETY: the descriptors were open when the child was forked, and what is pointed to lives as long as the plan.
        unsafe {
            // Else it would hold its own gate open, and wait for ever if we die.
            libc::close(self.gate);
            libc::prctl(libc::PR_SET_NAME, self.comm.as_ptr());
            if self.group == Group::Own {
                libc::setpgid(0, 0);
            }
            match self.streams {
                Streams::Ours => self.inherited.close_streams(),
                Streams::Aside => {
                    let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
                    libc::dup2(null, libc::STDIN_FILENO);
                    libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
                }
            }
            self.inherited.restore_all_but_mask();
            self.wait();
            // Signals are blocked until now, as they are for us.
            let mut errno = match self.inherited.restore_mask() {
                Ok(()) => {
                    libc::execvpe(self.argv.first(), self.argv.as_ptr(), self.envp.as_ptr());
                    *libc::__errno_location()
                }
                Err(error) => error.raw_os_error().unwrap_or(libc::EINVAL),
            };
            libc::write(self.fail, (&raw mut errno).cast(), size_of_val(&errno));
            libc::_exit(125);
        }
    }

    /// Waits at the gate.
    unsafe fn wait(&self) {
        // SAFETY: a byte to read into and one to write from.
        unsafe {
            let mut word = 0u8;
            libc::write(self.tell, (&raw const word).cast(), 1);
            loop {
                match libc::read(self.held, (&raw mut word).cast(), 1) {
                    1 => return,
                    -1 if *libc::__errno_location() == libc::EINTR => {}
                    // Nobody will let it go any more.
                    _ => libc::_exit(125),
                }
            }
        }
    }
}

/// Strings as the kernel takes them: pointers to them, and a null at the end.
struct Pointers {
    _strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

// SAFETY: what is pointed to is owned, and never changed.
unsafe impl Send for Pointers {}

impl Pointers {
    fn new(strings: impl Iterator<Item = Vec<u8>>) -> io::Result<Pointers> {
        let strings: Vec<CString> = strings.map(CString::new).collect::<Result<_, _>>()?;
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Pointers { _strings: strings, pointers })
    }

    fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }

    fn first(&self) -> *const libc::c_char {
        self.pointers.first().copied().unwrap_or(std::ptr::null())
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
