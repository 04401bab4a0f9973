//! Names that are not compiled in: those of columns and tables declared in files.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::TableDef;

/// Returns the same text, kept until the process ends. Declarations repeat in every file of a table, so each text is
/// kept once; together they are some kilobytes.
pub fn intern(text: &str) -> &'static str {
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_with(HashSet::new);
    match known.get(text) {
        Some(text) => text,
        None => {
            let text: &'static str = Box::leak(text.into());
            known.insert(text);
            text
        }
    }
}

/// Returns the same table, kept until the process ends.
pub fn keep(table: TableDef) -> &'static TableDef {
    static KNOWN: Mutex<Vec<&'static TableDef>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.iter().find(|known| ***known == table) {
        return known;
    }
    let table: &'static TableDef = Box::leak(Box::new(table));
    known.push(table);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once() {
        let first = intern("of a test");
        assert_eq!(first, "of a test");
        assert!(std::ptr::eq(first, intern(&String::from("of a test"))));
    }
}
