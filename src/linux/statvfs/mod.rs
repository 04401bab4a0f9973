//! Asks file systems how full they are, without ever waiting longer than a deadline.
//!
//! If the server of a file system is gone, `statvfs` does not return, no signal ends it, and a process with a thread in
//! such a call cannot end either. So file systems for which a server or a process answers are asked by a separate
//! process ([`helper`]), which is only started if there are any, and can be left behind. The kernel's own file systems
//! are asked by a thread: the first call on some of them takes long. If a call does not return in time, its thread is
//! left behind and another replaces it; the path is not asked again before the call has returned. The number of threads
//! is limited.

pub mod helper;
mod serve;

use std::ffi::CStr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use crate::linux::clock;

/// The result of `statvfs` in bytes and inodes; `None` if it does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesystemUsage {
    pub total_bytes: Option<u64>,
    /// Free, including what is reserved for root.
    pub free_bytes: Option<u64>,
    /// Free for everyone.
    pub available_bytes: Option<u64>,
    pub inodes_total: u64,
    pub inodes_free: u64,
}

/// The call itself, so that a test can let it hang.
pub type Ask = Arc<dyn Fn(&CStr) -> io::Result<FilesystemUsage> + Send + Sync>;

/// `statvfs(2)`.
///
/// # Errors
/// Those of the call.
pub fn statvfs(path: &CStr) -> io::Result<FilesystemUsage> {
    let answer = rustix::fs::statvfs(path)?;
    // An over-full file system reports a negative number as a huge one: no value.
    let bytes = |blocks: u64| blocks.checked_mul(answer.f_frsize).filter(|bytes| i64::try_from(*bytes).is_ok());
    Ok(FilesystemUsage {
        total_bytes: bytes(answer.f_blocks),
        free_bytes: bytes(answer.f_bfree),
        available_bytes: bytes(answer.f_bavail),
        inodes_total: answer.f_files,
        inodes_free: answer.f_ffree,
    })
}

/// Usual calls take a few microseconds each, so only one that waits for something comes near this.
pub const DEADLINE: Duration = Duration::from_millis(20);

/// If this many calls do not return, only paths that have always answered are asked, until one returns.
const MOST_STUCK: usize = 8;

/// A thread needs little: one system call and two channels.
const STACK: usize = 64 * 1024;

/// The result for one path.
#[derive(Debug)]
pub enum Answer {
    Usage(FilesystemUsage),
    Failed(io::Error),
    /// The call had not returned at the deadline. Its late answer is dropped, because it does not belong to this tick.
    Late,
    /// Not asked: an earlier call on this path has still not returned, or the deadline had passed.
    NotAsked,
}

/// Asks for several paths at once.
pub struct Prober {
    ask: Ask,
    deadline: Duration,
    ready: Option<Worker>,
    stuck: Vec<(Arc<CStr>, Worker)>,
    /// Paths that were late, asked last so that they cannot keep the others from answering again.
    unpunctual: Vec<Arc<CStr>>,
    /// Paths that have answered.
    answered: Vec<Arc<CStr>>,
}

impl Prober {
    pub fn new(ask: Ask, deadline: Duration) -> Self {
        Prober { ask, deadline, ready: None, stuck: Vec::new(), unpunctual: Vec::new(), answered: Vec::new() }
    }

    /// Whether a call on this path was late before.
    pub fn is_unpunctual(&self, path: &CStr) -> bool {
        self.unpunctual.iter().any(|p| **p == *path)
    }

