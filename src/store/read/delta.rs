//! Decodes DELTA_BINARY_PACKED: the first value, then the differences from one value to the next, in blocks. A block has
//! its smallest difference and several mini-blocks; a mini-block has what its differences exceed that by, packed in as
//! many bits as the largest of them needs.

/// Our blocks are smaller.
const MOST_BLOCK_VALUES: u64 = 1 << 16;

/// Appends `count` values. None if the bytes contradict themselves or contain fewer.
pub fn decode(bytes: &[u8], count: usize, values: &mut Vec<i64>) -> Option<()> {
    let mut bytes = Bytes(bytes);
    let (block, parts, total, first) = (bytes.uint()?, bytes.uint()?, bytes.uint()?, bytes.sint()?);
    if total != count as u64 || !(1..=MOST_BLOCK_VALUES).contains(&block) || parts == 0 || block % parts != 0 {
        return None;
    }
    let (parts, per_part) = (usize::try_from(parts).ok()?, usize::try_from(block / parts).ok()?);
    // Packed values of a mini-block fill whole bytes.
    if per_part % 8 != 0 {
        return None;
    }
    let end = values.len() + count;
    if count == 0 {
        return Some(());
    }
    let mut value = first;
    values.push(value);
    while values.len() < end {
        let smallest = bytes.sint()?;
        let widths = bytes.take(parts)?;
        for width in widths {
            // The mini-blocks after the last value may be missing.
            if values.len() == end {
                break;
            }
            let packed = bytes.take(per_part / 8 * usize::from(*width))?;
            let wanted = per_part.min(end - values.len());
            unpack(packed, u32::from(*width), wanted, |more| {
                value = value.wrapping_add(smallest).wrapping_add(more.cast_signed());
                values.push(value);
            })?;
        }
    }
    Some(())
}

/// Calls `take` with the first `count` numbers of `width` bits, the lowest bits first.
fn unpack(packed: &[u8], width: u32, count: usize, mut take: impl FnMut(u64)) -> Option<()> {
    if width > u64::BITS {
        return None;
    }
    let mask = if width == u64::BITS { u64::MAX } else { (1 << width) - 1 };
    let (mut window, mut filled) = (0u128, 0);
    let mut bytes = packed.iter();
    for _ in 0..count {
        while filled < width {
            window |= u128::from(*bytes.next()?) << filled;
            filled += 8;
        }
        take(window as u64 & mask);
        window >>= width;
        filled -= width;
    }
    Some(())
}

/// Bytes that are read from the start.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Seven bits per byte, the lowest first.
    fn uint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Zigzag: 0, -1, 1, -2, ...
    fn sint(&mut self) -> Option<i64> {
        let value = self.uint()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], count: usize) -> Option<Vec<i64>> {
        let mut values = Vec::new();
        decode(bytes, count, &mut values).map(|()| values)
    }

    /// The two examples of the format's specification, <https://parquet.apache.org/docs/file-format/data-pages/encodings/>,
    /// with a block of 8 values in one mini-block.
    #[test]
    fn the_examples_of_the_specification() {
        // 1, 2, 3, 4, 5: differences of 1, nothing above the smallest.
        assert_eq!(decoded(&[8, 1, 5, 2, 2, 0], 5).unwrap(), [1, 2, 3, 4, 5]);
        // 7, 5, 3, 1, 2, 3, 4, 5: the smallest difference is -2; above it 0, 0, 0, 3, 3, 3, 3 in two bits each.
        assert_eq!(decoded(&[8, 1, 8, 14, 3, 2, 0b1100_0000, 0b0011_1111], 8).unwrap(), [7, 5, 3, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let good = [8, 1, 8, 14, 3, 2, 0b1100_0000, 0b0011_1111];
        for length in 0..good.len() {
            assert_eq!(decoded(&good[..length], 8), None, "{length} bytes");
        }
        // Another number of values, no mini-blocks, mini-blocks of no whole bytes, numbers of 65 bits, a number without end.
        for wrong in [&[8, 1, 7][..], &[8, 0, 8], &[4, 1, 8], &[8, 1, 8, 14, 3, 65], &[0x80; 20]] {
            let bytes = [wrong, &good[wrong.len().min(good.len())..], &[0; 600]].concat();
            assert_eq!(decoded(&bytes, 8), None, "{wrong:?}");
        }
        assert_eq!(decoded(&[128, 1, 4, 0, 0], 0), Some(Vec::new()));
    }
}
