//! Encodes a tick: each value as its difference from the same position in the previous block of its table.
//!
//! Most values do not change from one second to the next, and an unchanged value takes one byte. Payload:
//!
//! ```text
//! restart                                    1: a full frame; discard all earlier state
//! tick, Δts_us, Δmono_ns, phase             variable-length integers; Δ against the previous frame, zigzag
//! texts: count, then length and bytes       texts that are new in this journal; ids count up from 0
//! blocks: count, then for each block
//!   table, flags [Δts_us against the tick] [elapsed_s as f64]
//!   rows, length of the cells in bytes, cells row by row
//! ```
//!
//! A cell is 0 for null, otherwise 1 + zigzag(word − previous word at that position). A word is the integer, the id of
//! the text, or 0 or 1; for a float, its bits XOR the previous bits in reversed byte order, so that an unchanged value
//! is 0 and a value with few digits is small.
//!
//! A damaged frame makes the following frames unreadable, up to the next full one. So the encoder writes a full frame
//! whenever the journal has grown by `FULL_EVERY` times the size of the last full frame: this costs less than 1 % of
//! the bytes.

use super::{Header, StoredType};
use crate::table::TableDef;
use crate::table::sample::{Block, Cell, Sample, Stamp, Texts};

/// Number and time of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickStamp {
    pub number: u64,
    /// Wall clock at the start of the tick, microseconds since the epoch.
    pub ts_us: i64,
    /// `CLOCK_MONOTONIC` at the start of the tick.
    pub mono_ns: u64,
}

/// Bytes between two full frames, as a multiple of the size of a full frame.
const FULL_EVERY: usize = 128;

const OWN_TS: u8 = 1;
const OWN_ELAPSED: u8 = 2;

