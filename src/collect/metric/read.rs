//! Reads one target once: the whole text, or why there is none.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::http::{MOST_BYTES, get, said, too_large};
use super::target::{Target, Url};
use crate::linux::clock;
use crate::mark::reach;

/// The time for a whole answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Text(Vec<u8>),
    /// The file is as it was.
    Same,
}

/// Identifies the contents of a file as far as that is possible without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_ns: (i64, i64),
}

impl Version {
    /// That of the file at a path; `None` if there is none.
    pub fn of(path: &Path) -> Option<Version> {
        std::fs::metadata(path).ok().map(|metadata| Version::new(&metadata))
    }

    fn new(metadata: &Metadata) -> Version {
        Version {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified_ns: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Reads a target. `last`: the version of a file whose contents are known, which is set to the one that was read.
///
/// # Errors
/// Why there is no whole text.
pub fn read(target: &Target, last: &mut Option<Version>) -> Result<Found, String> {
    match target {
        Target::File(path) => file(path, last),
        Target::Http(url) => {
            let mut stream = Timed::new(connect(url)?);
            get(&mut stream, &url.authority(), target.path(), false).map(Found::Text)
        }
        Target::Unix(path) => {
            let mut stream = Timed::new(reach::connect(path).map_err(|error| said(&error))?);
            get(&mut stream, "localhost", target.path(), true).map(Found::Text)
        }
    }
}

fn file(path: &Path, last: &mut Option<Version>) -> Result<Found, String> {
    // A pipe must not be waited for.
    let open = || OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file: File = open().map_err(|error| said(&error))?;
    let metadata = file.metadata().map_err(|error| said(&error))?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    let version = Version::new(&metadata);
    if *last == Some(version) {
        return Ok(Found::Same);
    }
    let mut text = Vec::new();
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut text).map_err(|error| said(&error))?;
    if text.len() > MOST_BYTES {
        return Err(too_large());
    }
    *last = Some(version);
    Ok(Found::Text(text))
}

fn connect(url: &Url) -> Result<TcpStream, String> {
    let addresses = (url.host.as_str(), url.port).to_socket_addrs().map_err(|error| said(&error))?;
    let mut failed = "the host has no address".to_string();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = said(&error),
        }
    }
    Err(failed)
}

/// A connection that is given up after [`PATIENCE`], however many small pieces arrive.
struct Timed<S> {
    stream: S,
    until: Instant,
}

trait Patient {
    fn set_patience(&self, patience: Duration) -> io::Result<()>;
}

impl Patient for TcpStream {
    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))?;
        self.set_write_timeout(Some(patience))
    }
}

impl Patient for UnixStream {
    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))?;
        self.set_write_timeout(Some(patience))
    }
}

impl<S: Patient> Timed<S> {
    fn new(stream: S) -> Self {
        Timed { stream, until: clock::instant() + PATIENCE }
    }

    fn hurry(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(clock::instant());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { self.stream.set_patience(left) }
    }
}

impl<S: Patient + Read> Read for Timed<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.hurry()?;
        self.stream.read(into)
    }
}

impl<S: Patient + Write> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hurry()?;
        self.stream.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.prom");
        let target = Target::File(path.clone());
        let mut last = None;
        assert!(read(&target, &mut last).unwrap_err().contains("No such file"));
        fs::write(&path, "a 1\n").unwrap();
        assert_eq!(read(&target, &mut last), Ok(Found::Text(b"a 1\n".to_vec())));
        assert_eq!(read(&target, &mut last), Ok(Found::Same));
        // As programs write files that others read: a new file under the same name.
        fs::write(dir.path().join("new"), "a 2\n").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(read(&target, &mut last), Ok(Found::Text(b"a 2\n".to_vec())));
        let before = Version::of(&path);
        assert_eq!(before, last);
        fs::write(&path, vec![b'#'; MOST_BYTES + 1]).unwrap();
        assert_eq!(read(&target, &mut last), Err(too_large()));
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for path in [pipe.as_path(), dir.path(), Path::new("/dev/zero")] {
            assert_eq!(read(&Target::File(path.into()), &mut None), Err("it is not a regular file".into()));
        }
    }
}
