//! The open hour: an append-only file that survives a crash.
//!
//! A journal is a series of [frames](frame), each with its length and a CRC-32. The first holds the [`Header`]: which window
//! it is of, and which columns its rows have, so that a later version can still read it. Every later frame is one
//! [tick](codec) of all tables, written by one `write()`: a killed recorder loses at most the tick in the making, and a
//! reader takes whole ticks only. Behind damage it goes on at the next tick that does not build on those before it; the
//! header is there more than once.
//!
//! Only raw values are journalled. Rates are derived when the rows become Parquet or are reported, by the same code; what
//! that needs from before the first tick is repeated at the head of the file as *baseline* frames.

pub mod codec;
pub mod frame;
mod reader;
mod tail;
mod writer;

pub use reader::{Journal, JournalError, Walk};
pub use tail::{Damage, Tail};
pub use writer::Writer;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::schema::{Declaration, TableDef, Type};

/// Version of the journal's frames and their payload.
pub const VERSION: u32 = 1;

/// The first frame of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub version: u32,
    /// The UTC window that its ticks belong to, as it stands in the file names: `20261120T0700Z`.
    pub window: String,
    /// The session of the manifest that wrote it.
    pub session: u32,
    pub tables: Vec<HeaderTable>,
}

/// A table as the writer knew it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderTable {
    pub name: String,
    /// The raw columns, in the order in which a row has them.
    pub columns: Vec<(String, StoredType)>,
    /// What the columns mean; nothing in a journal of version 0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declaration: Option<Declaration>,
}

/// A raw column's type, by its name in the header.
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
        let tables = catalog.iter().map(|table| HeaderTable {
            name: table.name.to_string(),
            columns: table.raw.iter().map(|c| (c.name.to_string(), c.ty.into())).collect(),
            declaration: Some(table.declaration()),
        });
        Header { version: VERSION, window, session, tables: tables.collect() }
    }

    /// The tables of the rows: as they are known, with the columns that only the writer knew, and tables that only it knew.
    pub fn tables<'t>(&self, known: &'t [TableDef]) -> Vec<Cow<'t, TableDef>> {
        let of_name = |name: &str| self.tables.iter().find(|table| table.name == name);
        let ours = known.iter().filter_map(|table| of_name(table.name).map(|header| header.with(table)));
        let is_unknown = |header: &&HeaderTable| known.iter().all(|table| table.name != header.name);
        let others = self.tables.iter().filter(is_unknown).filter_map(HeaderTable::declared).map(Cow::Owned);
        ours.chain(others).collect()
    }
}

impl HeaderTable {
    fn declared(&self) -> Option<TableDef> {
        self.declaration.as_ref()?.table().filter(|table| table.name == self.name)
    }

    fn with<'t>(&self, known: &'t TableDef) -> Cow<'t, TableDef> {
        let more = self.declared().and_then(|declared| known.with_columns_of(&declared));
        more.map_or(Cow::Borrowed(known), Cow::Owned)
    }
}
