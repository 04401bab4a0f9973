//! The values of one tick: rows of raw values, in buffers that are reused for every tick.

use std::collections::HashMap;

use super::{Table, TableDef, Value};

/// A raw value without owned data: text is an index into the [`Texts`] of the sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(u32),
}

/// Every text seen so far, stored once.
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

/// Time of a block of rows, if the collector knows it better than the tick (intervals of counted events).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    /// Wall clock, microseconds since the epoch.
    pub ts_us: i64,
    /// Length of the source's own interval.
    pub elapsed_s: Option<f64>,
}

/// Rows of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Index of the table in the catalog.
    pub table: usize,
    /// `None`: the time of the tick, and the time since the previous sample of the entity.
    pub stamp: Option<Stamp>,
    pub rows: usize,
    /// Index of the block's first cell in [`Sample::cells`].
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
    /// Values that could not be read. The recorder reports each message once and stores it with the collector.
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

    pub fn catalog(&self) -> &'c [TableDef] {
        self.catalog
    }

    /// Adds rows with the time of the tick.
    pub fn push<R: 'static>(&mut self, table: &Table<R>, rows: &[R]) {
        self.add(table, None, rows);
    }

    /// Adds a message about missing values or rows of this tick.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Adds rows with a separate time.
    pub fn push_at<R: 'static>(&mut self, table: &Table<R>, stamp: Stamp, rows: &[R]) {
        self.add(table, Some(stamp), rows);
    }

    /// An empty sample with the same text ids.
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

    /// Number of raw columns of a table.
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

    /// Removes everything added after `mark`, so that a collector that failed leaves no partial rows.
    pub fn rewind(&mut self, mark: (usize, usize)) {
        self.blocks.truncate(mark.0);
        self.cells.truncate(mark.1);
    }

    /// Removes and returns all texts. Also removes all rows, because their text ids become invalid.
    pub fn take_texts(&mut self) -> Texts {
        self.clear();
        std::mem::take(&mut self.texts)
    }

    /// Prepares the sample for the next tick; the texts are kept.
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
