//! `--stdin FILE`: the standard input of a command.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Result;

use super::Usage;
use crate::linux::inherit;

/// Makes the file our standard input, which the command inherits. `-` leaves standard input unchanged.
///
/// # Errors
/// When it cannot be opened for reading.
#[allow(clippy::disallowed_methods, reason = "a file of the user's")]
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
    rustix::stdio::dup2_stdin(file)?;
    inherit::keep_input();
    Ok(())
}

/// A new descriptor for our standard input.
///
/// # Errors
/// When no more descriptors are available.
pub fn ours() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}
