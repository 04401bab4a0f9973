//! Numbers of variable length, and how they are read.

use super::Malformed;

pub fn put(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

pub fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

pub fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

/// Writes `v + 1`, which needs a 65th bit for the largest difference.
pub fn put_cell(out: &mut Vec<u8>, v: u64) {
    match v.checked_add(1) {
        Some(v) => put(out, v),
        None => out.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]),
    }
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// The rest of a payload.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn wide(&mut self) -> Result<u128, Malformed> {
        let mut v = 0u128;
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first().ok_or(Malformed)?;
            v |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(v);
            }
        }
        Err(Malformed)
    }

    pub fn number(&mut self) -> Result<u64, Malformed> {
        u64::try_from(self.wide()?).map_err(|_| Malformed)
    }

    pub fn signed(&mut self) -> Result<i64, Malformed> {
        self.number().map(unzigzag)
    }

    /// A count of items of at least one byte each, so a wrong count cannot cause a large allocation.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let n = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        if n > self.0.len() { Err(Malformed) } else { Ok(n) }
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}
