//! The nearest known name to one that is unknown, for messages.

/// The known name that is nearest, if any is near at all; of several the shortest, of these the first.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let score = |k: &str| {
        let k = k.to_lowercase();
        // A word of a long name (`iowait` for `iowait_percent`) is not a typing error, but surely meant.
        let part = if name.len() > 2 && k.contains(&name) { 0.9 } else { 0.0 };
        strsim::jaro_winkler(&name, &k).max(part)
    };
    let nearer = |a: (f64, &'a str), b: (f64, &'a str)| {
        let is_better = b.0.total_cmp(&a.0).then_with(|| a.1.len().cmp(&b.1.len())).is_gt();
        if is_better { b } else { a }
    };
    let best = known.into_iter().map(|k| (score(k), k)).reduce(nearer)?;
    (best.0 > 0.7).then_some(best.1)
}

/// ` (did you mean …?)`, or nothing.
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
        assert_eq!(did_you_mean("xyz", known), "");
    }
}
