//! Gives all files of a table the same columns, so that pandas, polars, DuckDB and Spark read its folder as one table
//! without options. Before a build seals its first file into a folder with files of another build, these files get the
//! columns that they lack.
//!
//! This is done per file: the new file is written next to the journal, synced, and renamed over the old one. After a
//! crash, some files have the columns and some do not; the next recorder continues.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::widen::{WidenError, is_wide, widen};
use crate::store::layout::merged::{RowFile, Tidying, rows_of};
use crate::store::layout::{Layout, SealedName};
use crate::store::read::tables_of;
use crate::table::TableDef;

/// What is known about the files of a recording: up to this journal, the files of each table have these columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Uniform {
    pub through: u32,
    /// Per table with files, a CRC-32 of the names and types of its columns, in order.
    pub columns: BTreeMap<String, String>,
}

impl Uniform {
    /// Is nothing known?
    pub fn is_unknown(&self) -> bool {
        self.columns.is_empty()
    }
}

/// Why files still differ. Each file is unchanged or complete.
#[derive(Debug, thiserror::Error)]
pub enum UniformError {
    #[error("{} cannot be listed: {error}", path.display())]
    List { path: PathBuf, error: io::Error },
    #[error("files are being merged by another process")]
    Busy,
    #[error(transparent)]
    Widen(#[from] WidenError),
}

/// The tables as they are sealed from now on.
pub struct Tables {
    pub tables: Vec<TableDef>,
    /// An error if files still differ.
    pub uniform: Result<Uniform, UniformError>,
    /// Number of files that got columns.
    pub widened: usize,
}

/// Gives all files of each table the same columns: those of this build, the files and the journals. A file that cannot
/// be read or written is left as it is, and does not prevent recording. `before`: what the previous session knew; None
/// for the first session.
pub fn make_uniform(layout: &Layout, catalog: &'static [TableDef], before: Option<&Uniform>) -> Tables {
    let Some(before) = before else {
        return Tables { tables: catalog.to_vec(), uniform: Ok(Uniform::default()), widened: 0 };
    };
    let mut tables: Vec<TableDef> = tables_of(layout, catalog).into_iter().cloned().collect();
    let mut widened = 0;
    let uniform = narrow(layout, &mut tables, before).and_then(|(uniform, narrow)| {
        widen_all(layout, &narrow, &mut widened)?;
        Ok(uniform)
    });
    Tables { tables, uniform, widened }
}

type Narrow<'t> = (&'t TableDef, PathBuf, SealedName);

/// Finds the files that lack columns. `tables` get the additional columns of the files.
fn narrow<'t>(
    layout: &Layout,
    tables: &'t mut [TableDef],
    before: &Uniform,
) -> Result<(Uniform, Vec<Narrow<'t>>), UniformError> {
    let mut uniform = Uniform::default();
    let mut narrow = Vec::new();
    for table in tables {
        let list = |error| UniformError::List { path: layout.table_folder(table.name), error };
        let files = rows_of(layout, table.name).map_err(list)?;
        // A file with another name is not ours.
        let files: Vec<_> = files.into_iter().filter_map(|RowFile { path, name }| Some((path, name?))).collect();
        let found = loop {
            let width = table.stored.len();
            let is_known = before.columns.get(table.name) == Some(&fingerprint(table));
            let mut found = Vec::new();
            for (path, name) in &files {
                uniform.through = uniform.through.max(name.last);
                if is_known && name.last <= before.through {
                    continue;
                }
                if !is_wide(layout, path, table).map_err(WidenError::from)? {
                    found.push((path.clone(), *name));
                }
            }
            // If columns were added, the first files must be checked again.
            if table.stored.len() == width {
                break found;
            }
        };
        let table: &'t TableDef = table;
        if !files.is_empty() {
            uniform.columns.insert(table.name.into(), fingerprint(table));
        }
        narrow.extend(found.into_iter().map(|(path, name)| (table, path, name)));
    }
    Ok((uniform, narrow))
}

fn widen_all(layout: &Layout, narrow: &[Narrow<'_>], widened: &mut usize) -> Result<(), UniformError> {
    if narrow.is_empty() {
        return Ok(());
    }
    let begun = Tidying::begin(layout).map_err(|error| UniformError::List { path: layout.tidying(), error })?;
    let _tidying = begun.ok_or(UniformError::Busy)?;
    for (table, path, name) in narrow {
        match widen(layout, path, *name, table) {
            Ok(()) => *widened += 1,
            // Deleted as too old since it was listed.
            Err(WidenError::Read(error)) if error.is_gone() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn fingerprint(table: &TableDef) -> String {
    let words = table.stored.iter().map(|column| format!("{} {}", column.name, column.ty));
    // Version 0.1.0 wrote text as categories: what it knew about its files does not count.
    let words = std::iter::once("text as text".to_string()).chain(words).collect::<Vec<_>>();
    format!("{:08x}", crate::store::checksums::crc(words.join("\n").as_bytes()))
}
