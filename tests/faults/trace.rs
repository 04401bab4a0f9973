//! A program whose system calls are made to fail: a filter in the kernel stops it at the calls of
//! [`calls`](super::calls), and this process, which traces it, lets each continue or fail.
#![allow(unsafe_code, reason = "ptrace and seccomp")]

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::calls::{CALLS, Call, memory};

/// Maximum duration of a run.
const LIMIT: Duration = Duration::from_secs(20);

/// Which call fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub error: i32,
    /// The name of the call.
    pub call: &'static str,
    /// Its number among the calls with this name.
    pub at: usize,
    /// From then on all calls that may fail with this error. For an interruption by a signal, which ends at some time,
    /// only a few.
    pub on: bool,
}

/// How many times in a row a call is interrupted. Retrying as long as this continues is correct.
const INTERRUPTED: usize = 5;

impl Fault {
    /// Maximum number of failing calls.
    fn most(&self) -> usize {
        match (self.on, self.error) {
            (false, _) => 1,
            (true, libc::EINTR) => INTERRUPTED,
            (true, _) => usize::MAX,
        }
    }
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Ran {
    /// `None` if it was ended by a signal, or had to be killed.
    pub status: Option<i32>,
    pub err: String,
    pub timed_out: bool,
    /// The calls that concern the recording, and the file.
    pub calls: Vec<(&'static Call, PathBuf)>,
    /// The calls that failed.
    pub failed: Vec<String>,
    /// Number of ticks written to a journal.
    pub ticks: usize,
}

/// Runs the program to its end.
///
/// # Errors
/// If this machine does not allow tracing.
pub fn run(mut command: Command, dir: &Path, fault: Option<Fault>) -> io::Result<Ran> {
    let folder = tempfile::tempdir()?;
    let said = folder.path().join("stderr");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
    let filter = filter();
    // SAFETY: system calls between fork and exec, with memory that this process has made before.
    unsafe { command.pre_exec(move || be_traced(&filter)) };
    let child = command.spawn()?.id() as i32;
    let (ended, waits) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let timed_out = waits.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        if timed_out {
            // SAFETY: the child is not waited for before this thread has ended.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        timed_out
    });
    let mut tracer = Tracer { child, dir, fault, seen: HashSet::new(), of_this_name: 0, ran: Ran::default() };
    tracer.follow();
    drop(ended);
    let mut ran = tracer.ran;
    ran.timed_out = watch.join().unwrap_or(true);
    ran.err = std::fs::read_to_string(&said)?;
    Ok(ran)
}

/// Stops only at the traced calls.
fn filter() -> Vec<libc::sock_filter> {
    let instruction = |code: u32, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let mut filter = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for call in &CALLS {
        filter.push(instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, call.number()));
        filter.push(instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_TRACE));
    }
    filter.push(instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW));
    filter
}

fn be_traced(filter: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    let (off, on) = (0 as libc::c_ulong, 1 as libc::c_ulong);
    // SAFETY: the filter is valid, and the kernel copies it.
    let done = unsafe {
        libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, off, off, off) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as libc::c_ulong, &raw const program) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

struct Tracer<'d> {
    child: i32,
    dir: &'d Path,
    fault: Option<Fault>,
    /// Threads and processes that have stopped before.
    seen: HashSet<i32>,
    /// Number of calls with the name of the failing call.
    of_this_name: usize,
    ran: Ran,
}

impl Tracer<'_> {
    /// Runs until the program and everything that it started have ended.
    fn follow(&mut self) {
        loop {
            let mut status = 0;
            // SAFETY: the status is ours. Other tests of this process wait for children of their own threads.
            let who = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
            if who < 0 {
                return;
            }
            if libc::WIFSTOPPED(status) {
                let signal = self.stopped(who, status);
                // SAFETY: the thread is stopped, or was killed and this does nothing.
                unsafe { libc::ptrace(libc::PTRACE_CONT, who, 0, signal as libc::c_long) };
            } else if who == self.child {
                self.ran.status = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
            }
        }
    }

    /// Returns the signal to deliver to the thread.
    fn stopped(&mut self, who: i32, status: i32) -> i32 {
        let is_new = self.seen.insert(who);
        match (status >> 16, libc::WSTOPSIG(status)) {
            (0, libc::SIGTRAP) if is_new => {
                let options = libc::PTRACE_O_EXITKILL
                    | libc::PTRACE_O_TRACESECCOMP
                    | libc::PTRACE_O_TRACEEXEC
                    | libc::PTRACE_O_TRACECLONE
                    | libc::PTRACE_O_TRACEFORK
                    | libc::PTRACE_O_TRACEVFORK;
                // SAFETY: the thread is stopped.
                unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, who, 0, options as libc::c_long) };
                0
            }
            // The first stop of a new thread.
            (0, libc::SIGSTOP) if is_new => 0,
            (0, signal) => signal,
            (libc::PTRACE_EVENT_SECCOMP, _) => {
                self.called(who);
                0
            }
            _ => 0,
        }
    }

    /// Whether this call fails.
    fn has_turn(&mut self, fault: &Fault, call: &Call) -> bool {
        let number = self.of_this_name;
        self.of_this_name += usize::from(call.name == fault.call);
        let failed = self.ran.failed.len();
        let begins = failed == 0 && call.name == fault.call && number == fault.at;
        begins || failed > 0 && failed < fault.most() && call.fails_with(fault.error)
    }

    fn called(&mut self, who: i32) {
        let Some(mut registers) = registers::read(who) else { return };
        let (number, args) = registers::call(&registers);
        let Some(call) = Call::of(number) else { return };
        let Some(path) = call.below(self.dir, who, &args) else { return };
        self.ran.calls.push((call, path.clone()));
        if let Some(fault) = self.fault.filter(|fault| self.has_turn(fault, call)) {
            self.ran.failed.push(format!("{} {}", call.name, path.display()));
            registers::fail(&mut registers, fault.error);
            registers::write(who, &registers);
            return;
        }
        let is_tick = || memory(who, args[1], 16).is_some_and(|head| head.starts_with(b"pwJ\x01") && head[12] == 3);
        if call.name == "pwrite64" && path.starts_with(".journal") && is_tick() {
            self.ran.ticks += 1;
        }
    }
}

/// The registers of a thread that stopped at a call.
#[cfg(target_arch = "x86_64")]
mod registers {
    pub type Registers = libc::user_regs_struct;

    pub fn read(thread: i32) -> Option<Registers> {
        // SAFETY: zeros are a value of the structure, and the kernel fills it.
        unsafe {
            let mut registers: Registers = std::mem::zeroed();
            (libc::ptrace(libc::PTRACE_GETREGS, thread, 0, &raw mut registers) == 0).then_some(registers)
        }
    }

    pub fn write(thread: i32, registers: &Registers) {
        // SAFETY: the thread is stopped, and the structure is whole.
        unsafe { libc::ptrace(libc::PTRACE_SETREGS, thread, 0, &raw const *registers) };
    }

    /// The number of the call and its arguments.
    pub fn call(r: &Registers) -> (i64, [u64; 6]) {
        (r.orig_rax as i64, [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9])
    }

    /// Skips the call, and sets this as its result.
    pub fn fail(r: &mut Registers, error: i32) {
        r.orig_rax = u64::MAX;
        r.rax = -i64::from(error) as u64;
    }
}
