//! The helper's side: opens a source, and reads it at the times that the recorder asks for.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::{ProcessReading, Reading, Source, SourceKind, open};
use crate::linux::clock;
use crate::linux::files::Roots;
use crate::linux::helper_process::become_helper;
use crate::linux::process::fork::exit_at_once;

/// The only argument of the program when it runs as this helper.
pub const ARGUMENT: &str = "gpu-helper";

/// The first message: what to read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    pub source: SourceKind,
    pub roots: Roots,
}

/// The answer to it: which driver it is, or why there is none.
pub type Hello = Result<String, String>;

/// Asks for one reading. A later request replaces one whose time has not come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub number: u64,
    /// When to read, `CLOCK_MONOTONIC`; in the past: now.
    pub at_ns: u64,
    /// The processes of which the use is asked.
    pub pids: Vec<u32>,
}

/// A reading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub number: u64,
    /// When the reading began, `CLOCK_MONOTONIC`.
    pub mono_ns: u64,
    /// How long it took.
    pub took_ns: u64,
    pub reading: Reading,
    /// `None`: not read this time.
    pub processes: Option<Vec<ProcessReading>>,
}

/// Lists of processes are expensive on some drivers (4.5 ms per card), so reading them takes at most this part of the
/// time...
const PART_FOR_PROCESSES: u64 = 1000;
/// ... but they are read at least this often, and at most once per second.
const PROCESSES_WITHIN_NS: u64 = 60_000_000_000;
const PROCESSES_EVERY_NS: u64 = 900_000_000;

/// What the helper does, until the recorder is gone.
///
/// # Errors
/// If there is no connection.
pub fn run() -> io::Result<()> {
    let socket = become_helper(c"gpu-helper")?;
    // A call that hangs does not notice that the recorder was killed.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let ended = serve(&socket, |begin| open(&begin.source, &begin.roots));
    // Not through the destructors of a library, which may hang like its other functions.
    exit_at_once(i32::from(ended.is_err()))
}

/// Opens what the first message asks for, and answers until the other side is gone.
///
/// # Errors
/// If the other side does not read, or sends something else.
pub fn serve(socket: &UnixStream, open: impl FnOnce(&Begin) -> Result<Box<dyn Source>, String>) -> io::Result<()> {
    let mut channel = Channel::new(socket)?;
    let Some(begin) = ended(channel.receive::<Begin>(None))? else { return Ok(()) };
    let opened = open(&begin);
    let hello: Hello = opened.as_ref().map(|source| source.about()).map_err(Clone::clone);
    channel.send(&hello)?;
    match opened {
        Ok(source) => answer_all(&mut channel, source),
        Err(_) => Ok(()),
    }
}

/// Answers requests with readings of this source until the other side is gone.
fn answer_all(channel: &mut Channel, mut source: Box<dyn Source>) -> io::Result<()> {
    let mut processes_due_ns = 0;
    let mut scheduled: Option<Request> = None;
    loop {
        let until = scheduled.as_ref().map(|request| instant_of(request.at_ns));
        match channel.receive::<Request>(until) {
            Ok(Some(request)) => scheduled = Some(request),
            Ok(None) => {
                let Some(request) = scheduled.take() else { continue };
                channel.send(&answer(source.as_mut(), &request, &mut processes_due_ns))?;
            }
            other => return ended(other).map(drop),
        }
    }
}

fn answer(source: &mut dyn Source, request: &Request, processes_due_ns: &mut u64) -> Answer {
    let mono_ns = clock::mono_ns();
    let mut reading = source.read(mono_ns);
    let before_ns = clock::mono_ns();
    let processes = (!request.pids.is_empty() && before_ns >= *processes_due_ns).then(|| {
        let found = source.processes(&request.pids, before_ns, &mut reading.problems);
        let took_ns = clock::mono_ns().saturating_sub(before_ns);
        let pause_ns = took_ns.saturating_mul(PART_FOR_PROCESSES).clamp(PROCESSES_EVERY_NS, PROCESSES_WITHIN_NS);
        *processes_due_ns = before_ns + pause_ns;
        found
    });
    let took_ns = clock::mono_ns().saturating_sub(mono_ns);
    Answer { number: request.number, mono_ns, took_ns, reading, processes }
}

fn instant_of(mono_ns: u64) -> Instant {
    clock::instant() + Duration::from_nanos(mono_ns.saturating_sub(clock::mono_ns()))
}

/// The end of the recorder is not an error.
fn ended<T>(received: io::Result<Option<T>>) -> io::Result<Option<T>> {
    match received {
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(None),
        other => other,
    }
}
