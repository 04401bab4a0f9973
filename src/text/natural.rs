//! The order of names with numbers in them: `v1.9` before `v1.10`.

use std::cmp::Ordering;

/// Compares text with runs of digits as numbers; names that are equal so by their characters.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (first, second) = (part(&mut left), part(&mut right));
        let order = match (first, second) {
            ("", "") => return a.cmp(b),
            (x, y) if is_number(x) && is_number(y) => {
                let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            }
            (x, y) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn is_number(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_digit())
}

/// Takes the digits at the start of the text, or what comes before the next digit.
fn part<'t>(text: &mut &'t str) -> &'t str {
    let is_digit = is_number(text);
    let end = text.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(text.len());
    let (part, rest) = text.split_at(end);
    *text = rest;
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_size() {
        let mut names = ["v1.10", "v1.9", "v1.9-rc2", "10", "9", "009", "a", "", "v1.9-rc10", "ä2", "ä10"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "009", "9", "10", "a", "v1.9", "v1.9-rc2", "v1.9-rc10", "v1.10", "ä2", "ä10"]);
        assert_eq!(natural("99999999999999999999998", "99999999999999999999999"), Ordering::Less);
    }
}
