//! Every table there is, in the order in which users meet them.

use std::sync::OnceLock;

use crate::collectors::REGISTRY;
use crate::health;
use crate::mark;
use crate::schema::TableDef;

/// All tables: the recorder's own, then the collectors', then what was said about the work.
pub fn tables() -> &'static [TableDef] {
    static TABLES: OnceLock<Vec<TableDef>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let collected = REGISTRY.iter().flat_map(|c| c.tables.iter().map(|table| table()));
        health::tables().into_iter().chain(collected).chain([mark::table::TABLE.def()]).collect()
    })
}

/// The table of this name.
pub fn table(name: &str) -> Option<&'static TableDef> {
    tables().iter().find(|t| t.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::schema::{ELAPSED_S, Kind, PHASE, TS, Type};

    #[test]
    fn every_column_is_declared_as_the_house_asks() {
        let mut names = HashSet::new();
        for table in tables() {
            assert!(names.insert(table.name), "two tables {}", table.name);
            assert!(!table.doc.is_empty() && !table.source.is_empty(), "{}", table.name);
            let mut columns = HashSet::from([TS, ELAPSED_S, PHASE, "host"]);
            for c in &table.stored {
                let at = format!("{}.{}", table.name, c.name);
                assert!(columns.insert(c.name), "{at} twice, or a reserved name");
                assert!(c.doc.ends_with('.'), "{at}: a sentence, please: {:?}", c.doc);
                let suffixes = c.unit.suffixes();
                assert!(
                    suffixes.is_empty() || suffixes.iter().any(|s| c.name.ends_with(s)),
                    "{at}: unit {:?} but none of {suffixes:?}",
                    c.unit
                );
                if c.kind == Kind::Interval {
                    assert_eq!(c.ty, Type::Float64, "{at}");
                }
            }
        }
    }
}
