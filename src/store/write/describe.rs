//! What the columns of a recording mean, in a sentence each, once for all its files: `_columns.json.zst`, a list with an
//! object per column. Their units, kinds and formulas are in the footers.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::store::layout::Layout;
use crate::table::{StoredColumn, TableDef};

/// Our file is a thousandth of it, but a file may be crafted to decompress to more.
const MAX_BYTES: usize = 16 << 20;
const LEVEL: i32 = 9;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Described {
    table: String,
    column: String,
    description: String,
}

/// Adds the columns of these tables to the file. Columns that only other builds have stay in it.
///
/// # Errors
/// When the file cannot be written; then the old one is unchanged.
pub fn describe(layout: &Layout, tables: &[&TableDef]) -> io::Result<()> {
    let path = layout.columns();
    let before = read(layout);
    let mut after: Vec<Described> = before.clone();
    let mut places: BTreeMap<(String, String), usize> =
        before.iter().enumerate().map(|(n, row)| ((row.table.clone(), row.column.clone()), n)).collect();
    for row in tables.iter().flat_map(|table| rows(table)) {
        let next = after.len();
        let place = *places.entry((row.table.clone(), row.column.clone())).or_insert(next);
        match after.get_mut(place) {
            Some(known) => *known = row,
            None => after.push(row),
        }
    }
    if after == before {
        return Ok(());
    }
    let bytes = zstd::bulk::compress(&serde_json::to_vec(&after)?, LEVEL)?;
    let temporary = layout.temporary("columns");
    let write = || {
        layout.create_anew(&temporary)?.write_all(&bytes)?;
        layout.rename(&temporary, &path)
    };
    write().inspect_err(|_| drop(layout.remove(&temporary)))
}

/// Empty if there is no such file, or it is damaged: it is written again.
fn read(layout: &Layout) -> Vec<Described> {
    let decoded = || {
        let bytes = layout.read(&layout.columns()).ok()?;
        let length = zstd::bulk::Decompressor::upper_bound(&bytes).filter(|bound| *bound <= MAX_BYTES)?;
        serde_json::from_slice(&zstd::bulk::decompress(&bytes, length).ok()?).ok()
    };
    decoded().unwrap_or_default()
}

fn rows(table: &TableDef) -> impl Iterator<Item = Described> {
    let row = |column: &StoredColumn| Described {
        table: table.name.to_string(),
        column: column.name.to_string(),
        description: column.doc.clone(),
    };
    table.stored.iter().map(row)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::collect::catalog;

    fn described(layout: &Layout) -> Vec<serde_json::Value> {
        let bytes = fs::read(layout.columns()).unwrap();
        serde_json::from_slice(&zstd::decode_all(&bytes[..]).unwrap()).unwrap()
    }

    #[test]
    fn columns_of_other_builds_stay() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        fs::create_dir(layout.journal_folder()).unwrap();
        let find = |name: &str| catalog::tables().iter().find(|table| table.name == name).unwrap();
        describe(&layout, &[find("pressure")]).unwrap();
        let first = described(&layout);
        let one = first.iter().find(|row| row["column"] == "some_percent").unwrap();
        assert_eq!((&one["table"], one.as_object().unwrap().len()), (&"pressure".into(), 3));
        assert!(one["description"].as_str().unwrap().ends_with('.'));

        // An older build knows one column less and another text.
        let mut older = find("pressure").clone();
        older.stored.retain(|column| column.name != "some_percent");
        older.stored[0].doc = "An older text.".into();
        describe(&layout, &[&older, find("disk")]).unwrap();
        let second = described(&layout);
        assert_eq!(second.len(), first.len() + find("disk").stored.len());
        assert_eq!(second.iter().filter(|row| row["column"] == "some_percent").count(), 1);
        assert_eq!(second[0]["description"], "An older text.");
        assert_eq!(second[1..first.len()], first[1..]);

        fs::write(layout.columns(), "damaged").unwrap();
        describe(&layout, &[find("pressure")]).unwrap();
        assert_eq!(described(&layout), first);
        assert_eq!(fs::read_dir(layout.journal_folder()).unwrap().count(), 0);
    }
}
