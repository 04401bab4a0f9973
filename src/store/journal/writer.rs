//! Appending to a journal: one `write()` a frame, space allocated ahead, and a way back when the disk is full.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::frame::{self, Kind};

/// Space is allocated in steps of this, so that a tick's write does not have to, and a full disk shows early.
const ALLOCATE_BYTES: u64 = 1 << 20;

/// The end of one journal file.
#[derive(Debug)]
pub struct Writer {
    file: File,
    /// The end of the last whole frame.
    length: u64,
    /// How far space is allocated; `None` where the file system cannot.
    allocated: Option<u64>,
}

impl Writer {
    /// A new journal in this file, which is empty.
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

    /// Gives back the space that was allocated ahead: whoever seals it need not look through it.
    pub fn close(self) {
        let _ = self.file.set_len(self.length);
    }

    /// A second handle, for the thread that syncs.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Appends the frame whose payload lies behind [`frame::HEAD`] bytes of room in `buffer`.
    ///
    /// # Errors
    /// When it could not be written whole. The file then ends with the frame before, and the next call may try again.
    pub fn append(&mut self, kind: Kind, buffer: &mut [u8]) -> io::Result<()> {
        frame::close(buffer, kind).ok_or_else(|| io::Error::other("a tick of more than 256 MiB"))?;
        let end = self.length + buffer.len() as u64;
        self.allocate(end);
        match self.file.write_all_at(buffer, self.length) {
            Ok(()) => {
                self.length = end;
                Ok(())
            }
            Err(error) => {
                // Gives the blocks back too: they may be what the next attempt needs.
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
            // On a nearly full disk the write itself will tell, and the next tick tries again.
            Err(Errno::NOSPC) => {}
            // Not on this file system.
            Err(_) => self.allocated = None,
        }
    }
}
