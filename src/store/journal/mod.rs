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
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::table::{Declaration, TableDef, Type};

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
    /// What the tables and their columns mean: their [declarations](Declaration) as JSON, compressed by zstd, in base64. A journal of version 0.1.0 has
    /// none, and neither has a header that is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declarations: Option<String>,
}

/// A table as the writer knew it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderTable {
    pub name: String,
    /// The raw columns, in the order in which a row has them.
    pub columns: Vec<(String, StoredType)>,
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
        let columns = |t: &TableDef| t.raw.iter().map(|c| (c.name.to_string(), c.ty.into())).collect();
        let tables = catalog.iter().map(|t| HeaderTable { name: t.name.to_string(), columns: columns(t) }).collect();
        Header { version: VERSION, window, session, tables, declarations: None }
    }

    /// With what its tables mean.
    #[must_use]
    pub fn declaring(self, catalog: &[TableDef]) -> Self {
        Header { declarations: packed(catalog), ..self }
    }

    /// The tables of the rows: as they are known, with the columns that only the writer knew, and tables that only it knew.
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

/// The declarations of a build are some 50 kB, a fifth of it when they are compressed.
const LEVEL: i32 = 3;
/// No build declares more; a file may be made so that it seems to.
const MOST_BYTES: usize = 16 << 20;

/// The declarations of these tables, packed. Nearly always they are those of the last time.
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

/// JSON, compressed by zstd, in base64.
fn pack(declarations: &[Declaration]) -> Option<String> {
    let json = serde_json::to_vec(declarations).ok()?;
    Some(BASE64.encode(zstd::bulk::compress(&json, LEVEL).ok()?))
}

fn unpack(text: &str) -> Option<Vec<Declaration>> {
    let bytes = BASE64.decode(text).ok()?;
    let json = zstd::bulk::Decompressor::upper_bound(&bytes).filter(|bound| *bound <= MOST_BYTES);
    serde_json::from_slice(&zstd::bulk::decompress(&bytes, json?).ok()?).ok()
}
