//! Suggests the known name that is most similar to an unknown one, for messages.

use std::cmp::Reverse;

/// The most similar known name, if any is similar. Of several equal ones the most frequent, then the shortest, then the
/// first.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let score = |k: &str| {
        let k = k.to_lowercase();
        // A word of a long name (`iowait` for `iowait_percent`) is not a typing error, but probably meant.
        let is_word = |k: &str| k.split(|c: char| !c.is_alphanumeric()).any(|word| word == name);
        let part = match name.len() > 2 {
            true if is_word(&k) => 0.95,
            true if k.contains(&name) => 0.9,
            _ => 0.0,
        };
        strsim::jaro_winkler(&name, &k).max(part)
    };
    let scored: Vec<(f64, &str)> = known.into_iter().map(|k| (score(k), k)).collect();
    let best = scored.iter().map(|s| s.0).reduce(f64::max).filter(|best| *best > 0.7)?;
    let best: Vec<&str> = scored.into_iter().filter(|s| s.0 == best).map(|s| s.1).collect();
    let times = |name: &str| best.iter().filter(|other| **other == name).count();
    best.iter().copied().min_by_key(|name| (Reverse(times(name)), name.len()))
}

/// ` (did you mean …?)`, or an empty text.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|k| format!(" (did you mean `{k}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far() {
        let known = ["cpu", "cpu_core", "memory", "iowait_percent"];
        assert_eq!(nearest("memroy", known), Some("memory"));
        assert_eq!(nearest("cpucore", known), Some("cpu_core"));
        assert_eq!(nearest("iowait", known), Some("iowait_percent"));
        assert_eq!(nearest("xyz", known), None);
        assert_eq!(nearest("Memory", known), Some("memory"));
        assert_eq!(nearest("", known), None);
        for phases in [["big load", "big load/x"], ["big load/x", "big load"]] {
            assert_eq!(nearest("big", phases), Some("big load"));
        }
        assert_eq!(nearest("load", ["big load", "load2"]), Some("load2"));
        let usage = ["usage_us", "usage_percent", "usage_percent"];
        assert_eq!(nearest("usage", usage), Some("usage_percent"), "the most frequent in the tables");
        assert_eq!(did_you_mean("xyz", known), "");
    }
}
