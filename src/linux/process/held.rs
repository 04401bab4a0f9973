//! A process that waits before it executes a program, so that it can be watched from the program's first instruction.
//!
//! The child is forked from a process with threads, so between fork and exec it may only make system calls. Everything
//! else is prepared before the fork; this also keeps the CPU time small that is charged to the child.
#![allow(unsafe_code, reason = "fork and exec by hand: no safe interface has a pause between the two")]

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::fork::exit_at_once;
use crate::linux::inherit::{self, Inherited};

/// What to execute, and how.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Its name, which is searched in `PATH`, and its arguments.
    pub words: &'a [OsString],
    /// Environment variables in addition to ours.
    pub set: &'a [(&'a OsStr, &'a OsStr)],
    /// It gets its own process group.
    pub own_group: bool,
    /// It has no input, and its output goes to our standard error. Otherwise it has our standard streams.
    pub aside: bool,
}

/// Everything that the child needs, ready for a fork.
pub struct Prepared {
    plan: ChildPlan,
    /// The child's ends of its pipes.
    _ends: [File; 3],
    told: File,
    failed: File,
    gate: File,
}

/// The process, as seen by its parent.
pub struct Waiting {
    pub pid: u32,
    /// Lets it start.
    pub gate: Gate,
    /// Reports when it waits.
    pub ready: Ready,
    /// Reports whether it could start.
    pub outcome: Outcome,
}

/// Reports that the process exists, with its name and its group.
pub struct Ready(File);

/// Holds the process back; it ends if this is dropped.
pub struct Gate(File);

/// The result of executing the program.
pub struct Outcome(File);

impl Prepared {
    /// # Errors
    /// If no more pipes are possible, or a word contains a zero byte.
    pub fn new(program: &Program<'_>) -> io::Result<Prepared> {
        let (held, gate) = pipe()?;
        let (told, tell) = pipe()?;
        let (failed, fail) = pipe()?;
        let plan = ChildPlan::new(program, [&held, &gate, &tell, &fail].map(AsRawFd::as_raw_fd))?;
        Ok(Prepared { plan, _ends: [held, tell, fail], told, failed, gate })
    }

    /// Forks. The calling thread must be the one that waits for the process.
    ///
    /// # Errors
    /// If no more processes are possible.
    pub fn fork(self) -> io::Result<Waiting> {
        // SAFETY: the child only makes system calls, on what was prepared before.
        let pid = match unsafe { libc::fork() } {
            // SAFETY: this is the child, between fork and exec.
            0 => unsafe { self.plan.run() },
            pid @ 1.. => pid.cast_unsigned(),
            _ => return Err(io::Error::last_os_error()),
        };
        // The child's ends are dropped here; from now on only the child has them.
        Ok(Waiting { pid, gate: Gate(self.gate), ready: Ready(self.told), outcome: Outcome(self.failed) })
    }
}

impl Ready {
    /// Waits until the process has its name and its process group, or has ended.
    pub fn wait(mut self) {
        let _ = self.0.read_exact(&mut [0]);
    }
}

impl Gate {
    /// Lets it start.
    pub fn open(mut self) {
        // This only fails if the process was killed in the meantime; its end is reported like any other.
        let _ = self.0.write_all(b"g");
    }
}

impl Outcome {
    /// Waits until the program was executed, or the process has ended.
    ///
    /// # Errors
    /// Why it could not be executed.
    pub fn wait(mut self) -> io::Result<()> {
        let mut errno = [0; 4];
        match self.0.read_exact(&mut errno) {
            Ok(()) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
            // Closed by its exec, or by its end.
            Err(_) => Ok(()),
        }
    }
}

/// Everything that the process needs between fork and exec.
struct ChildPlan {
    argv: Pointers,
    envp: Pointers,
    /// The program's name, set early so that its first row has it.
    comm: CString,
    own_group: bool,
    aside: bool,
    inherited: Inherited,
    /// The pipe on which it waits, and the end that lets it go.
    held: RawFd,
    gate: RawFd,
    /// Where it reports that it waits, and why it could not be executed.
    tell: RawFd,
    fail: RawFd,
}

impl ChildPlan {
    fn new(program: &Program<'_>, [held, gate, tell, fail]: [RawFd; 4]) -> io::Result<ChildPlan> {
        let Program { words, set, own_group, aside } = *program;
        let first = words.first().ok_or(io::ErrorKind::InvalidInput)?;
        let comm = Path::new(first).file_name().and_then(|n| CString::new(n.as_bytes()).ok()).unwrap_or_default();
        let others = std::env::vars_os().filter(|(name, _)| set.iter().all(|(new, _)| name != new));
        let added = set.iter().map(|(name, value)| (name.to_os_string(), value.to_os_string()));
        let variable = |(name, value): (OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
        Ok(ChildPlan {
            argv: Pointers::new(words.iter().map(|word| word.as_bytes().to_vec()))?,
            envp: Pointers::new(others.chain(added).map(variable))?,
            comm,
            own_group,
            aside,
            inherited: *inherit::remember(),
            held,
            gate,
            tell,
            fail,
        })
    }

    /// What the child does: reports that it exists, waits, and executes the program.
    ///
    /// # Safety
    /// To be called between fork and exec. It only makes system calls.
    unsafe fn run(&self) -> ! {
        // SAFETY: the descriptors were open when the child was forked, and everything pointed to lives as long as the
        // plan.
        unsafe {
            // Otherwise it would hold its own gate open, and wait forever if we die.
            libc::close(self.gate);
            libc::prctl(libc::PR_SET_NAME, self.comm.as_ptr());
            if self.own_group {
                libc::setpgid(0, 0);
            }
            if self.aside {
                let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
                libc::dup2(null, libc::STDIN_FILENO);
                libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
            } else {
                self.inherited.close_streams();
            }
            self.inherited.restore_all_but_mask();
            self.wait();
            // Signals are blocked until now, as in the parent.
            let mut errno = match self.inherited.restore_mask() {
                Ok(()) => {
                    libc::execvpe(self.argv.first(), self.argv.as_ptr(), self.envp.as_ptr());
                    *libc::__errno_location()
                }
                Err(error) => error.raw_os_error().unwrap_or(libc::EINVAL),
            };
            libc::write(self.fail, (&raw mut errno).cast(), size_of_val(&errno));
            exit_at_once(125);
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
                    // Nobody can let it go any more.
                    _ => exit_at_once(125),
                }
            }
        }
    }
}

/// Strings in the form that the kernel expects: pointers to them, and a null at the end.
struct Pointers {
    _strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

// SAFETY: everything pointed to is owned, and never changed.
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

/// Both ends of a pipe that no other program inherits: for reading, and for writing.
fn pipe() -> io::Result<(File, File)> {
    let (read, write) = io::pipe()?;
    Ok((OwnedFd::from(read).into(), OwnedFd::from(write).into()))
}
