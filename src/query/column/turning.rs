//! Turns a piece of a column: reorders its values from rows to groups.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use super::buffers::Buffers;
use crate::query::index::{PieceRows, RowIndex};
use crate::query::number::NULL;
use crate::query::patterns::{Block, Patterns, Selection};
use crate::query::read::wrong;
use crate::stats::float_key;
use crate::store::read::numbers::{NO_CODE, Numbers};
use crate::store::read::piece::{Piece, ReadError};

/// The values of a piece, ordered by group.
#[derive(Debug)]
pub enum Turned {
    Keys(Vec<i64>),
    /// Indexes into a list of keys, the first of which stands for no value.
    Codes {
        codes: Vec<u16>,
        keys: Vec<i64>,
    },
}

impl Turned {
    pub fn list(&self) -> Option<&[i64]> {
        match self {
            Turned::Keys(_) => None,
            Turned::Codes { keys, .. } => Some(keys),
        }
    }
}

/// A piece that is being turned.
pub struct Turning<'a> {
    patterns: &'a Patterns,
    blocks: &'a [Block],
    /// The number of rows of the first block that are done.
    in_block: usize,
    /// The number of values in the end.
    chosen: usize,
    turned: Option<Turned>,
    /// The last dictionary, and the index of its first key in the list.
    dictionary: Vec<i64>,
    first_code: usize,
    buffers: &'a Buffers,
    /// Where the next value of each group goes.
    places: &'a mut Vec<usize>,
}

impl<'a> Turning<'a> {
    pub fn new(index: &'a RowIndex, rows: &PieceRows, buffers: &'a Buffers, places: &'a mut Vec<usize>) -> Self {
        places.resize(index.groups.len(), 0);
        let mut start = 0;
        for (group, rows) in &rows.groups {
            if let Some(place) = places.get_mut(*group as usize) {
                *place = start;
            }
            start += rows;
        }
        let blocks = index.patterns.blocks.get(rows.blocks.clone()).unwrap_or_default();
        let (patterns, chosen) = (&index.patterns, rows.chosen);
        let (turned, dictionary) = (None, Vec::new());
        Turning { patterns, blocks, in_block: 0, chosen, turned, dictionary, first_code: 0, buffers, places }
    }

    /// The values, and whether they are floats.
    pub fn piece(mut self, piece: &dyn Piece, name: &str) -> Result<(Turned, bool), ReadError> {
        let mut is_float = Some(false);
        piece.numbers(name, &mut |numbers| is_float = is_float.and_then(|_| self.numbers(&numbers)))?;
        let is_float = is_float.ok_or_else(|| wrong(piece, name))?;
        let turned = self.turned.unwrap_or_else(|| Turned::Keys(self.buffers.keys.take(self.chosen, NULL)));
        Ok((turned, is_float))
    }

    /// Adds rows. Returns whether they contain floats; `None` for a type that is not summarised.
    fn numbers(&mut self, numbers: &Numbers<'_>) -> Option<bool> {
        match *numbers {
            Numbers::Array(array) => self.array(array),
            Numbers::Plain { bits, valid, is_float } => {
                let of_row = |row: usize| bits.get(row).map_or(NULL, |bits| bits_to_key(*bits, is_float));
                match valid {
                    None => self.keys(bits.len(), of_row),
                    Some(valid) => {
                        self.keys(bits.len(), |row| if valid.get(row) == Some(&true) { of_row(row) } else { NULL });
                    }
                }
                Some(is_float)
            }
            Numbers::Coded { codes, dictionary, is_float } => {
                if self.dictionary != dictionary || self.turned.is_none() {
                    self.begin(dictionary, is_float);
                }
                self.codes(codes, is_float);
                Some(is_float)
            }
        }
    }

    /// Starts another dictionary. Its keys are added to the list as long as the list is short compared to the rows.
    fn begin(&mut self, dictionary: &[i64], is_float: bool) {
        const ROWS_PER_KEY: usize = 8;
        self.dictionary.clear();
        self.dictionary.extend_from_slice(dictionary);
        let keys = dictionary.iter().map(|bits| bits_to_key(*bits, is_float));
        let is_short = |keys: usize| keys * ROWS_PER_KEY <= self.chosen && keys <= usize::from(u16::MAX);
        match &mut self.turned {
            Some(Turned::Codes { keys: list, .. }) if is_short(list.len() + dictionary.len()) => {
                self.first_code = list.len();
                list.extend(keys);
            }
            None if is_short(1 + dictionary.len()) => {
                self.first_code = 1;
                let codes = self.buffers.codes.take(self.chosen, 0);
                self.turned = Some(Turned::Codes { codes, keys: std::iter::once(NULL).chain(keys).collect() });
            }
            // From now on as keys.
            _ => self.keys(0, |_| NULL),
        }
    }

