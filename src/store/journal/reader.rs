//! Reads a journal that is live, orphaned, cut or damaged: the frames up to the first one that is not whole, and the
//! frames after it from the next [full](codec::is_full) one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::codec::{self, Decoded, Decoder};
use super::frame::{self, FrameKind};
use super::{Header, VERSION};
use crate::store::layout::{Layout, Stored};

/// A journal that cannot be read at all. Damage is not an error: the other rows are read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot read {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: journal of format version {found}, this perfwatch reads {VERSION}: use the version that wrote it", path.display())]
    Version { path: PathBuf, found: u32 },
}

/// An open journal. Another process may append to it, or seal and unlink it: the opened file stays readable.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    pub(super) file: Stored,
    /// Length in bytes when it was opened. Later frames are not read.
    pub(super) length: u64,
    /// `None` if neither the first frame nor a repeated header is whole; then there are no rows.
    header: Option<Header>,
    /// End of the header; 0 if it is damaged and was found elsewhere.
    first_frame: u64,
}

/// The result of replaying a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// End of the last frame that was read.
    pub end: u64,
    /// Byte ranges before `end` that gave no rows.
    pub gaps: Vec<std::ops::Range<u64>>,
}

/// The file is read in pieces of about this size, in bytes.
const PIECE: usize = 256 * 1024;

/// The search for whole frames after damage stops when this many times the size of the file has been read: a file may
/// be crafted so that a long frame seems to start at every byte.
const MAX_EFFORT: u64 = 4;

impl Journal {
    /// Opens journal `number` of a recording.
    ///
    /// # Errors
    /// When the file cannot be read, or is of a later format version.
    pub fn open(layout: &Layout, number: u32) -> Result<Self, JournalError> {
        let path = layout.journal(number);
        match layout.stored(&path) {
            Ok(file) => Journal::read(file, &path),
            Err(error) => Err(JournalError::Io { path, error }),
        }
    }

    /// Opens the journal in an open file. `path` is used in messages.
    ///
    /// # Errors
    /// When the file cannot be read, or is of a later format version.
    pub fn from_file(file: File, path: &Path) -> Result<Self, JournalError> {
        let io = |error| JournalError::Io { path: path.to_path_buf(), error };
        Journal::read(Stored::file(file).map_err(io)?, path)
    }

    fn read(file: Stored, path: &Path) -> Result<Self, JournalError> {
        let io = |error| JournalError::Io { path: path.to_path_buf(), error };
        let length = file.length();
        let mut journal = Journal { path: path.to_path_buf(), file, length, header: None, first_frame: 0 };
        let mut frames = Frames::new(&journal, 0);
        let mut json = match frames.next().map_err(io)? {
            Some((FrameKind::Header, payload)) => Some(payload.to_vec()),
            _ => None,
        };
        let first_frame = if json.is_some() { frames.offset() } else { 0 };
        while json.is_none() {
            if let Some((_, payload)) = frames.next().map_err(io)? {
                json = codec::repeated_header(payload).map(|json| json.as_bytes().to_vec());
            } else if !frames.skip().map_err(io)? {
                break;
            }
        }
        if let Some(json) = json {
            #[derive(serde::Deserialize)]
            struct OnlyVersion {
                version: u32,
            }
            let found = serde_json::from_slice::<OnlyVersion>(&json).map_or(0, |v| v.version);
            if found > VERSION {
                return Err(JournalError::Version { path: path.to_path_buf(), found });
            }
            journal.header = serde_json::from_slice::<Header>(&json).ok();
            journal.first_frame = first_frame;
        }
        Ok(journal)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Calls `each` for every frame that can be read, with the tables for which `wanted` is true (by index in the
    /// header).
    ///
    /// # Errors
    /// When the file cannot be read. Damage is not an error: the result contains it.
    pub fn replay(
        &self,
        wanted: impl Fn(usize) -> bool,
        mut each: impl FnMut(FrameKind, &Decoded, &crate::table::sample::Texts),
    ) -> Result<Replayed, JournalError> {
        let mut walk = Replayed { end: self.first_frame, gaps: Vec::new() };
        let Some(header) = &self.header else { return Ok(walk) };
        let io = |error| JournalError::Io { path: self.path.clone(), error };
        let mut decoder = Decoder::new(header);
        let mut decoded = Decoded::default();
        let mut frames = Frames::new(self, self.first_frame);
        // Whether data was lost on which the next frame may depend.
        let mut is_lost = self.first_frame == 0;
        loop {
            let begin = frames.offset();
            let Some((kind, payload)) = frames.next().map_err(io)? else {
                if !frames.skip().map_err(io)? {
                    return Ok(walk);
                }
                // The writer may have been writing this frame a moment ago. If a later frame is whole, it has finished
                // writing this one, so try again.
                let mut again = Frames::new(self, begin);
                if again.next().map_err(io)?.is_some() {
                    frames = Frames::new(self, begin);
                } else {
                    is_lost = true;
                }
                continue;
            };
            if is_lost && !codec::is_full(payload) {
                continue;
            }
            if kind == FrameKind::Header || decoder.decode(payload, &wanted, &mut decoded).is_err() {
                is_lost = true;
                continue;
            }
            if std::mem::take(&mut is_lost) {
                walk.gaps.push(walk.end..begin);
            }
            each(kind, &decoded, &decoder.texts);
            walk.end = frames.offset();
        }
    }
}

impl Journal {
    /// Number of rows of each table of the header, counted without decoding values.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn row_counts(&self) -> Result<Vec<usize>, JournalError> {
        let mut counts = vec![0; self.header.as_ref().map_or(0, |h| h.tables.len())];
        self.replay(
            |_| false,
            |kind, decoded, _| {
                for (table, rows) in decoded.rows.iter().filter(|_| kind == FrameKind::Tick) {
                    counts[*table] += rows;
                }
            },
        )?;
        Ok(counts)
    }

    /// The next offset with data from `at` on; skips space that was only allocated.
    pub(super) fn data_from(&self, at: u64) -> u64 {
        self.file.data_from(at)
    }

    /// Reads some bytes as they are, from an offset on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn bytes(&self, start: u64, length: usize) -> io::Result<bytes::Bytes> {
        self.file.bytes(start, length)
    }
}

