//! What lies behind the last whole frame: nothing, a tick that was being written, or rows that were there and are damaged.
//!
//! The difference decides whether a journal may go once its whole frames are in Parquet.

use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::frame;
use super::reader::{Journal, JournalError};

/// The end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing but space that was allocated ahead.
    Clean,
    /// One frame that was not finished: it was never acknowledged.
    Torn,
    /// Bytes that are neither; there may be ticks in them.
    Damaged { from: u64, bytes: u64 },
}

/// A journal that is being written changes while it is looked at: damage must be there each time.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(10);

/// Read at a time while there are only zeros.
const PIECE: usize = 64 * 1024;

impl Journal {
    /// Looks at what the walk through the whole frames leaves.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tail(&self) -> Result<Tail, JournalError> {
        let io = |error| JournalError::Io { path: self.path().to_path_buf(), error };
        let mut look = 1;
        loop {
            let from = self.replay(|_| false, |_, _, _| ())?;
            match self.rest(from).map_err(io)? {
                rest if rest.is_empty() => return Ok(Tail::Clean),
                rest if is_torn(&rest) => return Ok(Tail::Torn),
                rest if look == LOOKS => return Ok(Tail::Damaged { from, bytes: rest.len() as u64 }),
                _ => std::thread::sleep(PAUSE),
            }
            look += 1;
        }
    }

    /// The bytes from here on, without the zeros at the end.
    fn rest(&self, from: u64) -> std::io::Result<Vec<u8>> {
        let mut piece = vec![0; PIECE];
        let mut rest = Vec::new();
        let (mut at, mut zeros) = (from, 0);
        while at < self.length {
            let most = usize::try_from(self.length - at).unwrap_or(PIECE).min(PIECE);
            let n = self.file.read_at(&mut piece[..most], at)?;
            if n == 0 {
                break;
            }
            at += n as u64;
            match piece[..n].iter().rposition(|b| *b != 0) {
                None => zeros += n,
                Some(last) => {
                    rest.resize(rest.len() + zeros, 0);
                    rest.extend_from_slice(&piece[..=last]);
                    zeros = n - last - 1;
                }
            }
        }
        Ok(rest)
    }
}

/// Is this the beginning of one frame and nothing more? The length that it claims may itself be damaged and reach over
/// the frames behind it, so their beginnings are looked for.
fn is_torn(rest: &[u8]) -> bool {
    let begun = rest.iter().zip(&frame::MAGIC).all(|(have, want)| have == want);
    let length = rest.get(4..8).and_then(|l| l.try_into().ok()).map_or(0, u32::from_le_bytes);
    let fits = rest.len() < frame::HEAD || rest.len() - frame::HEAD <= length as usize;
    begun && fits && !rest[1..].windows(frame::MAGIC.len()).any(|w| w == frame::MAGIC)
}

#[cfg(test)]
mod tests {
    use super::super::frame::Kind;
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; frame::HEAD];
        buffer.extend_from_slice(payload);
        frame::close(&mut buffer, Kind::Tick).unwrap();
        buffer
    }

    #[test]
    fn one_unfinished_frame_is_torn() {
        let whole = frame(&[7; 300]);
        for cut in 1..whole.len() {
            assert!(is_torn(&whole[..cut]), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_behind_it_is_not_lost_sight_of() {
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

    #[test]
    fn zeros_are_no_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let rest = |bytes: &[u8], from| {
            std::fs::write(&path, bytes).unwrap();
            Journal::of(&path, std::fs::File::open(&path).unwrap()).unwrap().rest(from).unwrap()
        };
        assert!(rest(&[0; 3 * PIECE], 0).is_empty());
        let mut bytes = vec![0; 3 * PIECE];
        bytes[2 * PIECE + 5] = 1;
        assert_eq!(rest(&bytes, 0).len(), 2 * PIECE + 6);
        assert_eq!(rest(&bytes, 2 * PIECE as u64), [0, 0, 0, 0, 0, 1]);
        assert!(rest(&bytes, 2 * PIECE as u64 + 6).is_empty());
    }
}
