//! The standard input of runs: each run reads the same input from the beginning.
//!
//! A pipe can only be read once. So its contents are stored in an unnamed file, and every run reads from there. We do
//! not wait for the end of the pipe: many commands never read their input, and `ssh host perfwatch ...` gives them a
//! pipe that stays open. In that case each run gets a pipe from us, with the stored input followed by what still
//! arrives.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::BinaryBytes;
use rustix::fs::{OFlags, fcntl_getfl};

use super::feeder::Feeder;
use super::kept::Kept;
use super::unnamed::unnamed;
use crate::commands::input;
use crate::linux::files::open;
use crate::linux::poll::is_readable;
use crate::record::space;
use crate::ui;

/// The maximum that is stored from a pipe.
const MAX_KEPT_BYTES: u64 = 1 << 30;
/// A pipe without data for this long may stay open forever.
const SILENCE: Duration = Duration::from_secs(1);

/// The input of the runs.
pub enum Input {
    /// Unchanged standard input: a terminal, `/dev/null`, another device, or none.
    Same,
    /// A file, from this offset in bytes.
    File(File, u64),
    /// A pipe that has not ended, and what has been read from it.
    Open(Kept, File),
}

/// What one run reads.
pub struct Given {
    file: Option<File>,
    feeder: Option<Feeder>,
}

impl Input {
    /// Inspects our standard input. If it can only be read once, reads it until it ends or pauses. `root`: a directory
    /// with free space for the stored input.
    ///
    /// # Errors
    /// When there is too much of it, or it cannot be stored.
    pub fn detect(root: &Path, messages: &ui::Messages) -> Result<Input> {
        let mut source = input::ours().context("standard input")?;
        let kind = source.metadata().context("standard input")?.file_type();
        if !may_be_read(&source) {
            return Ok(Input::Same);
        }
        if kind.is_file() {
            let at = source.stream_position().context("standard input")?;
            return Ok(Input::File(source, at));
        }
        if !(kind.is_fifo() || kind.is_socket()) {
            return Ok(Input::Same);
        }
        let kept_where = || format!("standard input cannot be kept in {}", root.display());
        // Leave space for the recordings.
        let most = space::available(root).map_or(MAX_KEPT_BYTES, |free| MAX_KEPT_BYTES.min(free / 2));
        let mut kept = Kept { file: unnamed(root).with_context(kept_where)?, most };
        let (bytes, ended) = keep(&mut source, &mut kept)?;
        match (ended, bytes) {
            (true, 0) => {}
            (true, _) => {
                let bytes = BinaryBytes(bytes);
                messages.news(&format!("each run gets all {bytes} of standard input (--stdin /dev/null prevents it)"));
            }
            (false, _) => messages.detail("standard input is still open: each run gets its data from the beginning"),
        }
        Ok(if ended { Input::File(kept.file, 0) } else { Input::Open(kept, source) })
    }

    /// Bytes that have been stored from an open pipe.
    pub fn kept_bytes(&self) -> u64 {
        match self {
            Input::Same | Input::File(..) => 0,
            Input::Open(kept, _) => kept.file.metadata().map_or(0, |m| m.len()),
        }
    }

    /// The input for the next run.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn next(&self) -> io::Result<Given> {
        let (file, feeder) = match self {
            Input::Same => (None, None),
            Input::File(file, from) => (Some(reopen(file, *from)?), None),
            Input::Open(kept, source) => {
                let (feeder, file) = Feeder::start(kept, source)?;
                (Some(file), Some(feeder))
            }
        };
        Ok(Given { file, feeder })
    }
}

impl Given {
    /// Makes it our standard input. To be called in the child process of the run.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), input::become_input)
    }

    /// Ends the input after the run. False if the run did not get all the input that it could have read.
    pub fn finish(self) -> bool {
        self.feeder.is_none_or(Feeder::stop)
    }
}

fn may_be_read(file: &File) -> bool {
    // If the kernel does not tell, it is tried.
    fcntl_getfl(file).map_or(true, |flags| flags & OFlags::RWMODE != OFlags::WRONLY)
}

/// The file with a separate position. Without `/proc` the position is shared, which only affects processes that a run
/// leaves running.
fn reopen(file: &File, from: u64) -> io::Result<File> {
    let mut again = open(format!("/proc/self/fd/{}", file.as_raw_fd())).or_else(|_| file.try_clone())?;
    again.seek(SeekFrom::Start(from))?;
    Ok(again)
}

/// Stores input until it ends or pauses. Returns the bytes stored, and whether the input has ended.
fn keep(source: &mut File, kept: &mut Kept) -> Result<(u64, bool)> {
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    while has_data(source)? {
        let read = match source.read(&mut buffer) {
            Ok(0) => return Ok((bytes, true)),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => continue,
            Err(error) => return Err(error).context("cannot read standard input"),
        };
        if bytes + read as u64 > kept.most {
            bail!(
                "standard input is a pipe of more than {}, the maximum that can be stored for all runs: write it to a file \
                 and give that with --stdin FILE",
                BinaryBytes(kept.most)
            );
        }
        kept.file.write_all_at(&buffer[..read], bytes).context("cannot keep standard input for all runs")?;
        bytes += read as u64;
    }
    Ok((bytes, false))
}

/// Does more data arrive, or the input end, within a short time?
fn has_data(source: &File) -> Result<bool> {
    loop {
        match is_readable(source, Some(SILENCE)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer.context("cannot wait for standard input"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    use super::*;

    fn kept(most: u64) -> Kept {
        Kept { file: tempfile::tempfile().unwrap(), most }
    }

    /// A pipe that contains these bytes.
    fn pipe_of(bytes: &[u8]) -> (File, io::PipeWriter) {
        let (read, mut write) = io::pipe().unwrap();
        write.write_all(bytes).unwrap();
        (File::from(OwnedFd::from(read)), write)
    }

    #[test]
    fn a_pipe_is_stored_up_to_its_end_or_the_limit() {
        let (mut source, write) = pipe_of(b"0123456789");
        drop(write);
        let mut enough = kept(10);
        assert_eq!(keep(&mut source, &mut enough).unwrap(), (10, true));
        // Each file has a separate position, and starts where requested.
        let (mut one, mut other) = (reopen(&enough.file, 0).unwrap(), reopen(&enough.file, 4).unwrap());
        let (mut all, mut rest) = (String::new(), String::new());
        one.read_to_string(&mut all).unwrap();
        other.read_to_string(&mut rest).unwrap();
        assert_eq!((all.as_str(), rest.as_str()), ("0123456789", "456789"));
        let (mut source, _write) = pipe_of(b"0123456789");
        let error = keep(&mut source, &mut kept(9)).unwrap_err().to_string();
        assert!(error.contains("a pipe of more than 9 B") && error.contains("--stdin FILE"), "{error}");
    }

    #[test]
    fn an_open_pipe_is_stored_until_it_pauses() {
        let (mut source, _write) = pipe_of(b"begun");
        assert_eq!(keep(&mut source, &mut kept(9)).unwrap(), (5, false));
    }
}
