//! Serves the control socket: clients send lines, and get one answer per line.
//!
//! Each connection has a thread of its own, which only waits for its client and for the journal. Whatever clients do,
//! the sampling thread only sees marks in its queue, and few at a time, since a connection sends the next mark after
//! the last was answered.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::queue::Marks;
use super::request::{LONGEST_LINE, Request, RequestError};
use super::socket::ControlSocket;
use crate::linux::clock;
use crate::store::layout::Layout;

/// Maximum number of simultaneous connections.
const MOST_CONNECTIONS: usize = 64;
/// Maximum number of marks per second over all connections. Clients that send more have to wait.
const MOST_PER_SECOND: u32 = 2000;
/// A connection is closed after this many lines that are not marks.
const MOST_ERRORS: u32 = 100;
/// A client that reads no answers for this time gets no more. Its marks are still stored.
const DEAF_AFTER: Duration = Duration::from_secs(1);
/// How long to wait for answers in progress when the recording ends.
const GRACE: Duration = Duration::from_millis(200);
const STACK_BYTES: usize = 128 * 1024;

/// Serves the control socket until this is dropped.
#[derive(Debug)]
pub struct Control {
    socket: ControlSocket,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    marks: Marks,
    pace: Mutex<Pace>,
    clients: Mutex<Clients>,
    gone: Condvar,
}

#[derive(Debug, Default)]
struct Clients {
    connected: Vec<Arc<UnixStream>>,
    is_over: bool,
}

impl Control {
    /// Accepts marks for a recording. The caller must hold its lock.
    ///
    /// # Errors
    /// When the path of the socket cannot be written to the recording, or no thread can be started.
    pub fn open(layout: &Layout, marks: Marks, mut socket: ControlSocket) -> io::Result<Control> {
        socket.announce_in(layout)?;
        let shared =
            Arc::new(Shared { marks, pace: Mutex::default(), clients: Mutex::default(), gone: Condvar::new() });
        let (theirs, at) = (shared.clone(), socket.listener.clone());
        let thread = thread::Builder::new().name("control".into()).stack_size(STACK_BYTES).spawn(move || {
            loop {
                let accepted = at.accept();
                if theirs.clients().is_over {
                    return;
                }
                match accepted {
                    Ok((stream, _)) => theirs.clone().welcome(stream),
                    // No descriptors are left; wait until some are free.
                    Err(_) => thread::sleep(Duration::from_millis(50)),
                }
            }
        })?;
        Ok(Control { socket, shared, thread: Some(thread) })
    }

    /// The value of [`VARIABLE`](super::VARIABLE) for processes inside the recording.
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let mut clients = self.shared.clients();
        clients.is_over = true;
        // Their threads see the end of input, and end after the last answer.
        clients.connected.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Read)));
        let anybody = |clients: &mut Clients| !clients.connected.is_empty();
        drop(self.shared.gone.wait_timeout_while(clients, GRACE, anybody));
        // This ends the other thread's `accept`.
        let _ = rustix::net::shutdown(&*self.socket.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn welcome(self: Arc<Self>, stream: UnixStream) {
        let stream = Arc::new(stream);
        let mut clients = self.clients();
        if clients.is_over || clients.connected.len() >= MOST_CONNECTIONS {
            let _ = stream.set_nonblocking(true);
            let _ = (&*stream).write_all(b"error: too many connections\n");
            return;
        }
        clients.connected.push(stream.clone());
        drop(clients);
        let theirs = self.clone();
        let client = stream.clone();
        let serve = move || {
            // A client may disconnect in the middle of a line.
            let _ = theirs.serve(&client);
            theirs.forget(&client);
        };
        if thread::Builder::new().name("mark".into()).stack_size(STACK_BYTES).spawn(serve).is_err() {
            self.forget(&stream);
        }
    }

    fn forget(&self, stream: &Arc<UnixStream>) {
        let _ = stream.shutdown(Shutdown::Both);
        self.clients().connected.retain(|other| !Arc::ptr_eq(other, stream));
        self.gone.notify_all();
    }

    fn serve(&self, stream: &UnixStream) -> io::Result<()> {
        stream.set_write_timeout(Some(DEAF_AFTER))?;
        let mut lines = Lines::new(stream);
        let mut errors = 0;
        let mut is_deaf = false;
        while let Some(line) = lines.next()? {
            let request = line.and_then(Request::parse);
            let is_last = match &request {
                Ok(_) => false,
                Err(error) => {
                    errors += 1;
                    *error == RequestError::LongLine || errors == MOST_ERRORS
                }
            };
            let answer = match request.map_err(|error| error.to_string()).and_then(|r| self.store(r)) {
                Ok(None) => "ok\n".to_string(),
                Ok(Some(note)) => format!("ok: {note}\n"),
                Err(why) => format!("error: {}\n", why.replace(char::is_control, " ")),
            };
            // A client that reads no answers, or is gone, gets no more. Its marks remain.
            is_deaf = is_deaf || (&*stream).write_all(answer.as_bytes()).is_err();
            if is_last {
                break;
            }
        }
        Ok(())
    }

    fn store(&self, request: Request) -> Result<Option<String>, String> {
        let pause = self.pace.lock().unwrap_or_else(PoisonError::into_inner).next(clock::instant());
        thread::sleep(pause);
        self.marks.send(request).wait()
    }
}

