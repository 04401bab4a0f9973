//! Combines the declarations of a table by several builds.

use super::def::{RawColumn, ResolvedFormula, StoredColumn, StoredOrigin, TableDef};

impl TableDef {
    /// This table with the additional columns of another declaration, after its own. `None` if there are none.
    ///
    /// Columns in both are taken from this one: a published column never changes its type, unit or meaning.
    pub fn with_columns_of(&self, other: &TableDef) -> Option<TableDef> {
        let is_new = |column: &&StoredColumn| self.stored.iter().all(|own| own.name != column.name);
        let more: Vec<&StoredColumn> = other.stored.iter().filter(is_new).collect();
        if more.is_empty() {
            return None;
        }
        let mut table = self.clone();
        for column in more {
            let mut index = |i: &usize| place(&mut table.raw, &other.raw, *i);
            let origin = match &column.origin {
                StoredOrigin::Raw(i) => StoredOrigin::Raw(index(i)),
                StoredOrigin::Derived(f) => resolved(f, index),
            };
            table.stored.push(StoredColumn { origin, ..column.clone() });
        }
        Some(table)
    }
}

fn resolved(formula: &ResolvedFormula, mut index: impl FnMut(&usize) -> usize) -> StoredOrigin {
    StoredOrigin::Derived(ResolvedFormula {
        of: formula.of.iter().map(&mut index).collect(),
        over: formula.over.as_ref().map(|over| over.iter().map(&mut index).collect()),
        ..formula.clone()
    })
}

/// The index of another table's raw column in `raw`, to which it is added if missing.
fn place(raw: &mut Vec<RawColumn>, others: &[RawColumn], i: usize) -> usize {
    let other = others[i];
    if let Some(at) = raw.iter().position(|column| column.name == other.name) {
        return at;
    }
    let at = raw.len();
    raw.push(RawColumn { while_same: None, limit: None, ..other });
    let while_same = other.while_same.map(|i| place(raw, others, i));
    let limit = other.limit.map(|i| place(raw, others, i));
    raw[at] = RawColumn { while_same, limit, ..other };
    at
}
