//! The unreadable part of a journal: none, a tick that was being written, or damaged rows.
//!
//! This decides whether a journal may be deleted after its rows were converted to Parquet.

use std::fmt;
use std::time::Duration;

use super::frame;
use super::reader::{Journal, JournalError, find};

/// The end of a journal, and whether data before it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Only space that was allocated in advance.
    Clean,
    /// One unfinished frame, which was never acknowledged.
    Torn,
    /// Other bytes, which may contain ticks.
    Damaged(Damage),
}

/// The unreadable part of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Offset of the first damaged byte.
    pub from: u64,
    pub bytes: u64,
    /// Number of separate damaged ranges.
    pub places: usize,
    /// Whether the data after the damage is readable.
    pub ends: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { from, bytes, places, ends } = self;
        match places {
            1 => write!(f, "{bytes} bytes from byte {from} on are damaged")?,
            _ => write!(f, "{bytes} bytes in {places} places, the first at byte {from}, are damaged")?,
        }
        // Some of these frames are whole, but are differences from lost ones.
        if *ends || *places > 1 { f.write_str(", or depend on damaged data") } else { Ok(()) }
    }
}

/// A journal that is being written changes while it is read. So damage only counts if it is found at the same place
/// this many times in a row. If the journal changes all the time, this is tried for a second.
const SAME_TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(10);
const MAX_TRIES: u32 = 100;

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