/// Limits the rate of marks by delaying those that arrive too fast.
#[derive(Debug, Default)]
struct Pace {
    second: Option<Instant>,
    taken: u32,
}

impl Pace {
    /// How long the next mark must wait.
    fn next(&mut self, now: Instant) -> Duration {
        const SECOND: Duration = Duration::from_secs(1);
        let second = match self.second {
            Some(second) if now < second + SECOND && self.taken < MOST_PER_SECOND => second,
            // The current second is full; it may be one in the future.
            Some(second) if now < second + SECOND => {
                self.taken = 0;
                second + SECOND
            }
            _ => {
                self.taken = 0;
                now
            }
        };
        self.second = Some(second);
        self.taken += 1;
        second.saturating_duration_since(now)
    }
}

/// The lines of a client, of limited length.
struct Lines<'s> {
    stream: &'s UnixStream,
    buffer: Box<[u8]>,
    /// The range of bytes that were read but not yet returned.
    from: usize,
    to: usize,
}

impl<'s> Lines<'s> {
    fn new(stream: &'s UnixStream) -> Self {
        Lines { stream, buffer: vec![0; LONGEST_LINE + 1].into(), from: 0, to: 0 }
    }

    /// The next line without its line break; `None` at the end. Text after the last line break is a line too.
    fn next(&mut self) -> io::Result<Option<Result<&[u8], RequestError>>> {
        let mut searched = self.from;
        loop {
            let found = self.buffer[searched..self.to].iter().position(|b| *b == b'\n');
            if let Some(at) = found {
                let line = self.from..searched + at;
                self.from = line.end + 1;
                return Ok(Some(Ok(&self.buffer[line])));
            }
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            searched = self.to;
            if self.to == self.buffer.len() {
                return Ok(Some(Err(RequestError::LongLine)));
            }
            match (&*self.stream).read(&mut self.buffer[self.to..]) {
                Ok(0) if self.to == 0 => return Ok(None),
                Ok(0) => {
                    let end = std::mem::take(&mut self.to);
                    return Ok(Some(Ok(&self.buffer[..end])));
                }
                Ok(n) => self.to += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_over_the_limit_wait_for_the_next_second() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert!((0..MOST_PER_SECOND).all(|_| pace.next(at(100)) == Duration::ZERO));
        // The second from 100 ms on is full; these are in the one from 1,100 ms on.
        assert!((0..MOST_PER_SECOND).all(|_| pace.next(at(600)) == Duration::from_millis(500)));
        assert_eq!(pace.next(at(700)), Duration::from_millis(1400));
        assert_eq!(pace.next(at(5000)), Duration::ZERO);
    }

    /// The lines that are read from a client that writes these parts.
    fn lines(written: &[&[u8]]) -> Vec<Result<Vec<u8>, RequestError>> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                for part in written {
                    let _ = (&theirs).write_all(part);
                }
            });
            let mut lines = Lines::new(&ours);
            let mut found = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                found.push(line.map(<[u8]>::to_vec));
                if found.last() == Some(&Err(RequestError::LongLine)) {
                    break;
                }
            }
            drop(ours);
            found
        })
    }

    #[test]
    fn lines_are_whole_however_they_are_written() {
        let ok = |lines: &[&str]| lines.iter().map(|line| Ok(line.as_bytes().to_vec())).collect::<Vec<_>>();
        assert_eq!(lines(&[]), []);
        assert_eq!(lines(&[b"a\nb", b"c\n", b"\n", b"d"]), ok(&["a", "bc", "", "d"]));
        let many = "event x\n".repeat(3000);
        assert_eq!(lines(&[many.as_bytes()]), ok(&vec!["event x"; 3000]));
        let long = "x".repeat(LONGEST_LINE);
        assert_eq!(lines(&[b"a\n", long.as_bytes(), b"\nb"]), ok(&["a", &long, "b"]));
        let found = lines(&[b"a\n", long.as_bytes(), b"xx\nb\n"]);
        assert_eq!(found, [Ok(b"a".to_vec()), Err(RequestError::LongLine)]);
    }
}
