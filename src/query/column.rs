//! A column turned: from rows in the order of time to values that stand group behind group.
//!
//! Exact percentiles need all values of a group in one place. Each piece is turned by itself, so that several threads can share
//! the work, and its buffer is used again for the next column.

use std::sync::{Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use super::distinct::Distinct;
use super::index::{PieceRows, RowIndex, Share};
use super::number::NULL;
use super::part::Part;
use super::patterns::{Block, Mark, Patterns};
use super::read::{BadPiece, wrong};
use super::threads;
use crate::stats::float_key;
use crate::store::read::numbers::{NO_CODE, Numbers};
use crate::store::read::piece::{Piece, ReadError};

/// Buffers that one column leaves to the next. New ones would cost the kernel more time than their values cost us.
#[derive(Debug, Default)]
pub struct Buffers {
    keys: Pool<i64>,
    codes: Pool<u16>,
}

#[derive(Debug, Default)]
struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T: Copy> Pool<T> {
    fn take(&self, values: usize, none: T) -> Vec<T> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is large enough, if there is any.
        let fits = free.iter().position(|buffer| buffer.capacity() >= values);
        let mut buffer = match fits {
            Some(at) => free.swap_remove(at),
            None => free.pop().unwrap_or_default(),
        };
        drop(free);
        buffer.resize(values, none);
        buffer
    }

    fn give(&self, buffer: Vec<T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// The values of a piece, group behind group.
#[derive(Debug)]
enum Turned {
    Keys(Vec<i64>),
    /// The places of their keys in a list, in which the first is that of no value.
    Codes {
        codes: Vec<u16>,
        keys: Vec<i64>,
    },
}

/// The values of a column by their keys (see [`Number::of_key`](super::number::Number::of_key)), of each piece group behind group.
pub struct Column<'b> {
    pieces: Vec<Turned>,
    pub is_float: bool,
    /// Where all pieces have codes.
    pub distinct: Option<Distinct>,
    buffers: &'b Buffers,
}

impl Drop for Column<'_> {
    fn drop(&mut self) {
        for piece in self.pieces.drain(..) {
            match piece {
                Turned::Keys(keys) => self.buffers.keys.give(keys),
                Turned::Codes { codes, .. } => self.buffers.codes.give(codes),
            }
        }
    }
}

impl<'b> Column<'b> {
    /// # Errors
    /// When a piece cannot be read.
    pub fn read(
        name: &str,
        index: &RowIndex,
        pieces: &[Box<dyn Piece + '_>],
        buffers: &'b Buffers,
        threads: usize,
    ) -> Result<Column<'b>, BadPiece> {
        let turn = |places: &mut Vec<usize>, n: usize| {
            let (Some(piece), Some(rows)) = (pieces.get(n), index.pieces.get(n)) else {
                return Ok((Turned::Keys(Vec::new()), false));
            };
            let turned = Turning::new(index, rows, buffers, places).piece(piece.as_ref(), name);
            turned.map_err(|error| BadPiece { piece: n, error })
        };
        let turned = threads::map(threads, pieces.len(), Vec::new, turn, &mut |_| {})?;
        let is_float = turned.last().is_some_and(|(_, is_float)| *is_float);
        let pieces: Vec<Turned> = turned.into_iter().map(|(turned, _)| turned).collect();
        let lists: Option<Vec<&[i64]>> = pieces.iter().map(Turned::list).collect();
        let distinct = lists.and_then(|lists| Distinct::of(&lists, is_float));
        Ok(Column { pieces, is_float, distinct, buffers })
    }

    /// The values that a group has in a piece.
    pub fn part(&self, share: &Share) -> Option<Part<'_>> {
        let range = share.start..share.start + share.rows;
        Some(match self.pieces.get(share.piece)? {
            Turned::Keys(keys) => Part::Keys(keys.get(range)?),
            Turned::Codes { codes, keys } => Part::Codes { codes: codes.get(range)?, keys, list: share.piece },
        })
    }
}

impl Turned {
    fn list(&self) -> Option<&[i64]> {
        match self {
            Turned::Keys(_) => None,
            Turned::Codes { keys, .. } => Some(keys),
        }
    }
}

/// A piece that is being turned.
struct Turning<'a> {
    patterns: &'a Patterns,
    blocks: &'a [Block],
    /// How many rows of the first of these blocks are behind us.
    in_block: usize,
    /// How many values there will be.
    chosen: usize,
    turned: Option<Turned>,
    /// The dictionary that came last, and where its keys begin in the list.
    dictionary: Vec<i64>,
    first_code: usize,
    buffers: &'a Buffers,
    /// Where the next value of each group goes.
    places: &'a mut Vec<usize>,
}

impl<'a> Turning<'a> {
    fn new(index: &'a RowIndex, rows: &PieceRows, buffers: &'a Buffers, places: &'a mut Vec<usize>) -> Self {
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
    fn piece(mut self, piece: &dyn Piece, name: &str) -> Result<(Turned, bool), ReadError> {
        let mut is_float = Some(false);
        piece.numbers(name, &mut |numbers| is_float = is_float.and_then(|_| self.numbers(&numbers)))?;
        let is_float = is_float.ok_or_else(|| wrong(piece, name))?;
        let turned = self.turned.unwrap_or_else(|| Turned::Keys(self.buffers.keys.take(self.chosen, NULL)));
        Ok((turned, is_float))
    }

    /// Takes rows in; says whether they hold floats, or nothing for a type that is not summarised.
    fn numbers(&mut self, numbers: &Numbers<'_>) -> Option<bool> {
        match *numbers {
            Numbers::Array(array) => self.array(array),
            Numbers::Plain { bits, valid, is_float } => {
                let of_row = |row: usize| bits.get(row).map_or(NULL, |bits| key_of(*bits, is_float));
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

    /// Another dictionary: its keys are added to the list, as long as that stays short against the rows.
    fn begin(&mut self, dictionary: &[i64], is_float: bool) {
        const ROWS_PER_KEY: usize = 8;
        self.dictionary.clear();
        self.dictionary.extend_from_slice(dictionary);
        let keys = dictionary.iter().map(|bits| key_of(*bits, is_float));
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
            // As keys, from now on.
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
        self.keys(codes.len(), |row| bits(row).map_or(NULL, |bits| key_of(*bits, is_float)));
        self.dictionary = dictionary;
    }

    /// Takes an array in, as [`Turning::numbers`].
    fn array(&mut self, array: &ArrayRef) -> Option<bool> {
        if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
            self.values(floats.values(), floats.nulls(), of_float);
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

    /// Takes in the next rows by their keys.
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

    /// Puts the next rows where they belong, and returns the buffer.
    fn turn<T: Copy>(&mut self, mut slots: Vec<T>, rows: usize, value: impl Fn(usize) -> T) -> Vec<T> {
        let mut at = 0;
        while at < rows {
            let Some(block) = self.blocks.first() else { break };
            let length = (block.rows() - self.in_block).min(rows - at);
            if block.mark == Mark::Chosen {
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

    /// Puts rows of a block, the first of which is the row `at` of those that are taken in.
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

    /// Puts the next values of a group.
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
fn key_of(bits: i64, is_float: bool) -> i64 {
    if is_float { of_float(f64::from_bits(bits.cast_unsigned())) } else { bits }
}

/// `+ 0.0` makes one zero of the two; NaN and infinity, which we never write, are no values.
#[inline]
fn of_float(v: f64) -> i64 {
    if v.is_finite() { float_key(v + 0.0) } else { NULL }
}
