//! Values of the manifest as text for people.

use super::tree::Tree;
use crate::table::Unit;
use crate::table::human::scaled;
use crate::text::printable::printable;
use crate::text::words::quoted;

/// A fact on a line, or a heading for the lines below it.
#[derive(Debug, PartialEq)]
pub struct Line {
    pub depth: usize,
    pub name: String,
    /// None for a heading.
    pub words: Option<String>,
}

/// The members of a value, one per line. Members without a value are left out.
pub fn lines(value: &Tree) -> Vec<Line> {
    let mut out = Vec::new();
    add(value, 0, &mut out);
    out
}

fn add(value: &Tree, depth: usize, out: &mut Vec<Line>) {
    for (name, member) in value.members().iter().filter(|(_, member)| !member.is_empty()) {
        let line = |words| Line { depth, name: printable(name).into_owned(), words };
        match member {
            Tree::Members(_) => {
                out.push(line(None));
                add(member, depth + 1, out);
            }
            // One line per item: memory nodes, for instance.
            Tree::List(items) if items.iter().any(|item| !item.members().is_empty()) => {
                out.extend(items.iter().map(|item| line(Some(words(name, item)))));
            }
            _ => out.push(line(Some(words(name, member)))),
        }
    }
}

/// A value as text; empty if there is no value.
pub fn words(name: &str, value: &Tree) -> String {
    match value {
        Tree::Null => String::new(),
        Tree::Bool(yes) => if *yes { "yes" } else { "no" }.to_string(),
        Tree::Number(number) => number_words(name, *number),
        Tree::Text(text) => printable(text).into_owned(),
        Tree::List(items) if name == "argv" => items.iter().map(word).collect::<Vec<_>>().join(" "),
        Tree::List(items) => items.iter().map(|item| words(name, item)).collect::<Vec<_>>().join(", "),
        Tree::Members(members) => {
            let shown = members.iter().filter(|(_, value)| !value.is_empty());
            let each = shown
                .map(|(name, value)| format!("{} {}", printable(name.trim_end_matches("_bytes")), words(name, value)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// One word of a command line.
fn word(item: &Tree) -> String {
    let Tree::Text(text) = item else { return String::new() };
    printable(&quoted(text)).into_owned()
}

/// The suffix of the name gives the unit, as everywhere.
fn number_words(name: &str, number: f64) -> String {
    let units = [("_bytes", Unit::Bytes), ("_mhz", Unit::Megahertz), ("_s", Unit::Seconds)];
    match units.into_iter().find(|(suffix, _)| name.ends_with(suffix) && !name.ends_with("_per_s")) {
        Some((_, unit)) => scaled(number, unit),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_every_shape() {
        let text = r#"{
            "name": "vm\u001b[2J", "nothing": null, "empty": [], "turbo": true, "memory_bytes": 25276510208,
            "clock_ticks_per_s": 100, "interval_s": 0.05, "nice": -5, "limit": 1.5,
            "argv": ["perfwatch", "-d", "10 s", "", "it's"], "list": ["b", "a"],
            "cpu": {"smt": false, "none": null, "deep": {"max_mhz": 3500}}, "bare": {"none": null},
            "numa": [{"node": 0, "cpus": "0-3", "memory_bytes": 1073741824}, {"node": 1, "cpus": null}]
        }"#;
        let shown: Vec<String> = lines(&serde_json::from_str(text).unwrap())
            .into_iter()
            .map(|l| format!("{}{}: {}", " ".repeat(l.depth), l.name, l.words.unwrap_or_default()))
            .collect();
        let expected = [
            "name: vm\\u{1b}[2J",
            "turbo: yes",
            "memory_bytes: 23.5 GiB",
            "clock_ticks_per_s: 100",
            "interval_s: 50.0 ms",
            "nice: -5",
            "limit: 1.5",
            "argv: perfwatch -d '10 s' '' 'it'\\''s'",
            "list: b, a",
            "cpu: ",
            " smt: no",
            " deep: ",
            "  max_mhz: 3.50 GHz",
            "numa: node 0, cpus 0-3, memory 1.00 GiB",
            "numa: node 1",
        ];
        assert_eq!(shown, expected);
    }
}
