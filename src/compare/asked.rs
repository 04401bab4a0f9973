//! Which metrics users mean by a name.

use std::collections::BTreeSet;

use super::metric::Name;
use super::run::Run;
use crate::metric::table::METRIC;
use crate::text::nearest::did_you_mean;

/// The names of the metrics of these runs, each once.
pub fn names<'r>(runs: impl Iterator<Item = &'r Run>) -> BTreeSet<&'r Name> {
    runs.flat_map(|run| &run.measured).map(|measured| &measured.name).collect()
}

/// The first name in `wanted` that means no metric of these, with the nearest of them, for a message.
pub fn unknown<'w>(wanted: &'w [String], names: &BTreeSet<&Name>) -> Option<(&'w str, String)> {
    let means_one = |one: &String| names.iter().any(|name| is_asked(name, std::slice::from_ref(one)));
    let wrong = wanted.iter().find(|one| !means_one(one))?;
    let all: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    Some((wrong, did_you_mean(wrong, all.iter().map(String::as_str))))
}

/// `wanted` are names of metrics, columns with or without their table, tables, or numbers of the program; empty means all.
pub fn is_asked(name: &Name, wanted: &[String]) -> bool {
    let full = name.to_string();
    let column = format!("{}.{}", name.table, name.column);
    // The program's own numbers are known by their names.
    let number = name.entity.as_deref().filter(|_| name.table == METRIC).unwrap_or(name.column);
    wanted.is_empty()
        || wanted.iter().any(|w| [full.as_str(), &column, name.column, name.table, number].contains(&w.as_str()))
}

/// The names in a list that was split at every comma: labels contain some, as in `metric[q{a="1",b="2"}].value`.
pub fn whole(pieces: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut is_open = false;
    for piece in pieces {
        match names.last_mut().filter(|_| is_open) {
            Some(name) => {
                name.push(',');
                name.push_str(piece);
            }
            None => names.push(piece.clone()),
        }
        is_open = names.last().is_some_and(|name| ends_inside(name));
    }
    names
}

/// Does a name end inside of brackets, braces or quotes?
fn ends_inside(name: &str) -> bool {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_i32, false, false);
    for c in name.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '[' | '{' if !is_quoted => depth += 1,
            ']' | '}' if !is_quoted => depth -= 1,
            _ => {}
        }
    }
    depth > 0 || is_quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_labels_do_not_end_a_name() {
        let of = |list: &str| whole(&list.split(',').map(str::to_string).collect::<Vec<_>>());
        assert_eq!(of("cpu.usage_percent,disk[vda].read_iops,x"), ["cpu.usage_percent", "disk[vda].read_iops", "x"]);
        let labels = r#"metric[q{a="1",b="]},\"x"}].value"#;
        assert_eq!(of(&format!("a,{labels},b")), ["a", labels, "b"]);
        assert_eq!(of(r#"q{a="1",b="2"},qps"#), [r#"q{a="1",b="2"}"#, "qps"]);
        // A name that never closes takes the rest, and is then unknown.
        assert_eq!(of("disk[vda,b"), ["disk[vda,b"]);
    }
}