/// The whole frames of a file, starting at an offset.
struct Frames<'j> {
    journal: &'j Journal,
    /// The contents of the file from `start` on, as far as read.
    buffer: Vec<u8>,
    start: u64,
    /// Index of the next frame in the buffer.
    at: usize,
    /// Remaining bytes that may be read for frames that turn out to be invalid.
    effort: u64,
}

impl<'j> Frames<'j> {
    fn new(journal: &'j Journal, start: u64) -> Self {
        let effort = journal.length.saturating_mul(MAX_EFFORT);
        Frames { journal, buffer: Vec::new(), start, at: 0, effort }
    }

    fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// The next frame, if it is whole.
    fn next(&mut self) -> io::Result<Option<(FrameKind, &[u8])>> {
        self.have(frame::HEAD)?;
        let Some(length) = frame::claimed(&self.buffer[self.at..]) else { return Ok(None) };
        self.have(length)?;
        let Some((kind, _)) = frame::open(&self.buffer[self.at..]) else { return Ok(None) };
        let payload = self.at + frame::HEAD;
        self.at += length;
        Ok(Some((kind, &self.buffer[payload..self.at])))
    }

    /// Skips a damaged frame and finds the next whole one. False if there is none.
    fn skip(&mut self) -> io::Result<bool> {
        self.at = self.buffer.len().min(self.at + 1);
        loop {
            self.have(frame::HEAD)?;
            let rest = &self.buffer[self.at..];
            let Some(n) = find(rest, &frame::MAGIC) else {
                // The last bytes may be the start of the magic.
                self.at += rest.len().saturating_sub(frame::MAGIC.len() - 1);
                if self.offset() + frame::HEAD as u64 > self.journal.length {
                    return Ok(false);
                }
                self.go_to(self.journal.data_from(self.offset()));
                continue;
            };
            self.at += n;
            self.have(frame::HEAD)?;
            let left = self.journal.length.saturating_sub(self.offset());
            let length = frame::claimed(&self.buffer[self.at..]).filter(|length| *length as u64 <= left);
            if let Some(length) = length {
                let Some(effort) = self.effort.checked_sub(length as u64) else { return Ok(false) };
                self.effort = effort;
                self.have(length)?;
                if frame::open(&self.buffer[self.at..]).is_some() {
                    return Ok(true);
                }
            }
            self.at = self.buffer.len().min(self.at + 1);
        }
    }

    fn go_to(&mut self, offset: u64) {
        if offset > self.offset() {
            (self.start, self.at) = (offset, 0);
            self.buffer.clear();
        }
    }

    /// Reads until the buffer has `bytes` bytes after `at`, or the file ends.
    fn have(&mut self, bytes: usize) -> io::Result<()> {
        if self.buffer.len() - self.at >= bytes {
            return Ok(());
        }
        self.start += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        let left = usize::try_from(self.journal.length.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let target = PIECE.max(bytes).min(left);
        let mut have = self.buffer.len();
        if target <= have {
            return Ok(());
        }
        self.buffer.resize(target, 0);
        while have < target {
            match self.journal.file.read_at(&mut self.buffer[have..], self.start + have as u64) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.truncate(have);
        Ok(())
    }
}

/// Offset of the first occurrence of `those`.
pub(super) fn find(bytes: &[u8], those: &[u8]) -> Option<usize> {
    let first = *those.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|b| *b == first)?;
        if bytes[at..].starts_with(those) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;

    #[test]
    fn frames_longer_than_a_piece_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0001");
        let mut writer = Writer::new(File::create(&path).unwrap());
        let lengths =
            [0, PIECE, 5, 2 * PIECE + 1, 3 * PIECE, PIECE - frame::HEAD, 1, PIECE - frame::HEAD - 3, PIECE + 9];
        for length in lengths {
            writer.append(FrameKind::Tick, &mut vec![1; frame::HEAD + length]).unwrap();
        }
        let journal = Journal::from_file(File::open(&path).unwrap(), &path).unwrap();
        let mut frames = Frames::new(&journal, 0);
        for length in lengths {
            assert_eq!(frames.next().unwrap().map(|(_, payload)| payload.len()), Some(length));
        }
        assert_eq!(frames.next().unwrap(), None);
        assert_eq!(frames.offset(), writer.len());
    }
}
