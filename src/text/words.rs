//! Words that are used in several messages.

/// `1 file`, `2 files`: for words with a plural in s.
pub fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// `1 tick`, `2 ticks`.
pub fn ticks(n: u64) -> String {
    count(n, "tick")
}

/// Quoted for a shell, if necessary.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-+=:,./%@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        let words = ["my-run", "", "my run", "it's", "a$b", "ä/b"];
        assert_eq!(words.map(quoted), ["my-run", "''", "'my run'", r"'it'\''s'", "'a$b'", "ä/b"]);
    }

    #[test]
    fn one_and_more() {
        assert_eq!([0, 1, 2].map(|n| count(n, "tick")), ["0 ticks", "1 tick", "2 ticks"]);
    }
}
