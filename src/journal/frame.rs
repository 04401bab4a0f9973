//! Frames: `magic, length, crc, kind and three reserved bytes, payload`, numbers in little-endian order.
//!
//! The CRC-32 covers everything behind it and the length, so that no flipped bit goes unseen. Reading stops at the first
//! frame that is not whole: what comes behind it cannot be trusted.

/// Bytes before the payload.
pub const HEAD: usize = 16;

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
/// A payload beyond 4 GiB does not fit a frame and gives `None`.
pub fn close(buffer: &mut [u8], kind: Kind) -> Option<()> {
    let length = u32::try_from(buffer.len().checked_sub(HEAD)?).ok()?.to_le_bytes();
    buffer[12..16].copy_from_slice(&[kind.byte(), 0, 0, 0]);
    let crc = checksum(length, &buffer[12..]);
    buffer[0..4].copy_from_slice(&MAGIC);
    buffer[4..8].copy_from_slice(&length);
    buffer[8..12].copy_from_slice(&crc);
    Some(())
}

/// The frame at the beginning of `bytes`: its kind and payload, or nothing where there is no whole frame.
pub fn open(bytes: &[u8]) -> Option<(Kind, &[u8])> {
    let head = bytes.get(..HEAD)?;
    if head[0..4] != MAGIC {
        return None;
    }
    let length: [u8; 4] = head[4..8].try_into().ok()?;
    let end = HEAD.checked_add(u32::from_le_bytes(length) as usize)?;
    let rest = bytes.get(12..end)?;
    if checksum(length, rest) != head[8..12] || rest[1..4] != [0, 0, 0] {
        return None;
    }
    Some((Kind::from_byte(rest[0])?, &rest[4..]))
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