    /// Asks for all paths and returns an answer for each, in their order, before the deadline.
    ///
    /// # Errors
    /// If there is no thread to ask with.
    pub fn ask(&mut self, paths: &[Arc<CStr>]) -> io::Result<Vec<Answer>> {
        self.take_back();
        self.unpunctual.retain(|late| paths.contains(late));
        self.answered.retain(|path| paths.contains(path));
        let mut answers: Vec<Answer> = paths.iter().map(|_| Answer::NotAsked).collect();
        let mut job: Vec<(usize, Arc<CStr>)> = paths
            .iter()
            .enumerate()
            .filter(|(_, path)| !self.stuck.iter().any(|(stuck, _)| stuck == *path))
            .map(|(i, path)| (i, path.clone()))
            .collect();
        let is_trusted = |path: &Arc<CStr>| self.answered.contains(path) && !self.is_unpunctual(path);
        if self.stuck.len() >= MOST_STUCK {
            job.retain(|(_, path)| is_trusted(path));
        }
        job.sort_by_key(|(_, path)| (self.is_unpunctual(path), !is_trusted(path)));
        if job.is_empty() {
            return Ok(answers);
        }

        let worker = match self.ready.take() {
            Some(worker) => worker,
            None if self.stuck.len() <= MOST_STUCK => Worker::start(self.ask.clone())?,
            None => return Err(io::Error::other(format!("{} calls of statvfs do not return", self.stuck.len()))),
        };
        let until = clock::instant() + self.deadline;
        worker.jobs.send(job.clone()).map_err(|_| io::Error::other("the statvfs thread has ended"))?;
        for (index, path) in job {
            match worker.answers.recv_timeout(until.saturating_duration_since(clock::instant())) {
                Ok(Message::Answer(answer)) => {
                    answers[index] = answer;
                    if !self.answered.contains(&path) {
                        self.answered.push(path);
                    }
                }
                _ => {
                    worker.given_up.store(true, Ordering::Relaxed);
                    answers[index] = Answer::Late;
                    if !self.is_unpunctual(&path) {
                        self.unpunctual.push(path.clone());
                    }
                    self.stuck.push((path, worker));
                    return Ok(answers);
                }
            }
        }
        // All have answered, so the end of the job is already on its way.
        match worker.answers.recv_timeout(self.deadline) {
            Ok(Message::End) => self.ready = Some(worker),
            _ => drop(worker),
        }
        Ok(answers)
    }

    /// Takes workers back whose call has returned: one continues to work, the others end.
    fn take_back(&mut self) {
        let mut i = 0;
        while i < self.stuck.len() {
            match self.stuck[i].1.state() {
                WorkerState::AtWork => i += 1,
                WorkerState::Ended => {
                    self.stuck.swap_remove(i);
                }
                WorkerState::Idle => {
                    let (_, worker) = self.stuck.swap_remove(i);
                    worker.given_up.store(false, Ordering::Relaxed);
                    self.ready.get_or_insert(worker);
                }
            }
        }
    }
}

/// Paths to ask for, each with its index in the answers.
type Job = Vec<(usize, Arc<CStr>)>;

enum Message {
    Answer(Answer),
    /// The worker waits for the next job.
    End,
}

/// A thread that asks, as seen by its user. It ends when this is dropped (or when its call returns).
struct Worker {
    jobs: Sender<Job>,
    answers: Receiver<Message>,
    /// Nobody waits for the rest of the job any more.
    given_up: Arc<AtomicBool>,
}

enum WorkerState {
    AtWork,
    Idle,
    Ended,
}

