//! A perf process: how it is started and stopped, and which parts of its messages are kept.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{Instant, sleep, timeout_at};

use crate::linux::helper::Helper;
use crate::linux::process::setup::end_with_us;
use crate::linux::{descriptors, signal};

/// A perf command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

impl Invocation {
    /// Starts it with no input, pipes for its output and errors, and its own process group. It ends when we end.
    ///
    /// # Errors
    /// If the program does not exist or cannot be run.
    pub fn spawn(&self) -> io::Result<RunningPerf> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            // With other locales perf writes decimal commas, which cannot be parsed reliably.
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal only reaches the recorder, which then asks perf for its last interval.
            .process_group(0)
            .kill_on_drop(true);
        // SIGINT is how it is asked for its last interval.
        end_with_us(command.as_std_mut());
        let (child, helper) = Helper::start(|| {
            let child = command.spawn()?;
            let pid = child.id();
            io::Result::Ok((child, pid))
        })?;
        let group = child.id();
        Ok(RunningPerf { child, group, _helper: helper })
    }
}

/// A running perf; it ends at the latest when this is dropped.
pub struct RunningPerf {
    pub child: Child,
    group: Option<u32>,
    /// So that it does not count as an orphan of the recorded command.
    _helper: Option<Helper>,
}

impl RunningPerf {
    /// Sends a signal to perf and to the processes that a wrapper started.
    pub fn signal(&self, which: libc::c_int) {
        if let Some(group) = self.group {
            // The group is ours; once it is empty the kernel answers ESRCH.
            let _ = signal::send_to_group(group, which);
        }
    }
}

/// The beginning and the end of what perf prints on stderr: the first lines tell why it did not start, the last ones
/// why it ended.
#[derive(Debug, Default)]
pub struct Said {
    first: Vec<u8>,
    last: Vec<u8>,
}

/// Number of bytes kept at each end.
const KEPT: usize = 2048;

impl Said {
    pub fn add(&mut self, mut bytes: &[u8]) {
        let room = (KEPT - self.first.len()).min(bytes.len());
        let (head, tail) = bytes.split_at(room);
        self.first.extend_from_slice(head);
        bytes = tail;
        self.last.extend_from_slice(bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default());
        if self.last.len() > KEPT {
            self.last.drain(..self.last.len() - KEPT);
        }
    }

    /// The beginning of everything that it printed.
    pub fn first_text(&self) -> String {
        String::from_utf8_lossy(&self.first).into_owned()
    }

    /// Whether it printed this, at the beginning or at the end.
    pub fn has(&self, words: &str) -> bool {
        let is_in = |bytes: &[u8]| bytes.windows(words.len()).any(|window| window == words.as_bytes());
        is_in(&self.first) || is_in(&self.last)
    }

    /// The first meaningful line.
    pub fn first_words(&self) -> String {
        String::from_utf8_lossy(&self.first).lines().find_map(telling).unwrap_or_default()
    }

    /// The last meaningful line.
    pub fn last_words(&self) -> String {
        let last = String::from_utf8_lossy(&self.last).lines().rev().find_map(telling);
        last.or_else(|| String::from_utf8_lossy(&self.first).lines().rev().find_map(telling)).unwrap_or_default()
    }
}

/// A line in short form, if it is more than an ornament or a heading.
fn telling(line: &str) -> Option<String> {
    let line = line.trim();
    let line = line.strip_prefix("Error:").unwrap_or(line).trim();
    let text: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
    text.chars().any(char::is_alphanumeric).then_some(text)
}

/// For example "perf exited with status 255", with what it printed.
pub fn describe(status: ExitStatus, said: &str) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => "perf ended by itself".to_string(),
        (Some(code), _) => format!("perf exited with status {code}"),
        (None, Some(signal)) => format!("perf was killed by signal {signal}"),
        (None, None) => "perf ended".to_string(),
    };
    if said.is_empty() { how } else { format!("{how}: {said}") }
}

