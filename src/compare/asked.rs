//! Which metrics users mean by a name.

use std::collections::BTreeSet;

use super::metric::Name;
use super::run::Run;
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

/// `wanted` are names of metrics, columns with or without their table, or tables; empty means all.
pub fn is_asked(name: &Name, wanted: &[String]) -> bool {
    let full = name.to_string();
    let column = format!("{}.{}", name.table, name.column);
    wanted.is_empty()
        || wanted.iter().any(|wanted| [full.as_str(), &column, name.column, name.table].contains(&wanted.as_str()))
}