impl Worker {
    fn start(ask: Ask) -> io::Result<Worker> {
        let (jobs, todo) = channel::<Job>();
        let (report, answers) = channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let stop = given_up.clone();
        thread::Builder::new().name("statvfs".into()).stack_size(STACK).spawn(move || {
            for job in todo {
                for (_, path) in job {
                    let answer = match ask(&path) {
                        Ok(usage) => Answer::Usage(usage),
                        Err(error) => Answer::Failed(error),
                    };
                    if report.send(Message::Answer(answer)).is_err() {
                        return;
                    }
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                if report.send(Message::End).is_err() {
                    return;
                }
            }
        })?;
        Ok(Worker { jobs, answers, given_up })
    }

    /// Drops late answers.
    fn state(&self) -> WorkerState {
        loop {
            match self.answers.try_recv() {
                Ok(Message::Answer(_)) => {}
                Ok(Message::End) => return WorkerState::Idle,
                Err(TryRecvError::Empty) => return WorkerState::AtWork,
                Err(TryRecvError::Disconnected) => return WorkerState::Ended,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Condvar, Mutex};

    /// A door in front of the paths that begin with `/hung`.
    #[derive(Default)]
    struct Door {
        open: Mutex<bool>,
        moved: Condvar,
        /// Threads that wait in front of it.
        waiting: AtomicUsize,
        most_waiting: AtomicUsize,
    }

    impl Door {
        fn pass(&self) {
            let now = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_waiting.fetch_max(now, Ordering::SeqCst);
            let open = self.open.lock().unwrap();
            drop(self.moved.wait_while(open, |open| !*open).unwrap());
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        fn open(&self) {
            *self.open.lock().unwrap() = true;
            self.moved.notify_all();
        }
        fn close(&self) {
            *self.open.lock().unwrap() = false;
        }
    }

    const FIVE: FilesystemUsage = FilesystemUsage {
        total_bytes: Some(5),
        free_bytes: Some(4),
        available_bytes: Some(3),
        inodes_total: 2,
        inodes_free: 1,
    };

    fn prober(door: &Arc<Door>) -> Prober {
        let door = door.clone();
        let ask = move |path: &CStr| {
            if path.to_bytes().starts_with(b"/hung") {
                door.pass();
            }
            if path.to_bytes() == b"/gone" { Err(io::ErrorKind::NotFound.into()) } else { Ok(FIVE) }
        };
        Prober::new(Arc::new(ask), Duration::from_millis(50))
    }

    fn paths(names: &[&str]) -> Vec<Arc<CStr>> {
        names.iter().map(|n| std::ffi::CString::new(*n).unwrap().into()).collect()
    }

    /// A letter per answer.
    fn letters(answers: io::Result<Vec<Answer>>) -> String {
        let letter = |a| match a {
            Answer::Usage(usage) => {
                assert_eq!(usage, FIVE);
                'u'
            }
            Answer::Failed(_) => 'f',
            Answer::Late => 'l',
            Answer::NotAsked => '-',
        };
        answers.unwrap().into_iter().map(letter).collect()
    }

    /// Asks until the answers are these: threads need a moment.
    fn eventually(prober: &mut Prober, paths: &[Arc<CStr>], expected: &str) {
        let mut last = String::new();
        for _ in 0..200 {
            last = letters(prober.ask(paths));
            if last == expected {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{last} instead of {expected}");
    }

    #[test]
    fn a_call_that_hangs_delays_nobody_for_long() {
        let door = Arc::new(Door::default());
        let mut prober = prober(&door);
        let paths = paths(&["/", "/hung", "/gone", "/data"]);
        let start = Instant::now();
        assert_eq!(letters(prober.ask(&paths)), "ul--");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert!(prober.is_unpunctual(&paths[1]) && !prober.is_unpunctual(&paths[0]));
        // After this the others answer, and the call is not repeated.
        for _ in 0..20 {
            assert_eq!(letters(prober.ask(&paths)), "u-fu");
        }
        assert_eq!(door.most_waiting.load(Ordering::SeqCst), 1);
        // Available again, and hung again: now it is asked last, so that the others lose nothing.
        door.open();
        eventually(&mut prober, &paths, "uufu");
        door.close();
        assert_eq!(letters(prober.ask(&paths)), "ulfu");
        door.open();
        eventually(&mut prober, &paths, "uufu");
        assert!(prober.stuck.is_empty());
    }

    #[test]
    fn threads_are_bounded() {
        let door = Arc::new(Door::default());
        let mut prober = prober(&door);
        let names: Vec<String> = (0..20).map(|i| format!("/hung{i}")).collect();
        let paths = paths(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for _ in 0..MOST_STUCK {
            prober.ask(&paths).unwrap();
        }
        for _ in 0..5 {
            assert_eq!(letters(prober.ask(&paths)), "-".repeat(20), "none of them has ever answered");
        }
        assert_eq!(door.most_waiting.load(Ordering::SeqCst), MOST_STUCK);
        door.open();
        eventually(&mut prober, &paths, &"u".repeat(20));
    }

    #[test]
    fn those_that_answer_are_asked_whatever_the_others_do() {
        let door = Arc::new(Door::default());
        let mut prober = prober(&door);
        let names: Vec<String> =
            ["/", "/data"].map(str::to_string).into_iter().chain((0..20).map(|i| format!("/hung{i}"))).collect();
        let paths = paths(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for _ in 0..2 * MOST_STUCK {
            assert!(letters(prober.ask(&paths)).starts_with("uu"));
        }
        assert_eq!(door.most_waiting.load(Ordering::SeqCst), MOST_STUCK);
        door.open();
        eventually(&mut prober, &paths, &"u".repeat(22));
    }

    #[test]
    fn nothing_to_ask_starts_no_thread() {
        let mut prober = prober(&Arc::default());
        assert_eq!(letters(prober.ask(&[])), "");
        assert!(prober.ready.is_none());
    }

    #[test]
    fn the_real_call() {
        let usage = statvfs(c"/").unwrap();
        assert!(usage.available_bytes <= usage.free_bytes && usage.free_bytes <= usage.total_bytes, "{usage:?}");
        assert_eq!(statvfs(c"/nonexistent/x").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
