//! Runs a program whose system calls are made to fail: a kernel filter stops it at the calls in
//! [`calls`](super::calls), and this process, which traces it, lets each call continue or fail.
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

/// No run takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// Which call fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub error: i32,
    /// The name of the call.
    pub call: &'static str,
    /// Its index among the calls with this name.
    pub at: usize,
    /// All later calls fail as well; an interruption by a signal, which ends at some time, only a few times.
    pub on: bool,
}

/// Number of consecutive interruptions of a call: retrying is correct.
const INTERRUPTED: usize = 5;

impl Fault {
    /// Maximum number of calls that fail.
    fn most(&self) -> usize {
        match (self.on, self.error) {
            (false, _) => 1,
            (true, libc::EINTR) => INTERRUPTED,
            (true, _) => usize::MAX,
        }
    }
}

/// The result of the program.
#[derive(Debug, Default)]
pub struct Ran {
    /// None if a signal ended it, or it had to be killed.
    pub status: Option<i32>,
    pub err: String,
    pub timed_out: bool,
    /// The calls that concern the recording, and their files.
    pub calls: Vec<(&'static Call, PathBuf)>,
    /// Those that failed.
    pub failed: Vec<String>,
    /// Ticks written to a journal.
    pub ticks: usize,
}

/// Runs the program to its end.
///
/// # Errors
/// When this machine does not allow tracing.
pub fn run(mut command: Command, dir: &Path, fault: Option<Fault>) -> io::Result<Ran> {
    let folder = tempfile::tempdir()?;
    let said = folder.path().join("stderr");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
    let filter = filter();
    // SAFETY: only system calls between fork and exec, with memory allocated before.
    unsafe { command.pre_exec(move || be_traced(&filter)) };
    let child = command.spawn()?.id() as i32;
    let (ended, waits) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let timed_out = waits.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        if timed_out {
            // SAFETY: the child is not reaped before this thread has ended.
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

/// Stops at the intercepted calls, and at no others.
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
    /// Number of calls so far with the name that fails.
    of_this_name: usize,
    ran: Ran,
}

impl Tracer<'_> {
    /// Continues until the program and all its descendants have ended.
    fn follow(&mut self) {
        loop {
            let mut status = 0;
            // SAFETY: the status is ours. Other tests in this process wait for children of their own threads.
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

    /// Must this call fail?
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
        // SAFETY: the structure may be zero, and the kernel fills it in.
        unsafe {
            let mut registers: Registers = std::mem::zeroed();
            (libc::ptrace(libc::PTRACE_GETREGS, thread, 0, &raw mut registers) == 0).then_some(registers)
        }
    }

    pub fn write(thread: i32, registers: &Registers) {
        // SAFETY: the thread is stopped, and the structure is initialized.
        unsafe { libc::ptrace(libc::PTRACE_SETREGS, thread, 0, &raw const *registers) };
    }

    /// The number of the call and its arguments.
    pub fn call(r: &Registers) -> (i64, [u64; 6]) {
        (r.orig_rax as i64, [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9])
    }

    /// Replaces the call by none, with this error as its result.
    pub fn fail(r: &mut Registers, error: i32) {
        r.orig_rax = u64::MAX;
        r.rax = -i64::from(error) as u64;
    }
}
