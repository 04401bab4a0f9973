//! The rows of a recording before and after a fault.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use perfwatch::store::layout::Layout;

use crate::common;

/// The rows of each table, sorted.
pub type Rows = BTreeMap<&'static str, Vec<Vec<String>>>;

/// All rows that our readers find; none if there is no recording.
pub fn rows(dir: &Path) -> Result<Rows, String> {
    if !Layout::new(dir).manifest().exists() {
        return Ok(Rows::new());
    }
    let found = catch_unwind(AssertUnwindSafe(|| common::everything(dir)));
    let found = found.map_err(|why| {
        let why = why.downcast_ref::<String>().cloned();
        format!("the recording cannot be read: {}", why.unwrap_or_default())
    })?;
    let sorted = |(table, mut rows): (_, Vec<Vec<String>>)| {
        rows.sort();
        (table, rows)
    };
    Ok(found.into_iter().map(sorted).filter(|(_, rows)| !rows.is_empty()).collect())
}

/// The rows of `now` that are not in `before`. All rows of `before` must be there, and none twice.
pub fn added(before: &Rows, now: &Rows) -> Result<Rows, String> {
    let none = Vec::new();
    for (table, rows) in now {
        if let Some(twice) = rows.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("twice in {table}: {:?}", twice[0]));
        }
    }
    for (table, rows) in before {
        let now = now.get(table).unwrap_or(&none);
        if let Some(lost) = rows.iter().find(|row| now.binary_search(row).is_err()) {
            return Err(format!("lost from {table}, which had {} rows and has {}: {lost:?}", rows.len(), now.len()));
        }
    }
    let is_new = |table: &str, row: &Vec<String>| before.get(table).is_none_or(|rows| rows.binary_search(row).is_err());
    let new = |(table, rows): (&&'static str, &Vec<Vec<String>>)| {
        (*table, rows.iter().filter(|row| is_new(table, row)).cloned().collect::<Vec<_>>())
    };
    Ok(now.iter().map(new).filter(|(_, rows)| !rows.is_empty()).collect())
}

/// Checks that there are `written` ticks, each once, with a row in each table that has one per tick.
pub fn are_ticks(added: &Rows, written: usize) -> Result<(), String> {
    for table in ["tick", "cpu", "memory"] {
        let found = added.get(table).map_or(0, Vec::len);
        if found != written {
            return Err(format!("{written} ticks were written, but {found} rows are in {table}"));
        }
    }
    Ok(())
}
