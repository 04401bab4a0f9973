//! The results of several runs next to each other, for comparisons and trends.

use std::collections::HashMap;

use super::entities::Label;
use super::folded::Folded;
use super::index::Part;
use crate::table::StoredColumn;

/// One column of one group, in every run.
#[derive(Debug)]
pub struct Across<'f, T> {
    pub table: &'static str,
    pub labels: &'f [Label],
    pub part: &'f Part,
    pub column: &'static StoredColumn,
    /// One per run; none for a run without this group or column.
    pub results: Vec<Option<&'f T>>,
}

/// Identifies a column of a group in all runs.
#[derive(PartialEq, Eq, Hash)]
struct Key<'f> {
    table: &'static str,
    labels: Vec<Option<&'f str>>,
    part: &'f Part,
    column: &'static str,
}

/// Groups and columns in the order of the runs. Those with the same table, labels, part and column name belong together.
pub fn across<T>(runs: &[Vec<Folded<T>>]) -> Vec<Across<'_, T>> {
    let mut all: Vec<Across<'_, T>> = Vec::new();
    let mut known: HashMap<Key<'_>, usize> = HashMap::new();
    for (run, folded) in runs.iter().enumerate().flat_map(|(run, tables)| tables.iter().map(move |table| (run, table)))
    {
        for (n, group) in folded.groups.iter().enumerate().filter(|(_, group)| group.rows > 0) {
            let labels = folded.entities.get(group.entity).map(Vec::as_slice).unwrap_or_default();
            let names: Vec<Option<&str>> = labels.iter().map(|label| label.value.as_deref()).collect();
            for (column, results) in &folded.columns {
                let (table, part) = (folded.table.name, &group.part);
                let key = Key { table, labels: names.clone(), part, column: column.name };
                let at = *known.entry(key).or_insert_with(|| {
                    let results = runs.iter().map(|_| None).collect();
                    all.push(Across { table, labels, part, column, results });
                    all.len() - 1
                });
                if let Some(slot) = all.get_mut(at).and_then(|found| found.results.get_mut(run)) {
                    *slot = results.get(n);
                }
            }
        }
    }
    all
}
