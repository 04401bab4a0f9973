//! Reading a journal: the valid prefix, be the file live, orphaned, cut or damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::codec::{Decoded, Decoder};
use super::frame::{self, Kind};
use super::{Header, VERSION};
use crate::recording::Layout;

/// A journal that cannot be read at all. Damage behind the header is no error: the rows before it are read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot read {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: journal of format version {found}, this perfwatch reads {VERSION}: use the perfwatch that wrote it", path.display())]
    Version { path: PathBuf, found: u32 },
}

/// An open journal. Another process may go on appending to it, or seal and unlink it: what was opened stays readable.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    pub(super) file: File,
    /// The length when it was opened: later frames belong to a later look.
    pub(super) length: u64,
    /// `None`: not even the first frame is whole, so there are no rows.
    header: Option<Header>,
    first_frame: u64,
}

/// Frames are read from the file in pieces of about this size.
const PIECE: usize = 256 * 1024;

impl Journal {
    /// Opens journal `number` of a recording.
    ///
    /// # Errors
    /// When the file cannot be read, or is of a later format version.
    pub fn open(layout: &Layout, number: u32) -> Result<Self, JournalError> {
        let path = layout.journal(number);
        match layout.open(&path) {
            Ok(file) => Journal::of(&path, file),
            Err(error) => Err(JournalError::Io { path, error }),
        }
    }

    /// The journal in this file; the path is for messages.
    ///
    /// # Errors
    /// When the file cannot be read, or is of a later format version.
    pub fn of(path: &Path, file: File) -> Result<Self, JournalError> {
        let io = |error| JournalError::Io { path: path.to_path_buf(), error };
        let length = file.metadata().map_err(io)?.len();
        let mut journal = Journal { path: path.to_path_buf(), file, length, header: None, first_frame: 0 };
        let mut frames = Frames::new(&journal, 0);
        if let Some((Kind::Header, payload)) = frames.next().map_err(io)? {
            #[derive(serde::Deserialize)]
            struct OnlyVersion {
                version: u32,
            }
            let found = serde_json::from_slice::<OnlyVersion>(payload).map_or(0, |v| v.version);
            if found > VERSION {
                return Err(JournalError::Version { path: path.to_path_buf(), found });
            }
            let header = serde_json::from_slice::<Header>(payload).ok();
            let first_frame = frames.offset();
            journal.first_frame = first_frame;
            journal.header = header;
        }
        Ok(journal)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Walks through the whole frames, with the tables that `wanted` names (by their index in the header). Returns where
    /// the last of them ends.
    ///
    /// # Errors
    /// When the file cannot be read; damage only ends the walk.
    pub fn replay(
        &self,
        wanted: impl Fn(usize) -> bool,
        mut each: impl FnMut(Kind, &Decoded, &crate::sample::Texts),
    ) -> Result<u64, JournalError> {
        let Some(header) = &self.header else { return Ok(0) };
        let io = |error| JournalError::Io { path: self.path.clone(), error };
        let mut decoder = Decoder::new(header);
        let mut decoded = Decoded::default();
        let mut frames = Frames::new(self, self.first_frame);
        let mut end = self.first_frame;
        while let Some((kind, payload)) = frames.next().map_err(io)? {
            if kind == Kind::Header || decoder.decode(payload, &wanted, &mut decoded).is_err() {
                break;
            }
            each(kind, &decoded, &decoder.texts);
            end = frames.offset();
        }
        Ok(end)
    }
}

impl Journal {
    /// Rows of each of the header's tables, counted without decoding a value.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn row_counts(&self) -> Result<Vec<usize>, JournalError> {
        let mut counts = vec![0; self.header.as_ref().map_or(0, |h| h.tables.len())];
        self.replay(
            |_| false,
            |kind, decoded, _| {
                for (table, rows) in decoded.rows.iter().filter(|_| kind == Kind::Tick) {
                    counts[*table] += rows;
                }
            },
        )?;
        Ok(counts)
    }
}

/// The whole frames of a file, from an offset on.
struct Frames<'j> {
    journal: &'j Journal,
    /// What was read of the file from `start` on.
    buffer: Vec<u8>,
    start: u64,
    /// The next frame, in the buffer.
    at: usize,
}

impl<'j> Frames<'j> {
    fn new(journal: &'j Journal, start: u64) -> Self {
        Frames { journal, buffer: Vec::new(), start, at: 0 }
    }

    fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    fn next(&mut self) -> io::Result<Option<(Kind, &[u8])>> {
        let whole = |bytes: &[u8]| frame::open(bytes).map(|(kind, payload)| (kind, payload.len()));
        let mut found = whole(&self.buffer[self.at..]);
        // Once for the beginning of the frame, which says how long it is, and once for all of a long one.
        for _ in 0..2 {
            if found.is_none() {
                self.fill()?;
                found = whole(&self.buffer);
            }
        }
        let Some((kind, length)) = found else { return Ok(None) };
        let payload = self.at + frame::HEAD;
        self.at = payload + length;
        Ok(Some((kind, &self.buffer[payload..self.at])))
    }

    /// Reads on, at least up to the end of the frame that begins at `at`. Never asks for more than the file holds.
    fn fill(&mut self) -> io::Result<()> {
        self.start += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        let left = usize::try_from(self.journal.length.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let claimed = match self.buffer.get(4..8).and_then(|b| b.try_into().ok()) {
            Some(length) => frame::HEAD.saturating_add(u32::from_le_bytes(length) as usize),
            None => 0,
        };
        let target = PIECE.max(claimed).min(left);
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

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;

    #[test]
    fn frames_longer_than_a_piece_are_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0001");
        let mut writer = Writer::new(File::create(&path).unwrap());
        let lengths =
            [0, PIECE, 5, 2 * PIECE + 1, 3 * PIECE, PIECE - frame::HEAD, 1, PIECE - frame::HEAD - 3, PIECE + 9];
        for length in lengths {
            writer.append(Kind::Tick, &mut vec![1; frame::HEAD + length]).unwrap();
        }
        let journal = Journal::of(&path, File::open(&path).unwrap()).unwrap();
        let mut frames = Frames::new(&journal, 0);
        for length in lengths {
            assert_eq!(frames.next().unwrap().map(|(_, payload)| payload.len()), Some(length));
        }
        assert_eq!(frames.next().unwrap(), None);
        assert_eq!(frames.offset(), writer.len());
    }
}
