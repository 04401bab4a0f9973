//! A process that writes to the standard input of a run: first what was stored of our standard input, then what still
//! arrives, which it also stores for later runs.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{OFlags, fcntl_setfl};

use super::kept::Kept;
use crate::linux::poll::{self, PollFd, PollFlags};
use crate::linux::process::fork::{Forked, exit_at_once, fork};
use crate::linux::process::wait::{Target, wait};
use crate::linux::signal::SignalSet;
use crate::ui;

/// A running feeder process.
pub struct Feeder {
    pid: u32,
    /// A byte in it means that the run is over.
    stop: File,
}

impl Feeder {
    /// Starts a feeder. Also returns the end of the pipe that the run reads. Must be called while there is only one
    /// thread.
    ///
    /// # Errors
    /// When no more processes or pipes can be created.
    pub fn start(kept: &Kept, source: &File) -> io::Result<(Feeder, File)> {
        let (read, write) = pipe()?;
        let (stopped, stop) = pipe()?;
        match fork()? {
            Forked::Child => {
                drop((read, stop));
                // A key of the terminal is meant for the command, which may continue to read.
                let _ = SignalSet::all().block();
                let fed = feed(kept, source, &write, &stopped);
                if let Err(why) = &fed {
                    ui::message(why);
                }
                exit_at_once(i32::from(fed.is_err()))
            }
            Forked::Parent(pid) => Ok((Feeder { pid, stop }, read)),
        }
    }

    /// Stops the feeder after the run has ended. False if the run did not get all the input that it could have read.
    pub fn stop(mut self) -> bool {
        // A feeder that has already ended does not read this.
        let _ = self.stop.write_all(b"s");
        wait(Target::Child(self.pid)).is_some_and(|ended| ended.status.code() == Some(0))
    }
}

/// Writes until the input ends, the reader has closed the pipe, or the run has ended.
fn feed(kept: &Kept, mut source: &File, mut to: &File, stopped: &File) -> Result<(), String> {
    let in_words = |what: &'static str| move |error: io::Error| format!("standard input of the runs: {what}: {error}");
    set_nonblocking(to).map_err(in_words("cannot be written"))?;
    let mut length = kept.file.metadata().map_err(in_words("cannot be kept"))?.len();
    let (mut buffer, mut at) = (vec![0; 64 * 1024], 0);
    loop {
        let has_more = at < length;
        let mut polls = [
            PollFd::new(stopped, PollFlags::IN),
            if has_more { PollFd::new(&to, PollFlags::OUT) } else { PollFd::new(&source, PollFlags::IN) },
            // Reported even if it is not requested: the read end is closed.
            PollFd::new(&to, PollFlags::empty()),
        ];
        if poll::wait(&mut polls, None).is_err() {
            continue;
        }
        let [is_stopped, news, reader] = polls.map(|poll| poll.revents());
        if !is_stopped.is_empty() || reader.contains(PollFlags::ERR) {
            return Ok(());
        }
        if has_more {
            let read = kept.file.read_at(&mut buffer, at).map_err(in_words("cannot be read again"))?;
            match to.write(&buffer[..read]) {
                Ok(written) => at += written as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Ok(()),
            }
        } else if !news.is_empty() {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) if length + read as u64 > kept.most => {
                    let most = indicatif::BinaryBytes(kept.most);
                    return Err(format!(
                        "standard input of the runs: more than {most} cannot be kept: use --stdin FILE"
                    ));
                }
                // Stored before the run reads it, so nothing is lost whenever this process ends.
                Ok(read) => {
                    kept.file.write_all_at(&buffer[..read], length).map_err(in_words("cannot be kept"))?;
                    length += read as u64;
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return Err(in_words("cannot be read")(error)),
            }
        }
    }
}

/// The mode applies only to this end of the pipe.
fn set_nonblocking(file: &File) -> io::Result<()> {
    Ok(fcntl_setfl(file, OFlags::NONBLOCK)?)
}

/// A pipe: the read end, the write end. Other programs do not inherit them.
fn pipe() -> io::Result<(File, File)> {
    let (read, write) = io::pipe()?;
    Ok((OwnedFd::from(read).into(), OwnedFd::from(write).into()))
}

#[cfg(test)]
mod tests {
    use std::io::PipeWriter;
    use std::thread::JoinHandle;

    use super::*;

    /// A feeder on a thread.
    struct Fed {
        /// What the run reads.
        run: File,
        source: PipeWriter,
        stop: File,
        end: JoinHandle<Result<(), String>>,
        kept: File,
    }

    fn fed(begun: &[u8], most: u64) -> Fed {
        let kept = tempfile::tempfile().unwrap();
        kept.write_all_at(begun, 0).unwrap();
        let (read, source) = io::pipe().unwrap();
        let ((run, to), (stopped, stop)) = (pipe().unwrap(), pipe().unwrap());
        let (same, read) = (kept.try_clone().unwrap(), File::from(OwnedFd::from(read)));
        let end = std::thread::spawn(move || feed(&Kept { file: same, most }, &read, &to, &stopped));
        Fed { run, source, stop, end, kept }
    }

    #[test]
    fn stored_input_comes_first_then_new_input() {
        let mut fed = fed(b"one ", 100);
        let mut read = [0; 4];
        fed.run.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one ");
        fed.source.write_all(b"two").unwrap();
        fed.run.read_exact(&mut read[..3]).unwrap();
        assert_eq!(&read[..3], b"two");
        // The end of the source ends the input of the run.
        drop(fed.source);
        assert_eq!((fed.run.read(&mut read).unwrap(), fed.end.join().unwrap()), (0, Ok(())));
        let mut all = [0; 7];
        fed.kept.read_exact_at(&mut all, 0).unwrap();
        assert_eq!(&all, b"one two");
    }

    #[test]
    fn runs_that_do_not_read_or_have_ended_do_not_block() {
        let more_than_a_pipe_holds = vec![b'x'; 1 << 20];
        let mut silent = fed(&more_than_a_pipe_holds, 1 << 20);
        silent.stop.write_all(b"s").unwrap();
        assert_eq!(silent.end.join().unwrap(), Ok(()));
        let gone = fed(&more_than_a_pipe_holds, 1 << 20);
        drop(gone.run);
        assert_eq!(gone.end.join().unwrap(), Ok(()));
    }

    #[test]
    fn too_much_is_an_error() {
        let mut fed = fed(b"12345", 8);
        fed.source.write_all(b"6789").unwrap();
        let mut read = Vec::new();
        fed.run.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"12345");
        assert!(fed.end.join().unwrap().unwrap_err().contains("more than 8 B cannot be kept"));
    }
}
