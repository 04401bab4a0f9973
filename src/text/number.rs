//! How numbers are written on the command line.

/// Parses a whole number: `1`, `10`.
///
/// # Errors
/// How numbers are written.
pub fn count(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| "a whole number is needed, such as 10".to_string())
}

/// Parses a whole number that is not 0.
///
/// # Errors
/// How numbers are written.
pub fn at_least_one(text: &str) -> Result<u32, String> {
    count(text).ok().filter(|n| *n > 0).ok_or_else(|| "a whole number of at least 1 is needed, such as 10".to_string())
}

/// Parses a process ID.
///
/// # Errors
/// How processes are named.
pub fn pid(text: &str) -> Result<u32, String> {
    at_least_one(text)
        .map_err(|_| "a process is named by its number, such as 1234 (`pgrep NAME` prints it)".to_string())
}

/// Parses the width of a terminal.
///
/// # Errors
/// How it is written.
pub fn columns(text: &str) -> Result<usize, String> {
    at_least_one(text).map(|n| n as usize).map_err(|_| "a number of columns is needed, such as 120".to_string())
}

/// A number of threads.
///
/// # Errors
/// How it is written.
pub fn threads(text: &str) -> Result<usize, String> {
    at_least_one(text).map(|n| n as usize).map_err(|_| "a number of threads is needed, such as 2".to_string())
}

/// Splits `1.5G` into its number and the factor of its unit: K, M, G, T are powers of 1024, also as in KiB; none, and B,
/// is 1. `None` for other units, and if there is no number.
pub fn with_binary_unit(text: &str) -> Option<(f64, f64)> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return None,
    };
    Some((digits.trim_end().parse().ok()?, (1u64 << shift) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!((count("0"), at_least_one("3"), pid("17"), columns("120")), (Ok(0), Ok(3), Ok(17), Ok(120)));
        for wrong in ["", "x", "-1", "1.5", "99999999999", "0x10"] {
            for said in [count(wrong), at_least_one(wrong), pid(wrong)] {
                let said = said.unwrap_err();
                assert!(said.contains("such as") && !said.contains("digit"), "{wrong}: {said}");
            }
        }
        assert!(at_least_one("0").is_err() && pid("0").is_err() && columns("0").is_err());
    }
}
