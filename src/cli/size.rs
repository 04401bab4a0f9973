//! How sizes are written on the command line.

use std::str::FromStr;

use crate::record::space::Floor;
use crate::text::number::with_binary_unit;

/// A smaller bare number is probably not meant as bytes.
const LEAST_BYTES: f64 = 1024.0;

/// Parses `500M`, `5G`, `1.5T`; a bare number is bytes, as scripts compute them.
///
/// # Errors
/// What is wrong, and how sizes are written.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "a size is written like 500M or 5G (K, M, G, T are powers of 1024)".to_string();
    let (number, factor) = with_binary_unit(text).ok_or_else(wrong)?;
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    if !has_unit && number > 0.0 && number < LEAST_BYTES {
        return Err(format!("{number} bytes? {}", wrong()));
    }
    let bytes = number * factor;
    // No disk is larger than this, and larger f64 values are not exact.
    if (0.0..=(1u64 << 60) as f64).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

impl FromStr for Floor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix('%') {
            None => bytes(text).map(Floor::Bytes).map_err(|why| format!("{why}, or 5%")),
            Some(number) => match number.trim().parse() {
                Ok(percent) if (0.0..100.0).contains(&percent) => Ok(Floor::Percent(percent)),
                _ => Err("a share of the disk is written like 5%".into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("0"), Ok(0));
        assert!(bytes("5").unwrap_err().starts_with("5 bytes? a size is written like 500M"));
        assert_eq!((bytes("5B"), bytes("1024")), (Ok(5), Ok(1024)));
        assert_eq!(bytes("1234"), Ok(1234));
        assert_eq!(bytes("500M"), Ok(524_288_000));
        assert_eq!(bytes("5g"), Ok(5_368_709_120));
        assert_eq!(bytes("1.5 KiB"), Ok(1536));
        assert_eq!(bytes("2T"), Ok(2_199_023_255_552));
        for wrong in ["", "G", "-1G", "5GB", "5 apples", "1e99", "nan", "inf", "5%", "0x10"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn floors() {
        assert_eq!("2G".parse(), Ok(Floor::Bytes(2 << 30)));
        assert_eq!("12.5%".parse(), Ok(Floor::Percent(12.5)));
        assert_eq!("12.5%".parse::<Floor>().unwrap().bytes_of(4096), 512);
        assert_eq!("3K".parse::<Floor>().unwrap().bytes_of(1), 3072);
        // Probably meant as 5 %.
        assert!("5".parse::<Floor>().unwrap_err().ends_with("or 5%") && "0".parse() == Ok(Floor::Bytes(0)));
        for wrong in ["", "%", "100%", "-1%", "nan%", "5 percent"] {
            assert!(wrong.parse::<Floor>().is_err(), "{wrong}");
        }
    }
}
