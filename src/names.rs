//! "Did you mean": the nearest of the names that there are.

/// What users got wrong on the command line or in a file: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// An error that says which name is unknown, and which known one is nearest.
pub fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> UsageError {
    let known: Vec<&str> = known.collect();
    let near = known.iter().map(|k| (strsim::damerau_levenshtein(name, k), *k)).min();
    let hint = match near {
        Some((distance, near)) if distance <= name.len().max(near.len()) / 2 => format!("did you mean `{near}`?"),
        _ => format!("there are: {}", known.join(", ")),
    };
    UsageError(format!("unknown {what} `{name}`; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        let known = ["cpu", "cpu_core", "memory"];
        let say = |name| unknown("collector", name, known.into_iter()).to_string();
        assert_eq!(say("memmory"), "unknown collector `memmory`; did you mean `memory`?");
        assert_eq!(say("zzz"), "unknown collector `zzz`; there are: cpu, cpu_core, memory");
    }
}
