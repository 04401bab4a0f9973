//! Sends a mark to a recorder, and waits for the answer.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::queue::Reply;
use super::reach;
use super::request::Request;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("no recorder listens at {}", .0.display())]
    NoRecorder(PathBuf),
    #[error("cannot reach the recorder at {}: {error}", path.display())]
    Unreachable { path: PathBuf, error: io::Error },
    #[error("the recorder at {} does not answer; the mark may still be stored", .0.display())]
    Silent(PathBuf),
}

/// Sends a mark to the control socket at `path`.
///
/// # Errors
/// If there is no answer within `patience`.
pub fn send(path: &Path, request: &Request, patience: Duration) -> Result<Reply, NoAnswer> {
    let (done, answer) = channel();
    let (at, line) = (path.to_path_buf(), request.line() + "\n");
    // A recorder that was stopped may not even accept the connection; the limit covers everything.
    thread::spawn(move || drop(done.send(exchange(&at, &line))));
    match answer.recv_timeout(patience) {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => NoAnswer::NoRecorder(path.into()),
            _ => NoAnswer::Unreachable { path: path.into(), error },
        }),
        Err(_) => Err(NoAnswer::Silent(path.into())),
    }
}

fn exchange(path: &Path, line: &str) -> io::Result<Reply> {
    let mut stream = reach::connect(path)?;
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    if BufReader::new(stream).read_line(&mut answer)? == 0 {
        return Err(io::Error::other("it closed the connection; the recording may have ended"));
    }
    let answer = answer.trim_end();
    match answer.split_once(": ").unwrap_or((answer, "")) {
        ("ok", "") => Ok(Ok(None)),
        ("ok", note) => Ok(Ok(Some(note.into()))),
        ("error", why) => Ok(Err(why.into())),
        _ => Err(io::Error::other(format!("not a recorder: it answered {answer:?}"))),
    }
}
