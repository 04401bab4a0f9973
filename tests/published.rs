//! A published column never changes its type, unit or meaning, because files of older builds contain it.
//!
//! `tests/fixtures/columns.tsv` lists all columns ever published. New columns are added to it. A change of a column
//! means a new column with a new name.

use std::collections::BTreeMap;

use perfwatch::collect::catalog;

const FACTS: [&str; 6] = ["kind", "unit", "better", "formula", "weight", "hidden"];

/// `table column type kind unit better formula weight hidden`, separated by tabs, for every column.
fn columns() -> Vec<String> {
    let mut lines = Vec::new();
    for table in catalog::tables() {
        for column in table.declaration().columns {
            let facts = FACTS.map(|key| column.facts.get(key).cloned().unwrap_or_default());
            lines.push(format!("{}\t{}\t{}\t{}", table.name, column.name, column.ty, facts.join("\t")));
        }
    }
    lines
}

fn by_name<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<(String, String), String> {
    let cut = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_string);
        Some(((parts.next()?, parts.next()?), parts.next()?))
    };
    lines.filter_map(cut).collect()
}

#[test]
fn published_columns_are_as_they_were() {
    let published = by_name(include_str!("fixtures/columns.tsv").lines());
    assert!(published.len() > 250, "{}", published.len());
    let now = columns();
    let now = by_name(now.iter().map(String::as_str));
    for ((table, column), facts) in &published {
        let found = now.get(&(table.clone(), column.clone()));
        assert_eq!(found, Some(facts), "{table}.{column} was published otherwise: give what is new another name");
    }
    let is_new = |key: &&(String, String)| !published.contains_key(*key);
    let new: Vec<String> = now.keys().filter(is_new).map(|key| format!("{}\t{}\t{}", key.0, key.1, now[key])).collect();
    assert!(new.is_empty(), "add what is new to tests/fixtures/columns.tsv:\n{}", new.join("\n"));
}
