//! A process that writes into a run's standard input what was kept of ours, and then what still comes, which it keeps for the
//! runs after that.

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

/// One that is at work.
pub struct Feeder {
    pid: u32,
    /// A byte in it means that the run is over.
    stop: File,
}

impl Feeder {
    /// Starts one; and the end of its pipe that the run reads. To be called while there is one thread only.
    ///
    /// # Errors
    /// When there can be no more processes or pipes.
    pub fn start(kept: &Kept, source: &File) -> io::Result<(Feeder, File)> {
        let (read, write) = pipe()?;
        let (stopped, stop) = pipe()?;
        match fork()? {
            Forked::Child => {
                drop((read, stop));
                // A key of the terminal is meant for the command, which may want to read on.
                let _ = SignalSet::all().block();
                let fed = feed(kept, source, &write, &stopped);
                if let Err(why) = &fed {
                    ui::complain(why);
                }
                exit_at_once(i32::from(fed.is_err()))
            }
            Forked::Parent(pid) => Ok((Feeder { pid, stop }, read)),
        }
    }

    /// The run is over. False where it did not get all that it could have read.
    pub fn stop(mut self) -> bool {
        // One that has ended by itself does not hear it.
        let _ = self.stop.write_all(b"s");
        wait(Target::Child(self.pid)).is_some_and(|ended| ended.status.code() == Some(0))
    }
}

/// Until there is no more, nobody reads any more, or the run is over.
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
            // Told even if it is not asked for: nobody reads any more.
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
                // Kept before anybody reads it, so that nothing is lost whenever this ends.
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

/// The mode is that of this end of the pipe alone.
fn set_nonblocking(file: &File) -> io::Result<()> {
    Ok(fcntl_setfl(file, OFlags::NONBLOCK)?)
}

/// To read from, and to write to; no other program inherits them.
fn pipe() -> io::Result<(File, File)> {
    let (read, write) = io::pipe()?;
    Ok((OwnedFd::from(read).into(), OwnedFd::from(write).into()))
}

#[cfg(test)]
mod tests {
    use std::io::PipeWriter;
    use std::thread::JoinHandle;

    use super::*;

    /// Feeding on a thread.
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
    fn first_what_was_kept_and_then_what_comes() {
        let mut fed = fed(b"one ", 100);
        let mut read = [0; 4];
        fed.run.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one ");
        fed.source.write_all(b"two").unwrap();
        fed.run.read_exact(&mut read[..3]).unwrap();
        assert_eq!(&read[..3], b"two");
        // The source's end is that of the run's input.
        drop(fed.source);
        assert_eq!((fed.run.read(&mut read).unwrap(), fed.end.join().unwrap()), (0, Ok(())));
        let mut all = [0; 7];
        fed.kept.read_exact_at(&mut all, 0).unwrap();
        assert_eq!(&all, b"one two");
    }

    #[test]
    fn a_run_that_does_not_read_and_one_that_has_gone() {
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
