//! The helper's side: asks for each path on a separate thread, and sends the answers as they arrive.
//!
//! A request is its number, the length of a path, and the path; an answer is [`ANSWER`] bytes. Numbers are in the byte
//! order of this machine: both sides are the same program.

use std::collections::VecDeque;
use std::ffi::CString;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Ask, FilesystemUsage, STACK, statvfs};
use crate::linux::helper_process::become_helper;

/// The only argument of the program when it runs as the helper.
pub const ARGUMENT: &str = "statvfs-helper";

/// The number of the answer that says that the helper is ready.
pub const HELLO: u64 = 0;

/// Its number, the error or zero, which of the sizes are present, and five numbers.
pub const ANSWER: usize = 8 + 4 + 4 + 5 * 8;

/// Maximum number of threads: further requests wait for one of them.
const MOST_THREADS: usize = 1000;

/// What the helper does, until the recorder is gone.
///
/// # Errors
/// If no thread is possible.
pub fn run() -> io::Result<()> {
    serve(&become_helper(c"statvfs-helper")?, Arc::new(statvfs))
}

/// Answers until the other side is gone.
///
/// # Errors
/// If no thread is possible, or nobody reads.
pub fn serve(connection: &UnixStream, ask: Ask) -> io::Result<()> {
    let answers = connection.try_clone()?;
    (&answers).write_all(&answer(HELLO, &Err(io::ErrorKind::NotConnected.into())))?;
    let pool =
        Arc::new(ThreadPool { waiting: Mutex::default(), more: Condvar::new(), answers: Mutex::new(answers), ask });
    let mut requests = BufReader::new(connection);
    while let Some(request) = PathRequest::read(&mut requests)? {
        pool.give(request)?;
    }
    Ok(())
}

/// A path to ask for.
struct PathRequest {
    number: u64,
    path: CString,
}

impl PathRequest {
    /// `None` if the other side is gone.
    fn read(from: &mut impl Read) -> io::Result<Option<PathRequest>> {
        let mut head = [0; 12];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let [number @ .., _, _, _, _] = head;
        let [_, _, _, _, _, _, _, _, length @ ..] = head;
        let length = usize::try_from(u32::from_ne_bytes(length)).map_err(io::Error::other)?;
        let mut path = vec![0; length.min(usize::from(u16::MAX))];
        from.read_exact(&mut path)?;
        let path = CString::new(path).map_err(io::Error::other)?;
        Ok(Some(PathRequest { number: u64::from_ne_bytes(number), path }))
    }
}

/// A request in the form in which it is sent.
pub fn request(number: u64, path: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_ne_bytes().to_vec();
    // No path of the kernel is longer than a page.
    bytes.extend(u32::try_from(path.len()).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend(path);
    bytes
}

/// Threads that ask, each for one path, so that none waits for another.
struct ThreadPool {
    waiting: Mutex<PoolState>,
    more: Condvar,
    answers: Mutex<UnixStream>,
    ask: Ask,
}

#[derive(Default)]
struct PoolState {
    requests: VecDeque<PathRequest>,
    threads: usize,
    /// Threads without work.
    idle: usize,
}

impl ThreadPool {
    fn give(self: &Arc<Self>, request: PathRequest) -> io::Result<()> {
        let mut waiting = lock(&self.waiting);
        waiting.requests.push_back(request);
        if waiting.idle < waiting.requests.len() && waiting.threads < MOST_THREADS {
            let pool = self.clone();
            thread::Builder::new().name("statvfs".into()).stack_size(STACK).spawn(move || pool.work())?;
            waiting.threads += 1;
        }
        drop(waiting);
        self.more.notify_one();
        Ok(())
    }

    fn work(&self) {
        loop {
            let request = self.next();
            let told = answer(request.number, &(self.ask)(&request.path));
            if lock(&self.answers).write_all(&told).is_err() {
                return;
            }
        }
    }

    fn next(&self) -> PathRequest {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(request) = waiting.requests.pop_front() {
                return request;
            }
            waiting.idle += 1;
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer in the form in which it is sent.
fn answer(number: u64, said: &io::Result<FilesystemUsage>) -> [u8; ANSWER] {
    let (error, there, numbers) = match said {
        Ok(usage) => {
            let sizes = [usage.total_bytes, usage.free_bytes, usage.available_bytes];
            let there =
                sizes.iter().enumerate().fold(0u32, |bits, (bit, size)| bits | u32::from(size.is_some()) << bit);
            let [total, free, available] = sizes.map(Option::unwrap_or_default);
            (0, there, [total, free, available, usage.inodes_total, usage.inodes_free])
        }
        Err(error) => (error.raw_os_error().unwrap_or(libc::EIO), 0, [0; 5]),
    };
    let mut bytes = [0; ANSWER];
    bytes[..8].copy_from_slice(&number.to_ne_bytes());
    bytes[8..12].copy_from_slice(&error.to_ne_bytes());
    bytes[12..16].copy_from_slice(&there.to_ne_bytes());
    for (place, number) in bytes[16..].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}

/// An answer, decoded.
pub fn understood(bytes: &[u8; ANSWER]) -> (u64, io::Result<FilesystemUsage>) {
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
    let half = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u32::from_ne_bytes(*b));
    let size = |bit: usize| (half(12) >> bit & 1 == 1).then_some(word(16 + 8 * bit));
    let usage = FilesystemUsage {
        total_bytes: size(0),
        free_bytes: size(1),
        available_bytes: size(2),
        inodes_total: word(40),
        inodes_free: word(48),
    };
    let said = match half(8) {
        0 => Ok(usage),
        error => Err(io::Error::from_raw_os_error(error.cast_signed())),
    };
    (word(0), said)
}
