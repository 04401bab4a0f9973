//! Words that several messages need.

/// `1 file`, `2 files`: of words whose plural has an s more.
pub fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_more() {
        assert_eq!([0, 1, 2].map(|n| count(n, "tick")), ["0 ticks", "1 tick", "2 ticks"]);
    }
}
