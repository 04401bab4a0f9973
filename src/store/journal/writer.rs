//! Appends to a journal: one `write()` per frame, space allocated in advance, and truncation to the last whole frame if
//! the disk is full.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::frame::{self, FrameKind};

/// Step in which space is allocated, so that the write of a tick does not need to, and a full disk is noticed early.
const ALLOCATE_BYTES: u64 = 1 << 20;

/// The end of a journal file.
#[derive(Debug)]
pub struct Writer {
    file: File,
    /// End of the last whole frame.
    length: u64,
    /// End of the allocated space; `None` if the file system does not support allocation.
    allocated: Option<u64>,
}

impl Writer {
    /// Starts a new journal in this file, which must be empty.
    pub fn new(file: File) -> Self {
        Writer { file, length: 0, allocated: Some(0) }
    }

    /// Bytes in whole frames.
    pub fn len(&self) -> u64 {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Frees the space that was allocated in advance, so that sealing does not need to read it.
    pub fn close(self) {
        let _ = self.file.set_len(self.length);
    }

    /// A second handle for the thread that syncs.
    ///
    /// # Errors
    /// When no more descriptors are available.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Appends a frame. `buffer` has [`frame::HEAD`] bytes of space, then the payload.
    ///
    /// # Errors
    /// When it could not be written completely. The file then ends with the previous frame, and the next call may try
    /// again.
    pub fn append(&mut self, kind: FrameKind, buffer: &mut [u8]) -> io::Result<()> {
        frame::close(buffer, kind).ok_or_else(|| io::Error::other("a tick of more than 256 MiB"))?;
        let end = self.length + buffer.len() as u64;
        self.allocate(end);
        match self.file.write_all_at(buffer, self.length) {
            Ok(()) => {
                self.length = end;
                Ok(())
            }
            Err(error) => {
                // This also frees blocks, which the next attempt may need.
                if self.file.set_len(self.length).is_ok() && self.allocated.is_some() {
                    self.allocated = Some(self.length);
                }
                Err(error)
            }
        }
    }

    fn allocate(&mut self, end: u64) {
        let Some(allocated) = self.allocated.filter(|a| end > *a) else { return };
        let target = end.next_multiple_of(ALLOCATE_BYTES);
        match fallocate(&self.file, FallocateFlags::empty(), allocated, target - allocated) {
            Ok(()) => self.allocated = Some(target),
            // The disk is nearly full. The write itself may fail, and the next tick tries again.
            Err(Errno::NOSPC) => {}
            // This file system does not support it.
            Err(_) => self.allocated = None,
        }
    }
}
