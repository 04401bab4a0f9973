//! Frames: `magic, length, crc, kind and three reserved bytes, payload`; numbers are little-endian.
//!
//! The CRC-32 covers the length and everything after the CRC, so every flipped bit is detected. After a damaged frame,
//! reading continues at the next whole frame that does not depend on earlier ones.

/// Bytes before the payload.
pub const HEAD: usize = 16;

/// Maximum length of a payload: far more than a tick of any machine, and small enough to read at once.
pub const MAX_PAYLOAD: usize = 256 << 20;

pub(super) const MAGIC: [u8; 4] = *b"pwJ\x01";

/// What a frame contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    Header,
    /// Rows from before the first tick, only used for the rates of the first tick.
    Baseline,
    Tick,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<FrameKind> {
        match byte {
            1 => Some(FrameKind::Header),
            2 => Some(FrameKind::Baseline),
            3 => Some(FrameKind::Tick),
            _ => None,
        }
    }
    fn byte(self) -> u8 {
        match self {
            FrameKind::Header => 1,
            FrameKind::Baseline => 2,
            FrameKind::Tick => 3,
        }
    }
}

fn checksum(length: [u8; 4], kind_and_payload: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(kind_and_payload);
    crc.finalize().to_le_bytes()
}

/// Fills in the head of a frame. `buffer` has [`HEAD`] bytes of space, then the payload.
///
/// `None` if the payload is longer than [`MAX_PAYLOAD`].
pub fn close(buffer: &mut [u8], kind: FrameKind) -> Option<()> {
    let length = buffer.len().checked_sub(HEAD).filter(|n| *n <= MAX_PAYLOAD)?;
    let length = u32::try_from(length).ok()?.to_le_bytes();
    buffer[12..16].copy_from_slice(&[kind.byte(), 0, 0, 0]);
    let crc = checksum(length, &buffer[12..]);
    buffer[0..4].copy_from_slice(&MAGIC);
    buffer[4..8].copy_from_slice(&length);
    buffer[8..12].copy_from_slice(&crc);
    Some(())
}

/// The length of the frame that starts here, according to its head; `None` if this cannot be a frame. An incomplete
/// head counts as a frame without payload.
pub fn claimed(bytes: &[u8]) -> Option<usize> {
    let Some(head) = bytes.get(..HEAD) else {
        return MAGIC.starts_with(bytes.get(..4).unwrap_or(bytes)).then_some(HEAD);
    };
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    let is_head = head[0..4] == MAGIC && FrameKind::from_byte(head[12]).is_some() && head[13..16] == [0, 0, 0];
    (is_head && length <= MAX_PAYLOAD).then_some(HEAD + length)
}

/// Kind and payload of the frame at the start of `bytes`; `None` if there is no whole frame.
pub fn open(bytes: &[u8]) -> Option<(FrameKind, &[u8])> {
    let whole = bytes.get(..claimed(bytes)?)?;
    let (head, payload) = whole.split_at_checked(HEAD)?;
    let is_whole = checksum(head[4..8].try_into().ok()?, &whole[12..]) == head[8..12];
    Some((FrameKind::from_byte(head[12])?, payload)).filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; HEAD];
        buffer.extend_from_slice(payload);
        close(&mut buffer, FrameKind::Tick).unwrap();
        buffer
    }

    #[test]
    fn a_closed_frame_opens() {
        for payload in [&b""[..], b"x", &[7; 5000]] {
            assert_eq!(open(&frame(payload)), Some((FrameKind::Tick, payload)));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_detected() {
        let whole = frame(b"some payload of a tick");
        for byte in 0..whole.len() {
            assert_eq!(open(&whole[..byte]), None, "cut at {byte}");
            for bit in 0..8 {
                let mut bad = whole.clone();
                bad[byte] ^= 1 << bit;
                assert_eq!(open(&bad), None, "bit {bit} of byte {byte}");
            }
        }
        assert_eq!(open(&[0; 64]), None);
    }
}
