//! Decodes ticks.

use super::numbers::{Bytes, unzigzag};
use super::{OWN_ELAPSED, OWN_TS, Previous, TickStamp};
use crate::store::journal::{Header, StoredType};
use crate::table::sample::{Block, Cell, Stamp, Texts};

/// Reads what [`Encoder`](super::Encoder) wrote. The CRC shows that the bytes are unchanged, but this code still does
/// not trust them.
pub struct Decoder {
    types: Vec<Vec<StoredType>>,
    previous: Vec<Previous>,
    last: TickStamp,
    pub texts: Texts,
    /// Text ids in order of appearance. They differ from the ids of the interning table if a text occurs twice.
    ids: Vec<u32>,
}

/// One decoded tick. Text cells are ids of [`Decoder::texts`].
#[derive(Debug, Default, PartialEq)]
pub struct Decoded {
    pub stamp: TickStamp,
    pub phase: Option<u32>,
    /// The tables are numbered as in the journal's header.
    pub blocks: Vec<Block>,
    pub cells: Vec<Cell>,
    /// Table and row count of every block, also of unwanted tables.
    pub rows: Vec<(usize, usize)>,
}

/// The payload is invalid.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl Decoder {
    pub fn new(header: &Header) -> Self {
        Decoder {
            types: header.tables.iter().map(|t| t.columns.iter().map(|(_, ty)| *ty).collect()).collect(),
            previous: vec![Previous::default(); header.tables.len()],
            last: TickStamp::default(),
            texts: Texts::default(),
            ids: Vec::new(),
        }
    }

    /// Decodes one tick into `into`. The cells of tables for which `wanted` is false are skipped.
    ///
    /// # Errors
    /// [`Malformed`], after which only a [full](super::is_full) frame can be decoded.
    pub fn decode(
        &mut self,
        payload: &[u8],
        wanted: impl Fn(usize) -> bool,
        into: &mut Decoded,
    ) -> Result<(), Malformed> {
        into.blocks.clear();
        into.cells.clear();
        into.rows.clear();
        let mut bytes = Bytes(payload);
        match bytes.number()? {
            0 => {}
            1 => {
                self.previous.iter_mut().for_each(|p| p.0.clear());
                self.last = TickStamp::default();
                self.ids.clear();
            }
            _ => return Err(Malformed),
        }
        self.last = TickStamp {
            number: bytes.number()?,
            ts_us: self.last.ts_us.wrapping_add(bytes.signed()?),
            mono_ns: self.last.mono_ns.wrapping_add(bytes.signed()? as u64),
        };
        into.stamp = self.last;
        let phase = bytes.number()?;
        for _ in 0..bytes.count()? {
            let length = bytes.count()?;
            let text = std::str::from_utf8(bytes.take(length)?).map_err(|_| Malformed)?;
            self.ids.push(self.texts.intern(text));
        }
        into.phase = match phase {
            0 => None,
            id => Some(self.text_id(id - 1)?),
        };
        for _ in 0..bytes.count()? {
            let table = usize::try_from(bytes.number()?).map_err(|_| Malformed)?;
            let width = self.types.get(table).ok_or(Malformed)?.len();
            let flags = *bytes.take(1)?.first().ok_or(Malformed)?;
            let mut stamp = None;
            if flags & OWN_TS != 0 {
                let ts_us = self.last.ts_us.wrapping_add(bytes.signed()?);
                let elapsed_s = if flags & OWN_ELAPSED != 0 {
                    Some(f64::from_le_bytes(bytes.take(8)?.try_into().map_err(|_| Malformed)?))
                } else {
                    None
                };
                stamp = Some(Stamp { ts_us, elapsed_s });
            }
            let rows = usize::try_from(bytes.number()?).map_err(|_| Malformed)?;
            let length = bytes.count()?;
            let cells = bytes.take(length)?;
            // Every cell takes at least one byte.
            let count = rows.checked_mul(width).filter(|n| *n <= cells.len()).ok_or(Malformed)?;
            into.rows.push((table, rows));
            if wanted(table) {
                let start = into.cells.len();
                self.cells(table, count, cells, &mut into.cells)?;
                into.blocks.push(Block { table, stamp, rows, start });
            }
        }
        if bytes.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    fn text_id(&self, id: u64) -> Result<u32, Malformed> {
        usize::try_from(id).ok().and_then(|id| self.ids.get(id)).copied().ok_or(Malformed)
    }

    fn cells(&mut self, table: usize, count: usize, bytes: &[u8], out: &mut Vec<Cell>) -> Result<(), Malformed> {
        let mut bytes = Bytes(bytes);
        for i in 0..count {
            let code = bytes.wide()?;
            let Some(difference) = code.checked_sub(1) else {
                out.push(Cell::Null);
                continue;
            };
            let difference = u64::try_from(difference).map_err(|_| Malformed)?;
            let types = &self.types[table];
            let ty = types[i % types.len()];
            let before = self.previous[table].at(i);
            let word = match ty {
                StoredType::Float => *before ^ difference.swap_bytes(),
                _ => before.wrapping_add(unzigzag(difference) as u64),
            };
            *before = word;
            out.push(match ty {
                StoredType::Int => Cell::Int(word as i64),
                StoredType::Float => Cell::Float(f64::from_bits(word)),
                StoredType::Bool => Cell::Bool(word != 0),
                StoredType::Text => Cell::Text(self.text_id(word)?),
            });
        }
        if bytes.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
