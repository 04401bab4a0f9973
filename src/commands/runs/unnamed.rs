//! Files without a name: the input of all runs, and the disk space that is reserved for the index.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// A new file without a name, only for us. It is deleted when it is closed, even if this process is killed.
pub fn unnamed(root: &Path) -> io::Result<File> {
    let path = root.join(".perfwatch.tmp");
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Space for an index, and for each run in it.
const RESERVE_BYTES: u64 = 8192;
const RESERVE_BYTES_OF_RUN: u64 = 512;

/// A file with disk space for the index of this many runs.
pub fn reserve(root: &Path, runs: usize) -> io::Result<File> {
    let bytes = RESERVE_BYTES + RESERVE_BYTES_OF_RUN * runs as u64;
    let file = unnamed(root)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        // A file system that cannot allocate ahead of a write.
        Err(Errno::OPNOTSUPP) => io::copy(&mut io::repeat(0).take(bytes), &mut &file).map(drop)?,
        done => done?,
    }
    Ok(file)
}
