//! What the collectors said at one tick: rows of raw values, in buffers that are used again at every tick.

use std::collections::HashMap;

use super::{Table, TableDef, Value};

/// A raw value that owns nothing: text is an index into the [`Texts`] of the sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(u32),
}

/// Every text seen so far, each once.
#[derive(Clone, Default)]
pub struct Texts {
    by_text: HashMap<Box<str>, u32>,
    by_id: Vec<Box<str>>,
}

impl Texts {
    pub fn intern(&mut self, text: &str) -> u32 {
        if let Some(id) = self.by_text.get(text) {
            return *id;
        }
        let id = self.by_id.len() as u32;
        self.by_text.insert(text.into(), id);
        self.by_id.push(text.into());
        id
    }
    pub fn get(&self, id: u32) -> Option<&str> {
        self.by_id.get(id as usize).map(|t| &**t)
    }
    pub fn len(&self) -> usize {
        self.by_id.len()
    }
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// When a block of rows was taken, where the collector knows better than the tick (the intervals of counted events).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    /// Wall clock, microseconds since the epoch.
    pub ts_us: i64,
    /// The length of the source's own interval.
    pub elapsed_s: Option<f64>,
}

/// Rows of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Index of the table in the catalog.
    pub table: usize,
    /// `None`: the stamp of the tick, and the time since the entity's previous sample.
    pub stamp: Option<Stamp>,
    pub rows: usize,
    /// Where the block's cells lie in [`Sample::cells`].
    pub start: usize,
}

/// The rows of one tick.
pub struct Sample<'c> {
    catalog: &'c [TableDef],
    /// Wall clock at the start of the tick, microseconds since the epoch.
    pub ts_us: i64,
    /// `CLOCK_MONOTONIC` at the start of the tick.
    pub mono_ns: u64,
    pub blocks: Vec<Block>,
    pub cells: Vec<Cell>,
    pub texts: Texts,
    /// What could not be read although the rows stand: the recorder says each once and notes it with the collector.
    pub warnings: Vec<String>,
}

impl<'c> Sample<'c> {
    pub fn new(catalog: &'c [TableDef]) -> Self {
        Sample {
            catalog,
            ts_us: 0,
            mono_ns: 0,
            blocks: Vec::new(),
            cells: Vec::new(),
            texts: Texts::default(),
            warnings: Vec::new(),
        }
    }

    /// Adds rows that carry the tick's own stamp.
    pub fn push<R: 'static>(&mut self, table: &Table<R>, rows: &[R]) {
        self.add(table, None, rows);
    }

    /// Says why some of this tick's values or rows are missing.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Adds rows with a stamp of their own.
    pub fn push_at<R: 'static>(&mut self, table: &Table<R>, stamp: Stamp, rows: &[R]) {
        self.add(table, Some(stamp), rows);
    }

    /// An empty sample in which this one's text ids mean the same.
    pub fn empty_with_texts(&self) -> Sample<'c> {
        Sample {
            catalog: self.catalog,
            ts_us: self.ts_us,
            mono_ns: self.mono_ns,
            blocks: Vec::new(),
            cells: Vec::new(),
            texts: self.texts.clone(),
            warnings: Vec::new(),
        }
    }

    /// Raw columns of a table.
    pub fn width(&self, table: usize) -> usize {
        self.catalog[table].raw.len()
    }

    fn add<R: 'static>(&mut self, table: &Table<R>, stamp: Option<Stamp>, rows: &[R]) {
        let Some(index) = self.catalog.iter().position(|t| t.name == table.name) else {
            debug_assert!(false, "table {} is not in the catalog", table.name);
            return;
        };
        if rows.is_empty() {
            return;
        }
        let start = self.cells.len();
        for row in rows {
            for get in table.getters() {
                let cell = match get(row) {
                    Value::Null => Cell::Null,
                    Value::Int(v) => Cell::Int(v),
                    Value::Float(v) => Cell::Float(v),
                    Value::Bool(v) => Cell::Bool(v),
                    Value::Text(v) => Cell::Text(self.texts.intern(v)),
                };
                self.cells.push(cell);
            }
        }
        self.blocks.push(Block { table: index, stamp, rows: rows.len(), start });
    }

    /// The number of blocks and cells so far, for [`Sample::rewind`].
    pub fn mark(&self) -> (usize, usize) {
        (self.blocks.len(), self.cells.len())
    }

    /// Takes back what came after `mark`: a collector that failed half-way leaves no half row.
    pub fn rewind(&mut self, mark: (usize, usize)) {
        self.blocks.truncate(mark.0);
        self.cells.truncate(mark.1);
    }

    /// Forgets every text, and returns those that there were. No cell of this sample has one any more.
    pub fn take_texts(&mut self) -> Texts {
        self.clear();
        std::mem::take(&mut self.texts)
    }

    /// Ready for the next tick; the texts stay.
    pub fn clear(&mut self) {
        self.rewind((0, 0));
        self.warnings.clear();
    }

    /// Becomes a copy of another sample of the same catalog, with only the texts that are in its cells.
    pub fn copy_from(&mut self, other: &Sample<'_>) {
        drop(self.take_texts());
        (self.ts_us, self.mono_ns) = (other.ts_us, other.mono_ns);
        self.blocks.extend_from_slice(&other.blocks);
        for cell in &other.cells {
            let copy = match cell {
                Cell::Text(id) => other.texts.get(*id).map_or(Cell::Null, |text| Cell::Text(self.texts.intern(text))),
                other => *other,
            };
            self.cells.push(copy);
        }
    }

    /// The cells of one block.
    pub fn cells_of(&self, block: &Block) -> &[Cell] {
        let width = self.catalog[block.table].raw.len();
        &self.cells[block.start..block.start + block.rows * width]
    }
}
