//! The kernel's pressure files, of the machine and of control groups. Described in the kernel's `accounting/psi`.

use super::possible::percent;
use super::scan::{ParseError, decimal, lines, number, words};

/// How long tasks waited for a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stall {
    /// Unit: percent.
    pub avg10: Option<f64>,
    pub total_us: Option<u64>,
}

/// The lines `some` and `full`, of which one may be missing.
///
/// # Errors
/// If both are missing.
pub fn parse(text: &[u8]) -> Result<(Stall, Stall), ParseError> {
    let (mut some, mut full) = (None, None);
    for line in lines(text) {
        let mut words = words(line);
        match words.next() {
            Some(b"some") => some = Some(stall(words)),
            Some(b"full") => full = Some(stall(words)),
            _ => {}
        }
    }
    match (some, full) {
        (None, None) => Err(ParseError { line: 1, what: "neither `some` nor `full`".into() }),
        (some, full) => Ok((some.unwrap_or_default(), full.unwrap_or_default())),
    }
}

fn stall<'a>(words: impl Iterator<Item = &'a [u8]>) -> Stall {
    let mut stall = Stall::default();
    for word in words {
        if let Some(avg10) = word.strip_prefix(b"avg10=") {
            stall.avg10 = percent(decimal(avg10));
        } else if let Some(total) = word.strip_prefix(b"total=") {
            stall.total_us = number(total);
        }
    }
    stall
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalls(avg10: f64, total_us: u64) -> Stall {
        Stall { avg10: Some(avg10), total_us: Some(total_us) }
    }

    #[test]
    fn both_lines() {
        let text = "some avg10=1.18 avg60=0.55 avg300=0.36 total=10562184\n\
                    full avg10=0.07 avg60=0.00 avg300=0.00 total=3030670\n";
        assert_eq!(parse(text.as_bytes()), Ok((stalls(1.18, 10_562_184), stalls(0.07, 3_030_670))));
    }

    #[test]
    fn cpu_before_5_13_has_no_full_and_irq_no_some() {
        let some = parse(b"some avg10=2.00 avg60=0.00 avg300=0.00 total=7\n");
        assert_eq!(some, Ok((stalls(2.0, 7), Stall::default())));
        let full = parse(b"full avg10=2.00 avg60=0.00 avg300=0.00 total=7\n");
        assert_eq!(full, Ok((Stall::default(), stalls(2.0, 7))));
    }

    #[test]
    fn damaged_text() {
        assert!(parse(b"").is_err());
        assert!(parse(b"hello\n").is_err());
        let cut = parse(b"some avg10=1.00 avg60=0.0").unwrap();
        assert_eq!(cut.0, Stall { avg10: Some(1.0), total_us: None });
        let odd = parse(b"some avg10=nan avg60 total=99999999999999999999\n").unwrap();
        assert_eq!(odd.0, Stall::default());
        let above = parse(b"some avg10=184467440737.95 avg60=0.00 avg300=0.00 total=9\n").unwrap();
        assert_eq!(above.0, Stall { avg10: None, total_us: Some(9) });
    }
}
