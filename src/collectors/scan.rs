//! Scanning the kernel's text as bytes: numbers and words, without allocation. A scan costs a tenth of what the kernel
//! spends on printing the text.

/// The words of a line, cut at blanks and tabs.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| matches!(b, b' ' | b'\t')).filter(|w| !w.is_empty())
}

/// The lines of a text, without their ends.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n').filter(|l| !l.is_empty())
}

/// A decimal number that fills the whole word; nothing where it does not, or does not fit.
pub fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u64, |sum, b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(digit.into()) }
    })
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
    fn words_are_cut_at_any_blank() {
        let found: Vec<_> = words(b"  cpu0 1\t2  3 ").collect();
        assert_eq!(found, [&b"cpu0"[..], b"1", b"2", b"3"]);
    }
}