fn put(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

/// Writes `v + 1`, which needs a 65th bit for the largest difference.
fn put_cell(out: &mut Vec<u8>, v: u64) {
    match v.checked_add(1) {
        Some(v) => put(out, v),
        None => out.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]),
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends the payload of a frame that repeats the journal's header: a full frame without rows and with one text, the
/// header. A reader that does not know about repeated headers ignores it.
pub fn repeat_header(header: &str, out: &mut Vec<u8>) {
    // Full, tick 0, no time, no phase, one text.
    out.extend_from_slice(&[1, 0, 0, 0, 0, 1]);
    put_text(out, header);
    put(out, 0);
}

/// The header, if this payload repeats it.
pub fn repeated_header(payload: &[u8]) -> Option<&str> {
    let mut bytes = Bytes(payload);
    // Full, tick, time, phase, texts.
    let [full, _, _, _, _, texts] = std::array::from_fn(|_| bytes.number().ok());
    let length = bytes.count().ok().filter(|_| full == Some(1) && texts > Some(0))?;
    let text = std::str::from_utf8(bytes.take(length).ok()?).ok()?;
    text.starts_with("{\"version\":").then_some(text)
}

/// Can this payload be read without the frames before it?
pub fn is_full(payload: &[u8]) -> bool {
    payload.first() == Some(&1)
}

/// The words of the previous block of the table. A missing position counts as 0.
#[derive(Clone, Default)]
struct Previous(Vec<u64>);

impl Previous {
    fn at(&mut self, i: usize) -> &mut u64 {
        if i >= self.0.len() {
            self.0.resize(i + 1, 0);
        }
        &mut self.0[i]
    }
}

/// Encodes the ticks of one journal.
pub struct Encoder {
    types: Vec<Vec<StoredType>>,
    previous: Vec<Previous>,
    last: TickStamp,
    /// Maps a text id of the sample to its id in this journal.
    ids: Vec<Option<u32>>,
    texts: u32,
    restart: bool,
    cells: Vec<u8>,
    /// Bytes of the last full frame without the header, and bytes of all frames since then.
    full: usize,
    since: usize,
    /// The header, to be repeated away from the first one.
    header: Option<String>,
}

impl Encoder {
    pub fn new(catalog: &[TableDef]) -> Self {
        Encoder {
            types: catalog.iter().map(|t| t.raw.iter().map(|c| c.ty.into()).collect()).collect(),
            previous: vec![Previous::default(); catalog.len()],
            last: TickStamp::default(),
            ids: Vec::new(),
            texts: 0,
            restart: false,
            cells: Vec::new(),
            full: 0,
            since: 0,
            header: None,
        }
    }

    /// Repeats the header in the second full frame, because damage often affects the whole start of a file.
    #[must_use]
    pub fn repeating(self, header: String) -> Self {
        Encoder { header: Some(header), ..self }
    }

    /// The last encoded tick was not written to the file, so the next must not depend on it.
    pub fn restart(&mut self) {
        self.previous.iter_mut().for_each(|p| p.0.clear());
        self.last = TickStamp::default();
        self.ids.clear();
        self.texts = 0;
        self.restart = true;
    }

    /// Appends one tick to `out`. The encoder assumes that it will be written.
    pub fn encode(&mut self, stamp: TickStamp, phase: Option<u32>, sample: &Sample, out: &mut Vec<u8>) {
        let begin = out.len();
        if self.since >= FULL_EVERY * self.full {
            self.restart();
        }
        let is_full = std::mem::take(&mut self.restart);
        put(out, is_full.into());
        put(out, stamp.number);
        put(out, zigzag(stamp.ts_us.wrapping_sub(self.last.ts_us)));
        put(out, zigzag(stamp.mono_ns.wrapping_sub(self.last.mono_ns) as i64));
        self.last = stamp;

        let used = sample.blocks.iter().flat_map(|b| sample.cells_of(b));
        let used = used.filter_map(|c| if let Cell::Text(id) = c { Some(*id) } else { None });
        self.ids.resize(sample.texts.len(), None);
        let header = if is_full && self.full > 0 { self.header.take() } else { None };
        let first_new = self.texts;
        self.texts += u32::from(header.is_some());
        let mut new = Vec::new();
        for id in used.chain(phase) {
            if let Some(slot @ None) = self.ids.get_mut(id as usize) {
                *slot = Some(self.texts);
                self.texts += 1;
                new.push(id);
            }
        }
        put(out, phase.and_then(|id| self.ids.get(id as usize).copied().flatten()).map_or(0, |id| u64::from(id) + 1));
        put(out, u64::from(self.texts - first_new));
        header.iter().for_each(|header| put_text(out, header));
        for id in new {
            put_text(out, sample.texts.get(id).unwrap_or_default());
        }

        put(out, sample.blocks.len() as u64);
        for block in &sample.blocks {
            self.block(stamp, block, sample.cells_of(block), out);
        }
        let bytes = out.len() - begin - header.map_or(0, |header| header.len());
        (self.full, self.since) = if is_full { (bytes, 0) } else { (self.full, self.since + bytes) };
    }

    fn block(&mut self, tick: TickStamp, block: &Block, cells: &[Cell], out: &mut Vec<u8>) {
        put(out, block.table as u64);
        match block.stamp {
            None => out.push(0),
            Some(Stamp { ts_us, elapsed_s }) => {
                out.push(OWN_TS | if elapsed_s.is_some() { OWN_ELAPSED } else { 0 });
                put(out, zigzag(ts_us.wrapping_sub(tick.ts_us)));
                if let Some(seconds) = elapsed_s {
                    out.extend_from_slice(&seconds.to_le_bytes());
                }
            }
        }
        put(out, block.rows as u64);
        let types = &self.types[block.table];
        let previous = &mut self.previous[block.table];
        self.cells.clear();
        for (i, cell) in cells.iter().enumerate() {
            let before = previous.at(i);
            let word = match (cell, types[i % types.len()]) {
                (Cell::Int(v), StoredType::Int) => *v as u64,
                (Cell::Bool(v), StoredType::Bool) => u64::from(*v),
                (Cell::Text(id), StoredType::Text) => match self.ids.get(*id as usize) {
                    Some(Some(id)) => u64::from(*id),
                    _ => {
                        self.cells.push(0);
                        continue;
                    }
                },
                (Cell::Float(v), StoredType::Float) => v.to_bits(),
                (Cell::Int(v), StoredType::Float) => (*v as f64).to_bits(),
                // Null. A value with a type other than declared is also stored as null.
                _ => {
                    self.cells.push(0);
                    continue;
                }
            };
            let difference = match types[i % types.len()] {
                StoredType::Float => (word ^ *before).swap_bytes(),
                _ => zigzag(word.wrapping_sub(*before) as i64),
            };
            *before = word;
            put_cell(&mut self.cells, difference);
        }
        put(out, self.cells.len() as u64);
        out.extend_from_slice(&self.cells);
    }
}

/// Reads what [`Encoder`] wrote. The CRC shows that the bytes are unchanged, but this code still does not trust them.
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

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn wide(&mut self) -> Result<u128, Malformed> {
        let mut v = 0u128;
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first().ok_or(Malformed)?;
            v |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(v);
            }
        }
        Err(Malformed)
    }
    fn number(&mut self) -> Result<u64, Malformed> {
        u64::try_from(self.wide()?).map_err(|_| Malformed)
    }
    fn signed(&mut self) -> Result<i64, Malformed> {
        self.number().map(unzigzag)
    }
    /// A count of items of at least one byte each, so a wrong count cannot cause a large allocation.
    fn count(&mut self) -> Result<usize, Malformed> {
        let n = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        if n > self.0.len() { Err(Malformed) } else { Ok(n) }
    }
    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

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
    /// [`Malformed`], after which only a [full](is_full) frame can be decoded.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::{Table, Unit, counter, entity, flag, gauge_float};

    type Row = (Option<String>, Option<i64>, Option<f64>, Option<bool>);

    static TABLE: Table<Row> = Table {
        name: "t",
        source: "",
        doc: "",
        columns: &[
            entity("name", "", |r: &Row| r.0.as_deref().into()),
            counter("count", Unit::Count, "", |r: &Row| r.1.into()),
            gauge_float("level", Unit::None, "", |r: &Row| r.2.into()),
            flag("on", "", |r: &Row| r.3.into()),
        ],
    };

    fn cells(row: &Row, texts: &Texts) -> Vec<String> {
        let text = row.0.as_deref().map_or("null".into(), |t| format!("{t:?}"));
        let _ = texts;
        let float = row.2.filter(|f| f.is_finite());
        vec![text, format!("{:?}", row.1), format!("{:?}", float.map(f64::to_bits)), format!("{:?}", row.3)]
    }

    fn show(cell: &Cell, column: usize, texts: &Texts) -> String {
        match (cell, column) {
            (Cell::Null, 0) => "null".into(),
            (Cell::Null, 1) => format!("{:?}", None::<i64>),
            (Cell::Null, 2) => format!("{:?}", None::<u64>),
            (Cell::Null, _) => format!("{:?}", None::<bool>),
            (Cell::Int(v), _) => format!("{:?}", Some(v)),
            (Cell::Float(v), _) => format!("{:?}", Some(v.to_bits())),
            (Cell::Bool(v), _) => format!("{:?}", Some(v)),
            (Cell::Text(id), _) => format!("{:?}", texts.get(*id).unwrap()),
        }
    }

    fn row() -> impl Strategy<Value = Row> {
        let int = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), 0..9i64];
        (prop::option::of("[a-c]{0,2}"), prop::option::of(int), prop::option::of(any::<f64>()), any::<Option<bool>>())
    }

    proptest! {
        #[test]
        fn decoding_returns_what_was_encoded(
            ticks in prop::collection::vec(
                (any::<i64>(), any::<u64>(), prop::collection::vec(row(), 1..6), any::<Option<i64>>()), 1..8)
        ) {
            let catalog = [TABLE.def()];
            let mut sample = Sample::new(&catalog);
            let mut encoder = Encoder::new(&catalog);
            let mut decoder = Decoder::new(&Header::new("w".into(), 1, &catalog));
            let mut decoded = Decoded::default();
            for (number, (ts_us, mono_ns, rows, own)) in ticks.into_iter().enumerate() {
                sample.clear();
                match own {
                    Some(ts_us) => sample.push_at(&TABLE, Stamp { ts_us, elapsed_s: Some(1.5) }, &rows),
                    None => sample.push(&TABLE, &rows),
                }
                let stamp = TickStamp { number: number as u64, ts_us, mono_ns };
                let phase = (number % 2 == 1).then(|| sample.texts.intern("warm up"));
                let mut payload = Vec::new();
                encoder.encode(stamp, phase, &sample, &mut payload);
                decoder.decode(&payload, |_| true, &mut decoded).unwrap();
                prop_assert_eq!(decoded.stamp, stamp);
                prop_assert_eq!(decoded.phase.and_then(|id| decoder.texts.get(id)), phase.map(|_| "warm up"));
                prop_assert_eq!(decoded.blocks[0].stamp, own.map(|ts_us| Stamp { ts_us, elapsed_s: Some(1.5) }));
                for (read, row) in decoded.cells.chunks(4).zip(&rows) {
                    let read: Vec<_> = read.iter().enumerate().map(|(i, c)| show(c, i, &decoder.texts)).collect();
                    prop_assert_eq!(read, cells(row, &decoder.texts));
                }
            }
        }

        #[test]
        fn no_bytes_cause_a_panic_or_a_large_allocation(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let catalog = [TABLE.def()];
            let mut decoder = Decoder::new(&Header::new("w".into(), 1, &catalog));
            let mut decoded = Decoded::default();
            let _ = decoder.decode(&payload, |_| true, &mut decoded);
            prop_assert!(decoded.cells.len() <= payload.len());
        }
    }

    #[test]
    fn the_next_tick_is_readable_if_one_was_not_written() {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        let mut encoder = Encoder::new(&catalog);
        let mut decoder = Decoder::new(&Header::new("w".into(), 1, &catalog));
        let mut decoded = Decoded::default();
        for number in 0..6u64 {
            sample.clear();
            sample.push(&TABLE, &[(Some(format!("row {number}")), Some(1000 + number as i64), Some(0.5), None)]);
            let mut payload = Vec::new();
            encoder.encode(TickStamp { number, ts_us: 5, mono_ns: 5 }, None, &sample, &mut payload);
            if number % 3 == 1 {
                encoder.restart();
                continue;
            }
            decoder.decode(&payload, |_| true, &mut decoded).unwrap();
            assert_eq!(decoded.stamp.ts_us, 5);
            assert_eq!(decoded.cells[1], Cell::Int(1000 + number as i64));
            assert_eq!(show(&decoded.cells[0], 0, &decoder.texts), format!("\"row {number}\""));
        }
    }

    #[test]
    fn an_unchanged_value_takes_a_byte() {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        let mut encoder = Encoder::new(&catalog);
        sample.push(&TABLE, &[(Some("sda".to_string()), Some(123_456_789), Some(0.1), Some(true))]);
        let mut first = Vec::new();
        encoder.encode(TickStamp { number: 1, ts_us: 1, mono_ns: 1 }, None, &sample, &mut first);
        let mut second = Vec::new();
        encoder.encode(TickStamp { number: 2, ts_us: 2, mono_ns: 2 }, None, &sample, &mut second);
        // No restart, tick 2, both steps 1, no phase, no texts, one block: table 0, no flags, 1 row, 4 bytes for
        // unchanged values.
        assert_eq!(second, [0, 2, 2, 2, 0, 0, 1, 0, 0, 1, 4, 1, 1, 1, 1]);
        assert!(first.len() > second.len());
    }
}
