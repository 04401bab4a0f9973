//! Encodes ticks.

use super::numbers::{put, put_cell, put_text, zigzag};
use super::{OWN_ELAPSED, OWN_TS, Previous, TickStamp};
use crate::store::journal::StoredType;
use crate::table::TableDef;
use crate::table::sample::{Block, Cell, Sample, Stamp};

/// Bytes between two full frames, as a multiple of the size of a full frame.
const FULL_EVERY: usize = 128;

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
