//! The rows of a recording as text.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use perfwatch::collect::catalog;
use perfwatch::store::read::piece::{Source, Window};

/// The given columns of a table in order of time, as text; nulls as "null".
pub fn rows(recording: &Path, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let recording = perfwatch::store::read::open(recording, catalog::tables()).unwrap();
    let table = catalog::table(table).unwrap();
    let mut problems = Vec::new();
    let mut rows = Vec::new();
    for piece in recording.pieces(table, Window::ALL, &mut problems) {
        let mut of_piece = vec![Vec::new(); piece.rows()];
        for column in columns {
            let chunks = piece.column(column).unwrap();
            let mut at = 0;
            for chunk in &chunks {
                for i in 0..chunk.len() {
                    of_piece[at].push(text(chunk, i));
                    at += 1;
                }
            }
        }
        rows.extend(of_piece);
    }
    assert!(problems.is_empty(), "{problems:?}");
    rows
}

/// A value as text, a stamp in UTC without its zone; null as "null".
fn text(chunk: &ArrayRef, row: usize) -> String {
    if chunk.is_null(row) {
        "null".to_string()
    } else if let Some(ints) = chunk.as_primitive_opt::<Int64Type>() {
        ints.value(row).to_string()
    } else if let Some(ints) = chunk.as_primitive_opt::<Int32Type>() {
        ints.value(row).to_string()
    } else if let Some(floats) = chunk.as_primitive_opt::<Float64Type>() {
        format!("{:?}", floats.value(row))
    } else if let Some(stamps) = chunk.as_primitive_opt::<TimestampMicrosecondType>() {
        format!("{:?}", stamps.value_as_datetime(row).unwrap())
    } else if let Some(bools) = chunk.as_boolean_opt() {
        bools.value(row).to_string()
    } else {
        let dictionary = chunk.as_dictionary::<Int32Type>();
        let key = usize::try_from(dictionary.keys().value(row)).unwrap();
        dictionary.values().as_string::<i32>().value(key).to_string()
    }
}

/// All rows of all tables, with all columns.
pub fn everything(recording: &Path) -> Vec<(&'static str, Vec<Vec<String>>)> {
    let all = |table: &'static perfwatch::table::TableDef| {
        let common = [perfwatch::table::TS, perfwatch::table::ELAPSED_S, perfwatch::table::PHASE];
        let columns: Vec<&str> = common.into_iter().chain(table.stored.iter().map(|c| c.name)).collect();
        (table.name, rows(recording, table.name, &columns))
    };
    catalog::tables().iter().map(all).collect()
}

/// One column of a table.
pub fn column(recording: &Path, table: &str, name: &str) -> Vec<String> {
    rows(recording, table, &[name]).into_iter().map(|mut row| row.remove(0)).collect()
}
