//! Parquet's encoding of small numbers: a mixture of repeated numbers and packed bits.
//!
//! It is described as "RLE / bit-packing hybrid" in `Encodings.md` of the format.

/// Decodes `values` numbers of `width` bits each and adds them to `out`; `None` if there are fewer.
pub fn decode(mut bytes: &[u8], width: u32, values: usize, out: &mut Vec<u32>) -> Option<()> {
    if width > 32 {
        return None;
    }
    let end = out.len() + values;
    out.reserve(values);
    while out.len() < end {
        let (header, rest) = length(bytes)?;
        let left = end - out.len();
        bytes = if header & 1 == 0 {
            let (number, rest) = rest.split_at_checked(width.div_ceil(8) as usize)?;
            let mut word = [0; 4];
            word.get_mut(..number.len())?.copy_from_slice(number);
            out.resize(out.len() + left.min(header as usize >> 1), u32::from_le_bytes(word));
            rest
        } else {
            // Groups of eight numbers.
            let groups = header as usize >> 1;
            let (packed, rest) = rest.split_at_checked(groups.checked_mul(width as usize)?)?;
            unpack(packed, width, left.min(groups.checked_mul(8)?), out);
            rest
        };
        if header >> 1 == 0 {
            return None;
        }
    }
    Some(())
}

/// A number in groups of seven bits, the lowest first.
fn length(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(number).ok()?, bytes.get(i + 1..)?));
        }
    }
    None
}

fn unpack(packed: &[u8], width: u32, values: usize, out: &mut Vec<u32>) {
    let mask = (1 << width) - 1;
    let word = |at: usize| match packed.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => {
            let rest = packed.get(at..).unwrap_or_default();
            rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
        }
    };
    if width <= 8 {
        // One word contains the eight numbers of a group.
        for group in 0..values / 8 {
            let word = word(group * width as usize);
            out.extend((0..8).map(|i| ((word >> (i * width)) & mask) as u32));
        }
        let done = values / 8 * 8;
        let last = word(values / 8 * width as usize);
        out.extend((0..(values - done) as u32).map(|i| ((last >> (i * width)) & mask) as u32));
        return;
    }
    out.extend((0..values).map(|i| {
        let bit = i * width as usize;
        ((word(bit >> 3) >> (bit & 7)) & mask) as u32
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_format_shows_it() {
        // The example of Encodings.md: 0 to 7 in three bits each.
        let mut out = Vec::new();
        assert_eq!(decode(&[0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010], 3, 8, &mut out), Some(()));
        assert_eq!(out, [0, 1, 2, 3, 4, 5, 6, 7]);
        // A run of 300 times 9: the header is 600 in two groups of seven bits.
        out.clear();
        assert_eq!(decode(&[0xd8, 0x04, 9], 4, 300, &mut out), Some(()));
        assert_eq!(out, vec![9; 300]);
        // Too few numbers, too short, or nothing at all.
        for bytes in [&[0xd8, 0x04, 9][..], &[0b11, 0b1000_1000], &[0, 1], &[]] {
            assert_eq!(decode(bytes, 4, 301, &mut Vec::new()), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn packed_bits_come_back(width in 1u32..=32, numbers in proptest::collection::vec(0u32.., 1..70)) {
            let numbers: Vec<u32> = numbers.into_iter().map(|n| n >> (32 - width)).collect();
            let groups = numbers.len().div_ceil(8);
            let mut packed = vec![0u8; groups * width as usize];
            for (i, number) in numbers.iter().enumerate() {
                for bit in (0..width).filter(|bit| number >> bit & 1 == 1) {
                    let at = i * width as usize + bit as usize;
                    packed[at / 8] |= 1 << (at % 8);
                }
            }
            let mut bytes = vec![(groups << 1 | 1) as u8];
            bytes.extend(packed);
            let mut out = Vec::new();
            proptest::prop_assert_eq!(decode(&bytes, width, numbers.len(), &mut out), Some(()));
            proptest::prop_assert_eq!(out, numbers);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, width in 0u32..40, values in 0usize..1000) {
            let mut out = Vec::new();
            if decode(&bytes, width, values, &mut out).is_some() {
                proptest::prop_assert_eq!(out.len(), values);
            }
        }
    }
}