    fn codes(&mut self, codes: &[u32], is_float: bool) {
        if let Some(Turned::Codes { codes: slots, keys }) = self.turned.take_if(|t| matches!(t, Turned::Codes { .. })) {
            let first = self.first_code as u32;
            let code = |code: &u32| if *code == NO_CODE { 0 } else { first.wrapping_add(*code) as u16 };
            let slots = self.turn(slots, codes.len(), |row| codes.get(row).map_or(0, code));
            self.turned = Some(Turned::Codes { codes: slots, keys });
            return;
        }
        let dictionary = std::mem::take(&mut self.dictionary);
        let bits = |row: usize| dictionary.get(*codes.get(row)? as usize);
        self.keys(codes.len(), |row| bits(row).map_or(NULL, |bits| bits_to_key(*bits, is_float)));
        self.dictionary = dictionary;
    }

    /// Adds an array, like [`Turning::numbers`].
    fn array(&mut self, array: &ArrayRef) -> Option<bool> {
        if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
            self.values(floats.values(), floats.nulls(), float_to_key);
            Some(true)
        } else if let Some(ints) = array.as_primitive_opt::<Int64Type>() {
            self.values(ints.values(), ints.nulls(), |v| v);
            Some(false)
        } else {
            let ints = array.as_primitive_opt::<Int32Type>()?;
            self.values(ints.values(), ints.nulls(), i64::from);
            Some(false)
        }
    }

    fn values<T: Copy>(&mut self, values: &[T], nulls: Option<&NullBuffer>, key: impl Fn(T) -> i64) {
        let of_row = |row: usize| values.get(row).map_or(NULL, |v| key(*v));
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            None => self.keys(values.len(), of_row),
            Some(nulls) if nulls.null_count() == values.len() => self.keys(values.len(), |_| NULL),
            Some(nulls) => self.keys(values.len(), |row| if nulls.is_valid(row) { of_row(row) } else { NULL }),
        }
    }

    /// Adds the next rows as keys.
    fn keys(&mut self, rows: usize, key: impl Fn(usize) -> i64) {
        let keys = match self.turned.take() {
            Some(Turned::Keys(keys)) => keys,
            Some(Turned::Codes { codes, keys: list }) => {
                let mut keys = self.buffers.keys.take(self.chosen, NULL);
                for (key, code) in keys.iter_mut().zip(&codes) {
                    *key = list.get(usize::from(*code)).copied().unwrap_or(NULL);
                }
                self.buffers.codes.give(codes);
                keys
            }
            None => self.buffers.keys.take(self.chosen, NULL),
        };
        self.turned = Some(Turned::Keys(self.turn(keys, rows, key)));
    }

    /// Puts the next rows in their places and returns the buffer.
    fn turn<T: Copy>(&mut self, mut slots: Vec<T>, rows: usize, value: impl Fn(usize) -> T) -> Vec<T> {
        let mut at = 0;
        while at < rows {
            let Some(block) = self.blocks.first() else { break };
            let length = (block.rows() - self.in_block).min(rows - at);
            if block.selection == Selection::Chosen {
                self.block(block, at, length, &mut slots, &value);
            }
            at += length;
            self.in_block += length;
            if self.in_block == block.rows() {
                self.blocks = self.blocks.get(1..).unwrap_or_default();
                self.in_block = 0;
            }
        }
        slots
    }

    /// Puts rows of a block in their places. The first of them is row `at` of the rows that are being added.
    fn block<T: Copy>(
        &mut self,
        block: &Block,
        mut at: usize,
        length: usize,
        slots: &mut [T],
        value: impl Fn(usize) -> T,
    ) {
        let pattern = self.patterns.pattern(block);
        let width = pattern.len().max(1);
        let end = at + length;
        let mut in_pattern = self.in_block % width;
        while at < end {
            let times = (end - at) / width;
            if in_pattern > 0 || times < 2 {
                // Part of a repetition, or only one.
                let rest = pattern.get(in_pattern..).unwrap_or_default();
                let groups = rest.get(..end - at).unwrap_or(rest);
                for (i, group) in groups.iter().enumerate() {
                    self.put(*group, 1, slots, |_| value(at + i));
                }
                at += groups.len().max(1);
                in_pattern = 0;
            } else {
                for (i, group) in pattern.iter().enumerate() {
                    self.put(*group, times, slots, |time| value(at + i + time * width));
                }
                at += times * width;
            }
        }
    }

    /// Puts the next values of a group in their places.
    #[inline]
    fn put<T: Copy>(&mut self, group: u32, values: usize, slots: &mut [T], value: impl Fn(usize) -> T) {
        let Some(place) = self.places.get_mut(group as usize) else { return };
        if let Some(slots) = slots.get_mut(*place..*place + values) {
            slots.iter_mut().enumerate().for_each(|(i, slot)| *slot = value(i));
        }
        *place += values;
    }
}

/// The key of a 64-bit number.
#[inline]
fn bits_to_key(bits: i64, is_float: bool) -> i64 {
    if is_float { float_to_key(f64::from_bits(bits.cast_unsigned())) } else { bits }
}

/// `+ 0.0` turns -0 into 0. NaN and infinity, which we never write, count as no value.
#[inline]
fn float_to_key(v: f64) -> i64 {
    if v.is_finite() { float_key(v + 0.0) } else { NULL }
}
