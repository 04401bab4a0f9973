//! `--stdin FILE`: the standard input of a command.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use anyhow::Result;

use super::Usage;
use crate::linux::inherit;

/// Makes the file our standard input, which the command inherits. `-` leaves standard input unchanged.
///
/// # Errors
/// When it cannot be opened for reading.
pub fn take(path: &Path) -> Result<()> {
    if path == Path::new("-") {
        return Ok(());
    }
    let usage = |why: String| Usage(format!("--stdin {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| usage(error.to_string()))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(usage("that is a directory".into()).into());
    }
    become_input(&file).map_err(|error| usage(error.to_string()))?;
    Ok(())
}

/// Makes the file our standard input.
///
/// # Errors
/// When the kernel refuses.
pub fn become_input(file: &File) -> io::Result<()> {
    // SAFETY: both descriptors are open, and no object owns standard input.
    if unsafe { libc::dup2(file.as_raw_fd(), libc::STDIN_FILENO) } < 0 {
        return Err(io::Error::last_os_error());
    }
    inherit::keep_input();
    Ok(())
}

/// A new descriptor for our standard input.
///
/// # Errors
/// When no more descriptors are available.
pub fn ours() -> io::Result<File> {
    // SAFETY: standard input is open: the Rust runtime ensures it before `main`.
    let input = unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) };
    input.try_clone_to_owned().map(File::from)
}
