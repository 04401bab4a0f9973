//! The control socket: lines in, one answer a line out.
//!
//! Each connection has a thread of its own, which waits for its client or for the journal, and for nobody else. Whatever
//! clients do, the thread that samples only ever finds marks in its queue: few at a time, since a connection hands in the next
//! when the last was answered.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::place::Place;
use super::queue::Marks;
use super::request::{LONGEST_LINE, Mistake, Request};
use crate::linux::clock;
use crate::store::layout::Layout;

/// Connections at a time.
const MOST_CONNECTIONS: usize = 64;
/// Marks a second, all connections together; whoever sends more waits.
const MOST_PER_SECOND: u32 = 2000;
/// Lines of one connection that are no marks, after which it is no client of ours.
const MOST_MISTAKES: u32 = 100;
/// A client that reads no answers while this passes gets no more of them. Its marks are stored all the same.
const DEAF_AFTER: Duration = Duration::from_secs(1);
/// How long answers may still be on their way when the recording ends.
const GRACE: Duration = Duration::from_millis(200);
const STACK_BYTES: usize = 128 * 1024;

/// A control socket that is listened at, until it is dropped.
#[derive(Debug)]
pub struct Control {
    place: Place,
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
    /// Listens for the marks of a recording. For those who hold its lock.
    ///
    /// # Errors
    /// When nobody could find the socket, or there is no thread.
    pub fn open(layout: &Layout, marks: Marks, mut place: Place) -> io::Result<Control> {
        place.point_from(layout)?;
        let shared =
            Arc::new(Shared { marks, pace: Mutex::default(), clients: Mutex::default(), gone: Condvar::new() });
        let (theirs, at) = (shared.clone(), place.listener.clone());
        let thread = thread::Builder::new().name("control".into()).stack_size(STACK_BYTES).spawn(move || {
            loop {
                let accepted = at.accept();
                if theirs.clients().is_over {
                    return;
                }
                match accepted {
                    Ok((stream, _)) => theirs.clone().welcome(stream),
                    // Out of descriptors: some come back.
                    Err(_) => thread::sleep(Duration::from_millis(50)),
                }
            }
        })?;
        Ok(Control { place, shared, thread: Some(thread) })
    }

    /// What [`VARIABLE`](super::VARIABLE) is to be for those who run inside the recording.
    pub fn socket(&self) -> &Path {
        self.place.socket()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let mut clients = self.shared.clients();
        clients.is_over = true;
        // They find their ends, and go when they have said their last word.
        clients.connected.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Read)));
        let anybody = |clients: &mut Clients| !clients.connected.is_empty();
        drop(self.shared.gone.wait_timeout_while(clients, GRACE, anybody));
        // This ends the other thread's `accept`.
        let _ = rustix::net::shutdown(&*self.place.listener, rustix::net::Shutdown::Both);
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
            // A client that goes in the midst of a line is nobody's trouble.
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
        let mut mistakes = 0;
        let mut is_deaf = false;
        while let Some(line) = lines.next()? {
            let request = line.and_then(Request::parse);
            let is_last = match &request {
                Ok(_) => false,
                Err(mistake) => {
                    mistakes += 1;
                    *mistake == Mistake::LongLine || mistakes == MOST_MISTAKES
                }
            };
            let answer = match request.map_err(|mistake| mistake.to_string()).and_then(|r| self.store(r)) {
                Ok(None) => "ok\n".to_string(),
                Ok(Some(note)) => format!("ok: {note}\n"),
                Err(why) => format!("error: {}\n", why.replace(char::is_control, " ")),
            };
            // Whoever reads no answers, or has gone already, gets no more of them; what it wrote stands.
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

/// Spreads marks that come too fast over the seconds to come.
#[derive(Debug, Default)]
struct Pace {
    second: Option<Instant>,
    taken: u32,
}

impl Pace {
    /// How long the next mark is to wait.
    fn next(&mut self, now: Instant) -> Duration {
        const SECOND: Duration = Duration::from_secs(1);
        let second = match self.second {
            Some(second) if now < second + SECOND && self.taken < MOST_PER_SECOND => second,
            // All that this second has room for is taken, and perhaps of the next ones too.
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

/// The lines of a client, none longer than they may be.
struct Lines<'s> {
    stream: &'s UnixStream,
    buffer: Box<[u8]>,
    /// What was read and not yet returned.
    from: usize,
    to: usize,
}

impl<'s> Lines<'s> {
    fn new(stream: &'s UnixStream) -> Self {
        Lines { stream, buffer: vec![0; LONGEST_LINE + 1].into(), from: 0, to: 0 }
    }

    /// The next line, without its end; none at the end. Text behind the last line's end is a line as well.
    fn next(&mut self) -> io::Result<Option<Result<&[u8], Mistake>>> {
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
                return Ok(Some(Err(Mistake::LongLine)));
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
    fn marks_beyond_those_of_a_second_wait_for_the_next() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert!((0..MOST_PER_SECOND).all(|_| pace.next(at(100)) == Duration::ZERO));
        // Of the second that began at 100 ms all are taken; then of the one that begins at 1,100.
        assert!((0..MOST_PER_SECOND).all(|_| pace.next(at(600)) == Duration::from_millis(500)));
        assert_eq!(pace.next(at(700)), Duration::from_millis(1400));
        assert_eq!(pace.next(at(5000)), Duration::ZERO);
    }

    /// What a client that writes this is found to have said.
    fn lines(written: &[&[u8]]) -> Vec<Result<Vec<u8>, Mistake>> {
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
                if found.last() == Some(&Err(Mistake::LongLine)) {
                    break;
                }
            }
            drop(ours);
            found
        })
    }

    #[test]
    fn lines_come_whole_however_they_are_written() {
        let ok = |lines: &[&str]| lines.iter().map(|line| Ok(line.as_bytes().to_vec())).collect::<Vec<_>>();
        assert_eq!(lines(&[]), []);
        assert_eq!(lines(&[b"a\nb", b"c\n", b"\n", b"d"]), ok(&["a", "bc", "", "d"]));
        let many = "event x\n".repeat(3000);
        assert_eq!(lines(&[many.as_bytes()]), ok(&vec!["event x"; 3000]));
        let long = "x".repeat(LONGEST_LINE);
        assert_eq!(lines(&[b"a\n", long.as_bytes(), b"\nb"]), ok(&["a", &long, "b"]));
        let found = lines(&[b"a\n", long.as_bytes(), b"xx\nb\n"]);
        assert_eq!(found, [Ok(b"a".to_vec()), Err(Mistake::LongLine)]);
    }
}