impl Journal {
    /// Inspects what remains after all whole frames.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tail(&self) -> Result<Tail, JournalError> {
        let io = |error| JournalError::Io { path: self.path().to_path_buf(), error };
        let (mut tries, mut times) = (0, 0);
        let mut before = None;
        loop {
            tries += 1;
            let walk = self.replay(|_| false, |_, _, _| ())?;
            let rest = self.rest(walk.end).map_err(io)?;
            let is_torn = rest.is_torn();
            if walk.gaps.is_empty() && (rest.bytes == 0 || is_torn) {
                return Ok(if is_torn { Tail::Torn } else { Tail::Clean });
            }
            let ends = rest.bytes == 0 || is_torn;
            let place = (walk.gaps.clone(), (!ends).then_some(walk.end));
            times = if before.as_ref() == Some(&place) { times + 1 } else { 1 };
            before = Some(place);
            if times == SAME_TRIES || tries == MAX_TRIES {
                let last = (!ends).then_some(walk.end..walk.end + rest.bytes);
                let all = walk.gaps.iter().chain(&last);
                return Ok(Tail::Damaged(Damage {
                    from: all.clone().map(|gap| gap.start).next().unwrap_or(walk.end),
                    bytes: all.clone().map(|gap| gap.end - gap.start).sum(),
                    places: all.count(),
                    ends,
                }));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Inspects the bytes from this offset on.
    fn rest(&self, from: u64) -> std::io::Result<Rest> {
        let mut piece = vec![0; PIECE];
        let mut rest = Rest::default();
        let mut at = from;
        while at < self.length {
            let most = usize::try_from(self.length - at).unwrap_or(PIECE).min(PIECE);
            let n = match self.file.read_at(&mut piece[..most], at) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if n == 0 {
                break;
            }
            rest.add(at - from, &piece[..n]);
            at += n as u64;
            if piece[..n].iter().all(|b| *b == 0) {
                at = self.data_from(at);
            }
        }
        Ok(rest)
    }
}

/// The bytes after the last whole frame.
#[derive(Debug, Default)]
struct Rest {
    /// Length without trailing zeros.
    bytes: u64,
    /// The first bytes, at most the length of a frame's head.
    head: Vec<u8>,
    /// Does another frame start after the first byte?
    has_another: bool,
    /// The last bytes of the previous piece.
    before: Vec<u8>,
}

impl Rest {
    /// Adds the bytes at this offset.
    fn add(&mut self, offset: u64, piece: &[u8]) {
        if let Some(last) = piece.iter().rposition(|b| *b != 0) {
            self.bytes = offset + last as u64 + 1;
        }
        if offset == self.head.len() as u64 {
            self.head.extend(piece.iter().take(frame::HEAD.saturating_sub(self.head.len())));
        }
        // A frame at the very first byte is not another frame.
        let piece = &piece[usize::from(offset == 0)..];
        let border = [&self.before[..], &piece[..piece.len().min(3)]].concat();
        self.has_another |= find(&border, &frame::MAGIC).is_some() || find(piece, &frame::MAGIC).is_some();
        let last = if piece.len() < 3 { &border } else { piece };
        self.before = last[last.len().saturating_sub(3)..].to_vec();
    }

    /// Is this the start of one frame and nothing else? Its length may be damaged and cover the following frames, so
    /// the code searches for their starts.
    fn is_torn(&self) -> bool {
        let written = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        let begun = self.head.iter().take(written).zip(&frame::MAGIC).all(|(have, want)| have == want);
        let length = self.head.get(4..8).and_then(|l| l.try_into().ok()).map_or(0, u32::from_le_bytes);
        let fits = self.bytes <= frame::HEAD as u64 + u64::from(length);
        self.bytes > 0 && begun && fits && !self.has_another
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::super::frame::FrameKind;
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; frame::HEAD];
        buffer.extend_from_slice(payload);
        frame::close(&mut buffer, FrameKind::Tick).unwrap();
        buffer
    }

    /// Checked with pieces of several lengths.
    fn is_torn(bytes: &[u8]) -> bool {
        let all = [1, 2, 3, 7, 19, 64, bytes.len()].map(|length| {
            let mut rest = Rest::default();
            let mut offset = 0;
            for piece in bytes.chunks(length) {
                rest.add(offset, piece);
                offset += piece.len() as u64;
            }
            rest.is_torn()
        });
        assert!(all.iter().all(|torn| *torn == all[0]), "{all:?}");
        all[0]
    }

    #[test]
    fn one_unfinished_frame_is_torn() {
        let whole = frame(&[7; 300]);
        for cut in 1..whole.len() {
            assert!(is_torn(&whole[..cut]), "cut at {cut}");
            assert!(is_torn(&[&whole[..cut], &[0; 50]].concat()), "cut at {cut}, and space after it");
        }
        assert!(!is_torn(&[0; 50]));
    }

    #[test]
    fn a_frame_after_it_is_found() {
        let two = [frame(&[7; 300]), frame(&[8; 20])].concat();
        for byte in 0..frame::HEAD {
            for bit in 0..8 {
                let mut bad = two.clone();
                bad[byte] ^= 1 << bit;
                assert!(!is_torn(&bad), "bit {bit} of byte {byte}");
            }
        }
        assert!(!is_torn(b"something else"));
    }

    fn opened(path: &std::path::Path) -> Journal {
        Journal::from_file(std::fs::File::open(path).unwrap(), path).unwrap()
    }

    #[test]
    fn trailing_zeros_are_not_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let rest = |bytes: &[u8], from| {
            std::fs::write(&path, bytes).unwrap();
            opened(&path).rest(from).unwrap().bytes
        };
        assert_eq!(rest(&[0; 3 * PIECE], 0), 0);
        let mut bytes = vec![0; 3 * PIECE];
        bytes[2 * PIECE + 5] = 1;
        assert_eq!(rest(&bytes, 0), 2 * PIECE as u64 + 6);
        assert_eq!(rest(&bytes, 2 * PIECE as u64), 6);
        assert_eq!(rest(&bytes, 2 * PIECE as u64 + 6), 0);
    }

    #[test]
    fn holes_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(1 << 24).unwrap();
        let has_holes = opened(&path).data_from(0) > 0;
        // Larger than the memory of any machine.
        if !has_holes || file.set_len(1 << 43).is_err() {
            eprintln!("skipped: this file system has no holes in files, or no large ones");
            return;
        }
        file.write_all_at(b"something", (1 << 43) - 9).unwrap();
        let journal = opened(&path);
        assert!(journal.header().is_none());
        let damage = Damage { from: 0, bytes: 1 << 43, places: 1, ends: false };
        assert_eq!(journal.tail().unwrap(), Tail::Damaged(damage));
    }
}
