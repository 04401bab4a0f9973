//! Checksums in our Parquet files, so that a damaged byte is detected and never shown as a value.
//!
//! They are a text in the key-value metadata of the footer, `perfwatch.crc`: `crc32:`, followed by numbers of eight
//! hexadecimal digits:
//!
//! ```text
//! footer   from the start of the footer to the end of the file, with these eight digits as zeros
//! index    the bytes between the last column chunk and the footer: the page indexes
//! chunks   each column chunk with its page headers: by row group, in the order of the columns; of a short file, which
//!          is read as a whole, one number for all of them together
//! ```
//!
//! All are CRC-32. Only the four bytes at the start of the file are not covered; they are always the same. The footer
//! contains its own checksum, so the file is encoded with zeros there, which are [replaced](fill_in) in the last piece
//! before it is written.

use super::read::piece::VERSION_KEY;

/// The key in the metadata.
pub const KEY: &str = "perfwatch.crc";
const PREFIX: &str = "crc32:";
const DIGITS: usize = 8;

/// The first and the last bytes of a Parquet file.
pub const MAGIC: &[u8; 4] = b"PAR1";
/// Length of the part after the footer: the length of the footer, and the magic.
pub const END: usize = 8;

/// The text to encode before the index and the footer are known: their checksums are zeros. `chunks`: those of the column
/// chunks, or one for all.
pub fn text(chunks: &[u32]) -> String {
    let each = [0, 0].iter().chain(chunks).map(|sum| format!("{sum:08x}"));
    PREFIX.to_string() + &each.collect::<String>()
}

/// The checksum of these bytes.
pub fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Fills in the checksums of index and footer in the last piece of a file, which contains everything after the column
/// chunks.
///
/// `None` if it is not such a piece.
pub fn fill_in(last: &mut [u8]) -> Option<()> {
    let begin = last.len().checked_sub(footer_length(last)?)?;
    let (index, footer) = last.split_at_mut(begin);
    let place = digits(footer)?;
    let put = |n: usize, sum: u32, footer: &mut [u8]| {
        let at = place + n * DIGITS;
        footer.get_mut(at..at + DIGITS)?.copy_from_slice(format!("{sum:08x}").as_bytes());
        Some(())
    };
    put(1, crc(index), footer)?;
    let sum = crc(footer);
    put(0, sum, footer)
}

/// The length of the footer including [`END`], from the last bytes of a file.
pub fn footer_length(end: &[u8]) -> Option<usize> {
    let (length, magic) = end.get(end.len().checked_sub(END)?..)?.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    (magic == MAGIC).then_some(length.checked_add(END)?)
}

/// The checksums stored in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    pub index: u32,
    /// One per column chunk, or one for all of them.
    pub chunks: Vec<u32>,
}

impl Checksums {
    /// The checksum of all column chunks together, if they have none of their own.
    pub fn of_all(&self) -> Option<u32> {
        if let [all] = self.chunks[..] { Some(all) } else { None }
    }
}

/// The checksums of a footer, if there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No checksums: the file was written by a version without them.
    None,
    /// The checksum of the footer is correct.
    Good(Checksums),
    /// The footer is damaged.
    Damaged,
}

/// Finds the checksums in a footer (including [`END`]), and verifies the checksum of the footer itself.
pub fn find(footer: &[u8]) -> Found {
    if let Some(checksums) = good(footer) {
        return Found::Good(checksums);
    }
    // Values such as names of files and processes come before the metadata, and could contain the key.
    let from = rfind(footer, VERSION_KEY.as_bytes()).unwrap_or(footer.len());
    let is_there = |what: &str| rfind(&footer[from..], what.as_bytes()).is_some();
    // A single flipped bit can hide one of the two, but not both.
    if is_there(KEY) || is_there(PREFIX) { Found::Damaged } else { Found::None }
}

fn good(footer: &[u8]) -> Option<Checksums> {
    let place = digits(footer)?;
    let text = footer.get(place..)?;
    let is_digit = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let length = text.iter().position(|b| !is_digit(b)).unwrap_or(text.len());
    let each = text.get(..length / DIGITS * DIGITS)?.chunks_exact(DIGITS);
    let mut sums = each.map(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
    let (own, index) = (sums.next()??, sums.next()??);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&footer[..place]);
    hasher.update(&[b'0'; DIGITS]);
    hasher.update(footer.get(place + DIGITS..)?);
    let chunks = sums.collect::<Option<_>>()?;
    (hasher.finalize() == own).then_some(Checksums { index, chunks })
}

/// Offset of the first digit.
fn digits(footer: &[u8]) -> Option<usize> {
    rfind(footer, PREFIX.as_bytes()).map(|at| at + PREFIX.len())
}

/// Offset of the last occurrence of `those`.
fn rfind(bytes: &[u8], those: &[u8]) -> Option<usize> {
    let first = *those.first()?;
    let mut end = bytes.len();
    loop {
        let at = bytes[..end].iter().rposition(|b| *b == first)?;
        if bytes[at..].starts_with(those) {
            return Some(at);
        }
        end = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Like the last piece of a file: some bytes, a footer with this text, its length, the magic.
    fn last(index: &[u8], chunks: &[u32]) -> Vec<u8> {
        let footer =
            format!("names and numbers perfwatch.format 1 perfwatch.crc \u{1}{}\u{0} by perfwatch", text(chunks));
        let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
        [index, footer.as_bytes(), &length, MAGIC].concat()
    }

    fn find_in(last: &[u8]) -> Found {
        footer_length(last).filter(|n| *n <= last.len()).map_or(Found::Damaged, |n| find(&last[last.len() - n..]))
    }

    #[test]
    fn filled_in_checksums_are_good() {
        for (index, chunks) in [(&b"page index"[..], &[1, u32::MAX, 0][..]), (b"", &[])] {
            let mut last = last(index, chunks);
            fill_in(&mut last).unwrap();
            assert_eq!(find_in(&last), Found::Good(Checksums { index: crc(index), chunks: chunks.to_vec() }));
        }
    }

    #[test]
    fn every_flipped_bit_of_a_footer_is_detected() {
        let mut last = last(b"", &[1, 2, 3]);
        fill_in(&mut last).unwrap();
        let good = find_in(&last);
        for bit in 0..last.len() * 8 {
            last[bit / 8] ^= 1 << (bit % 8);
            // Without the version key it is not recognized as our file, which is reported elsewhere. The key may be
            // damaged, or outside of the footer if its length is.
            let footer = &last[last.len() - footer_length(&last).filter(|n| *n <= last.len()).unwrap_or(0)..];
            let is_ours = footer.is_empty() || rfind(footer, b"perfwatch.format").is_some();
            assert_eq!(find_in(&last), if is_ours { Found::Damaged } else { Found::None }, "bit {bit}");
            last[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(find_in(&last), good);
    }

    #[test]
    fn older_files_have_none() {
        assert_eq!(find(b"crc32:00000000 perfwatch.crc perfwatch.format 1 by perfwatch\0\0\0\0PAR1"), Found::None);
        assert_eq!(find(b""), Found::None);
        assert_eq!(fill_in(&mut [0; 20]), None);
        assert_eq!(fill_in(&mut b"no text\x07\0\0\0PAR1".to_vec()), None);
    }
}
