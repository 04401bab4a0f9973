//! Scanning the kernel's text as bytes: numbers and words, without allocation. A scan costs a tenth of what the kernel
//! spends on printing the text.
//!
//! Why not the crate `procfs`, which has a parser for nearly every file of `/proc`? It would use most of the time that
//! a tick may take: it needs 6 to 44 us per file, because each value becomes an allocation or an entry of a map; these
//! scans need 0.1 to 4 us. Also, it rejects a whole file because of one line that is not UTF-8 or was written badly by
//! a driver, and some truncated texts make it panic (`stat` and `limits` of a process, in 0.18). A recorder must
//! survive both. It is used as a second opinion instead: `tests/oracle.rs` compares what both read from the same files.

use std::io::BufRead;

/// Text that the kernel is not known to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// "expected 14 fields, found 11".
    pub what: String,
}

/// The words of a line, separated by blanks and tabs.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| matches!(b, b' ' | b'\t')).filter(|w| !w.is_empty())
}

/// The first line of a text, without its line end, and the rest.
pub fn cut_line(text: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = text;
    // `skip_until` is the standard library's way to `memchr`; on a slice it cannot fail.
    let length = rest.skip_until(b'\n').unwrap_or(text.len());
    let line = text.get(..length).unwrap_or(text);
    (line.strip_suffix(b"\n").unwrap_or(line), rest)
}

/// The text before and after the first of these bytes.
pub fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(text.iter().position(|b| *b == at)?)?;
    Some((before, rest.get(1..)?))
}

/// The lines of a text, without their line ends.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (line, tail) = cut_line(rest);
            rest = tail;
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

/// A decimal number that fills the whole word; `None` if it does not, or if it is too large.
pub fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u64, |sum, b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(digit.into()) }
    })
}

/// A decimal number that may be negative (degrees).
pub fn signed(word: &[u8]) -> Option<i64> {
    match word.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(number(digits)?),
        None => number(word)?.try_into().ok(),
    }
}

/// A number with a fraction, as the kernel prints them: `0.42`, `2300.000`.
pub fn decimal(word: &[u8]) -> Option<f64> {
    if !word.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        for bad in ["", "-1", "1.5", "0x1f", "12a", "/", ":"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn numbers_below_zero() {
        assert_eq!(signed(b"-5000"), Some(-5000));
        assert_eq!(signed(b"41000"), Some(41_000));
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        for bad in ["", "-", "--1", "-9223372036854775809", "9223372036854775808"] {
            assert_eq!(signed(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn numbers_with_a_fraction() {
        assert_eq!(decimal(b"0.42"), Some(0.42));
        assert_eq!(decimal(b"2300.000"), Some(2300.0));
        assert_eq!(decimal(b"7"), Some(7.0));
        for bad in ["", ".", "1.2.3", "nan", "inf", "1e5", "-1.0", "1,5"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn lines_with_and_without_an_end() {
        assert_eq!(lines(b"a\n\nbc\nd").collect::<Vec<_>>(), [&b"a"[..], b"bc", b"d"]);
        assert_eq!(lines(b"").count(), 0);
        assert_eq!(cut_line(b"a\nb\n"), (&b"a"[..], &b"b\n"[..]));
        assert_eq!(cut_line(b"\nb"), (&b""[..], &b"b"[..]));
        assert_eq!(cut_line(b"end"), (&b"end"[..], &b""[..]));
    }

    #[test]
    fn halves() {
        assert_eq!(split_once(b"key=a=b", b'='), Some((&b"key"[..], &b"a=b"[..])));
        assert_eq!(split_once(b"=", b'='), Some((&b""[..], &b""[..])));
        assert_eq!((split_once(b"key", b'='), split_once(b"", b'=')), (None, None));
    }

    #[test]
    fn words_are_cut_at_any_blank() {
        let found: Vec<_> = words(b"  cpu0 1\t2  3 ").collect();
        assert_eq!(found, [&b"cpu0"[..], b"1", b"2", b"3"]);
    }
}