/// The output of a perf that ran to its end.
pub struct FinishedPerf {
    /// `None`: it did not end in time, and was killed.
    pub status: Option<ExitStatus>,
    pub output: Vec<u8>,
    pub said: Said,
}

/// Maximum output of the short runs that are read completely.
const MOST_OUTPUT: usize = 1 << 20;

/// Runs perf to its end, for at most `limit`.
///
/// # Errors
/// If the program cannot be started.
pub async fn run(invocation: &Invocation, limit: Duration) -> io::Result<FinishedPerf> {
    let deadline = Instant::now() + limit;
    let mut running = invocation.spawn()?;
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let (mut output, mut said) = (Vec::new(), Said::default());
    let read = async {
        tokio::join!(
            drain(stdout, |bytes| {
                let room = (MOST_OUTPUT - output.len()).min(bytes.len());
                output.extend_from_slice(&bytes[..room]);
            }),
            drain(stderr, |bytes| said.add(bytes)),
        );
    };
    // Both pipes are read to their end, then the status: a child that closes them and stays is overdue like any other.
    let in_time = timeout_at(deadline, async {
        read.await;
        running.child.wait().await
    });
    let status = match in_time.await {
        Ok(status) => Some(status?),
        Err(_) => {
            running.signal(libc::SIGKILL);
            // Killed because it was overdue, unless it ended long ago and only its pipes are held open by one of its
            // children.
            timeout_at(Instant::now() + REAP, running.child.wait())
                .await
                .ok()
                .and_then(Result::ok)
                .filter(|s| s.signal().is_none())
        }
    };
    Ok(FinishedPerf { status, output, said })
}

/// How long a killed process may take to end.
pub const REAP: Duration = Duration::from_millis(500);

/// Reads a pipe to its end.
pub async fn drain(pipe: Option<impl AsyncRead + Unpin>, mut each: impl FnMut(&[u8])) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
        each(&buffer[..n]);
    }
}

/// Reads perf's stderr as long as it is open: a full pipe would stop perf. A flood is limited to a few MB/s, because
/// reading it would take a whole core.
pub async fn listen(stderr: &mut Option<ChildStderr>, said: &mut Said) {
    let mut buffer = [0; 4096];
    while let Some(pipe) = stderr {
        match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => *stderr = None,
            Ok(n) => {
                said.add(&buffer[..n]);
                if n == buffer.len() {
                    sleep(Duration::from_millis(2)).await;
                }
            }
        }
    }
    std::future::pending().await
}

/// Runs a future to its end on a separate thread, for callers that may already be inside a runtime.
///
/// # Errors
/// If the system has no thread or no epoll for it.
pub fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("perf".into()).spawn_scoped(scope, || Ok(runtime()?.block_on(future)))?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that talks to perf panicked")))
    })
}

/// A runtime for one thread.
///
/// # Errors
/// If the system has no epoll for it.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    descriptors::room_for_tokio()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meaningful_lines() {
        let mut said = Said::default();
        assert_eq!((said.first_words(), said.last_words()), (String::new(), String::new()));
        said.add(b"\nError:\n-----\nThe sys_perf_event_open() syscall ");
        said.add(b"returned with 22\n\x1b[1mlast\x07 one\n   ^\n");
        assert_eq!(said.first_words(), "The sys_perf_event_open() syscall returned with 22");
        assert_eq!(said.last_words(), "[1mlast one");
    }

    #[test]
    fn a_flood_leaves_its_ends() {
        let mut said = Said::default();
        said.add(b"first line\n");
        for _ in 0..1000 {
            said.add(&[b'x'; 5000]);
        }
        said.add(b"\nlast line\n");
        assert!(said.first.len() + said.last.len() <= 2 * KEPT);
        assert_eq!((said.first_words().as_str(), said.last_words().as_str()), ("first line", "last line"));
    }
}
