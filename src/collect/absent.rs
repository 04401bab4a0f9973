//! Which columns have no value in the first reading. Reported once at the start and stored in the manifest.

use crate::table::{StoredOrigin, Table, Value};

/// A note that names the columns that are null in `row` because this kernel does not provide their fields.
pub fn note<R: 'static>(table: &Table<R>, row: &R) -> Option<String> {
    let def = table.def();
    let values: Vec<_> = table.getters().map(|get| get(row)).collect();
    let is_absent =
        |origin: &StoredOrigin| matches!(origin, StoredOrigin::Raw(i) if values.get(*i) == Some(&Value::Null));
    let absent: Vec<_> = def.stored.iter().filter(|c| is_absent(&c.origin)).map(|c| c.name).collect();
    if absent.is_empty() {
        return None;
    }
    Some(format!("no value on this kernel for {} ({})", absent.join(", "), table.source))
}
