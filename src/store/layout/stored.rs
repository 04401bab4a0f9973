//! An open file of a recording: a file of its own, or a part of a pack.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::linux::descriptors;
use crate::store::pack::Pack;

/// Can be read at any offset.
#[derive(Debug)]
pub struct Stored {
    content: Content,
    /// Length in bytes when it was opened.
    length: u64,
}

#[derive(Debug)]
enum Content {
    File(File),
    /// Stored in a pack from this offset on.
    Part(Arc<Pack>, u64),
    Memory(Bytes),
}

impl Stored {
    /// # Errors
    /// When its length cannot be read.
    pub fn file(file: File) -> io::Result<Stored> {
        let length = file.metadata()?.len();
        Ok(Stored { content: Content::File(file), length })
    }

    pub(super) fn part(pack: Arc<Pack>, start: u64, length: u64) -> Stored {
        Stored { content: Content::Part(pack, start), length }
    }

    pub(super) fn memory(bytes: Bytes) -> Stored {
        Stored { length: bytes.len() as u64, content: Content::Memory(bytes) }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Should it stay open? Not if too many files are.
    pub fn may_stay_open(&self) -> bool {
        match &self.content {
            Content::File(file) => descriptors::is_low(file.as_raw_fd()),
            Content::Part(..) | Content::Memory(_) => true,
        }
    }

    /// Exactly these bytes.
    ///
    /// # Errors
    /// When they are not there or cannot be read.
    pub fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &self.content {
            Content::File(file) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            }
            Content::Part(pack, offset) => pack.read_at(offset + start, length),
            Content::Memory(bytes) => {
                let start = usize::try_from(start).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                Ok(bytes.slice(start..start + length))
            }
        }
    }

    /// Reads some bytes from an offset on; 0 at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_at(&self, into: &mut [u8], start: u64) -> io::Result<usize> {
        if let Content::File(file) = &self.content {
            return file.read_at(into, start);
        }
        let length = self.length.saturating_sub(start).min(into.len() as u64) as usize;
        let bytes = self.bytes(start.min(self.length), length)?;
        into.get_mut(..length).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(&bytes);
        Ok(length)
    }

    /// The next offset with data from `at` on; skips space that was only allocated.
    pub fn data_from(&self, at: u64) -> u64 {
        let Content::File(file) = &self.content else { return at };
        if i64::try_from(at).is_err() {
            return at;
        }
        // This moves the position of the file, which nothing else uses: reads give their offset.
        match seek(file, SeekFrom::Data(at)) {
            Ok(found) => found.max(at),
            Err(Errno::NXIO) => self.length.max(at),
            Err(_) => at,
        }
    }
}
