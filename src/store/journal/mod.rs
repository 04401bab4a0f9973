//! The current hour: an append-only file that survives a crash.
//!
//! A journal is a series of [frames](frame), each with its length and a CRC-32. The first contains the [`Header`]: the
//! window, and the columns of the rows, so that later versions can read it. Every later frame is one [tick](codec) of
//! all tables, written with one `write()`: a killed recorder loses at most the tick that is being written, and readers
//! only see whole ticks. After damage, a reader continues at the next tick that does not depend on earlier ones. The
//! header is stored more than once.
//!
//! Only raw values are stored. The same code derives the rates when the rows are converted to Parquet or reported. The
//! rows from before the first tick that it needs are repeated at the start of the file as *baseline* frames.

pub mod codec;
pub mod frame;
mod reader;
mod tail;
mod writer;

pub use reader::{Journal, JournalError, Replayed};
pub use tail::{Damage, Tail};
pub use writer::Writer;

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::table::packed::{pack, unpack};
use crate::table::{Declaration, TableDef, Type};

/// Version of the frames and their payload.
pub const VERSION: u32 = 1;

/// The first frame of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub version: u32,
    /// The UTC window of its ticks, as in the file names: `20261120T0700Z`.
    pub window: String,
    /// Number of the session (in the manifest) that wrote it.
    pub session: u32,
    pub tables: Vec<HeaderTable>,
    /// The [declarations](Declaration) of the tables, [packed](crate::table::packed). Missing in journals of
    /// version 0.1.0 and in repeated headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declarations: Option<String>,
}

/// A table as the writer knew it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderTable {
    pub name: String,
    /// The raw columns, in the order of the cells of a row.
    pub columns: Vec<(String, StoredType)>,
}

/// Type of a raw column; the names are used in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredType {
    Int,
    Float,
    Bool,
    Text,
}

impl From<Type> for StoredType {
    fn from(ty: Type) -> Self {
        match ty {
            Type::Int32 | Type::Int64 => StoredType::Int,
            Type::Float64 => StoredType::Float,
            Type::Bool => StoredType::Bool,
            Type::Text => StoredType::Text,
        }
    }
}

impl Header {
    pub fn new(window: String, session: u32, catalog: &[TableDef]) -> Self {
        let columns = |t: &TableDef| t.raw.iter().map(|c| (c.name.to_string(), c.ty.into())).collect();
        let tables = catalog.iter().map(|t| HeaderTable { name: t.name.to_string(), columns: columns(t) }).collect();
        Header { version: VERSION, window, session, tables, declarations: None }
    }

    /// Adds the declarations of the tables.
    #[must_use]
    pub fn declaring(self, catalog: &[TableDef]) -> Self {
        Header { declarations: packed(catalog), ..self }
    }

    /// The definitions of the tables in this journal: known tables with additional columns of the writer, and tables
    /// that only the writer knew.
    pub fn tables<'t>(&self, known: &'t [TableDef]) -> Vec<Cow<'t, TableDef>> {
        let is_here = |name: &str| self.tables.iter().any(|table| table.name == name);
        if self.declarations.is_none() || self.declarations == packed(known) {
            return known.iter().filter(|table| is_here(table.name)).map(Cow::Borrowed).collect();
        }
        let declared: Vec<TableDef> = self.declared().iter().filter_map(Declaration::table).collect();
        let ours = known.iter().filter(|table| is_here(table.name)).map(|table| {
            let declared = declared.iter().find(|declared| declared.name == table.name);
            declared.and_then(|declared| table.with_columns_of(declared)).map_or(Cow::Borrowed(table), Cow::Owned)
        });
        let is_unknown = |table: &&TableDef| is_here(table.name) && known.iter().all(|known| known.name != table.name);
        let others = declared.iter().filter(is_unknown).map(|table| Cow::Owned(table.clone()));
        ours.chain(others).collect()
    }

    fn declared(&self) -> Vec<Declaration> {
        self.declarations.as_deref().and_then(unpack).unwrap_or_default()
    }
}

/// The packed declarations of these tables. The last result is cached, because the tables are nearly always the same.
fn packed(catalog: &[TableDef]) -> Option<String> {
    static LAST: Mutex<Option<(Vec<TableDef>, String)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, packed)) = last.as_ref().filter(|(tables, _)| tables == catalog) {
        return Some(packed.clone());
    }
    let declarations: Vec<Declaration> = catalog.iter().map(TableDef::declaration).collect();
    let packed = pack(&declarations)?;
    *last = Some((catalog.to_vec(), packed.clone()));
    Some(packed)
}
