//! Frames: `magic, length, crc, kind and three reserved bytes, payload`, numbers in little-endian order.
//!
//! The CRC-32 covers everything behind it and the length, so that no flipped bit goes unseen. Behind a frame that is not
//! whole, reading goes on at the next one that is, and that needs none of those before it.

/// Bytes before the payload.
pub const HEAD: usize = 16;

/// The longest payload: far more than any machine's tick, and little enough to be read at once.
pub const MOST: usize = 256 << 20;

pub(super) const MAGIC: [u8; 4] = *b"pwJ\x01";

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Header,
    /// Rows of before the first tick, for the rates of the first tick alone.
    Baseline,
    Tick,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        match byte {
            1 => Some(Kind::Header),
            2 => Some(Kind::Baseline),
            3 => Some(Kind::Tick),
            _ => None,
        }
    }
    fn byte(self) -> u8 {
        match self {
            Kind::Header => 1,
            Kind::Baseline => 2,
            Kind::Tick => 3,
        }
    }
}

fn checksum(length: [u8; 4], kind_and_payload: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(kind_and_payload);
    crc.finalize().to_le_bytes()
}

/// Makes a frame of `buffer`, which holds [`HEAD`] bytes of room and then the payload.
///
/// A payload beyond [`MOST`] does not fit a frame and gives `None`.
pub fn close(buffer: &mut [u8], kind: Kind) -> Option<()> {
    let length = buffer.len().checked_sub(HEAD).filter(|n| *n <= MOST)?;
    let length = u32::try_from(length).ok()?.to_le_bytes();
    buffer[12..16].copy_from_slice(&[kind.byte(), 0, 0, 0]);
    let crc = checksum(length, &buffer[12..]);
    buffer[0..4].copy_from_slice(&MAGIC);
    buffer[4..8].copy_from_slice(&length);
    buffer[8..12].copy_from_slice(&crc);
    Some(())
}

/// The length of the frame that seems to begin here, by its head: nothing where no frame can begin so. Where there is less
/// than a head, that is counted as one without payload.
pub fn claimed(bytes: &[u8]) -> Option<usize> {
    let Some(head) = bytes.get(..HEAD) else {
        return MAGIC.starts_with(bytes.get(..4).unwrap_or(bytes)).then_some(HEAD);
    };
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    let is_head = head[0..4] == MAGIC && Kind::from_byte(head[12]).is_some() && head[13..16] == [0, 0, 0];
    (is_head && length <= MOST).then_some(HEAD + length)
}

/// The frame at the beginning of `bytes`: its kind and payload, or nothing where there is no whole frame.
pub fn open(bytes: &[u8]) -> Option<(Kind, &[u8])> {
    let whole = bytes.get(..claimed(bytes)?)?;
    let (head, payload) = whole.split_at_checked(HEAD)?;
    let is_whole = checksum(head[4..8].try_into().ok()?, &whole[12..]) == head[8..12];
    Some((Kind::from_byte(head[12])?, payload)).filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; HEAD];
        buffer.extend_from_slice(payload);
        close(&mut buffer, Kind::Tick).unwrap();
        buffer
    }

    #[test]
    fn what_was_closed_opens() {
        for payload in [&b""[..], b"x", &[7; 5000]] {
            assert_eq!(open(&frame(payload)), Some((Kind::Tick, payload)));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
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
