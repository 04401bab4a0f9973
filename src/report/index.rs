//! Which entity each row of a table is about, and how long its interval was: found once for a table, then used for each
//! of its columns.

use std::cell::OnceCell;
use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::model::Label;
use super::weights::Intervals;
use crate::store::read::piece::{Fault, Piece, ReadError, Window};
use crate::table::phase::is_within;
use crate::table::{ELAPSED_S, PHASE, TS, TableDef};

/// The entity of a row that lies outside the window.
pub const SKIPPED: u32 = u32::MAX;
/// Set in the entity of a row of another phase, so that it is no entity; a counter's next row still grew from it.
pub const OUT_OF_PHASE: u32 = 1 << 31;

/// Which rows are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub window: Window,
    pub phase: Option<&'a str>,
}

/// Rows in sequence whose intervals have the same length: the rows of one tick, usually.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub end: usize,
    /// NaN: no length, which a first sample has not.
    pub elapsed_s: f64,
}

#[derive(Debug, Default)]
pub struct RowIndex {
    /// The labels of every entity, in order of appearance.
    pub entities: Vec<Vec<Label>>,
    /// The rows of every entity.
    pub counts: Vec<usize>,
    /// The entity of every row, or [`SKIPPED`], or with [`OUT_OF_PHASE`].
    pub rows: Vec<u32>,
    pub runs: Vec<Run>,
    intervals: OnceCell<Intervals>,
}

/// A piece that failed, by its place in the list.
pub struct BadPiece {
    pub piece: usize,
    pub error: ReadError,
}

impl RowIndex {
    /// # Errors
    /// When a piece cannot be read: the caller goes on without it.
    pub fn build(table: &TableDef, pieces: &[Box<dyn Piece + '_>], rows: Rows<'_>) -> Result<Self, BadPiece> {
        let names: Vec<&'static str> = table.entities().map(|c| c.name).collect();
        let mut index = RowIndex::default();
        let mut codes = Codes::new(names.len());
        for (n, piece) in pieces.iter().enumerate() {
            index.add(piece.as_ref(), &names, rows, &mut codes).map_err(|error| BadPiece { piece: n, error })?;
        }
        index.entities = codes.entities.iter().map(|tuple| codes.labels(&names, tuple)).collect();
        index.counts = vec![0; index.entities.len()];
        for entity in &index.rows {
            if let Some(count) = index.counts.get_mut(*entity as usize) {
                *count += 1;
            }
        }
        Ok(index)
    }

    pub fn selected(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Where the rows of each entity begin, when those that were asked for stand one entity behind the other.
    pub fn starts(&self) -> impl Iterator<Item = usize> {
        self.counts.iter().scan(0, |next, count| {
            let start = *next;
            *next += count;
            Some(start)
        })
    }

    pub fn intervals(&self) -> &Intervals {
        self.intervals.get_or_init(|| Intervals::new(self))
    }

    /// The length of a row's interval; NaN where it has none.
    pub fn elapsed_s(&self, row: usize) -> f64 {
        let run = self.runs.partition_point(|run| run.end <= row);
        self.runs.get(run).map_or(f64::NAN, |run| run.elapsed_s)
    }

    /// Which rows of one piece are asked for.
    ///
    /// # Errors
    /// When the piece cannot be read.
    pub fn selection(table: &TableDef, piece: &dyn Piece, rows: Rows<'_>) -> Result<Vec<bool>, ReadError> {
        let names: Vec<&'static str> = table.entities().map(|c| c.name).collect();
        let mut index = RowIndex::default();
        index.add(piece, &names, rows, &mut Codes::new(names.len()))?;
        Ok(index.rows.iter().map(|row| row & OUT_OF_PHASE == 0).collect())
    }

    fn add(&mut self, piece: &dyn Piece, names: &[&str], rows: Rows<'_>, codes: &mut Codes) -> Result<(), ReadError> {
        let start = self.rows.len();
        for chunk in piece.column(ELAPSED_S)? {
            let elapsed = chunk.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong(piece, ELAPSED_S))?;
            for v in elapsed {
                self.push_run(v.unwrap_or(f64::NAN));
            }
        }
        if names.is_empty() {
            let only = codes.find(&[]);
            self.rows.resize(start + piece.rows(), only);
        } else {
            let columns: Vec<Vec<i64>> =
                names.iter().enumerate().map(|(k, n)| codes.read(k, piece, n)).collect::<Result<_, _>>()?;
            self.rows.reserve(piece.rows());
            let mut tuple = vec![0; names.len()];
            for row in 0..piece.rows() {
                for (code, column) in tuple.iter_mut().zip(&columns) {
                    *code = column.get(row).copied().unwrap_or(NULL);
                }
                self.rows.push(codes.find(&tuple));
            }
        }
        // Only now: rows that are left out must not hide the entity from the guess about the next row.
        if rows.window != Window::ALL {
            let outside = timestamps(piece)?.into_iter().map(|ts| !rows.window.contains(ts));
            self.set(start, SKIPPED, outside);
        }
        if let Some(phase) = rows.phase {
            for (at, chunk) in offsets(piece.column(PHASE)?) {
                let wanted = are_within(piece, &chunk, phase)?;
                self.set(start + at, OUT_OF_PHASE, wanted.into_iter().map(|w| !w));
            }
        }
        Ok(())
    }

    fn push_run(&mut self, elapsed_s: f64) {
        let end = self.runs.last().map_or(0, |r| r.end) + 1;
        match self.runs.last_mut() {
            Some(run) if run.elapsed_s.to_bits() == elapsed_s.to_bits() => run.end = end,
            _ => self.runs.push(Run { end, elapsed_s }),
        }
    }

    fn set(&mut self, start: usize, bits: u32, which: impl Iterator<Item = bool>) {
        for (row, _) in self.rows.iter_mut().skip(start).zip(which).filter(|(_, set)| *set) {
            *row |= bits;
        }
    }
}

/// The instant of every row, microseconds since the epoch.
///
/// # Errors
/// When the column cannot be read.
pub fn timestamps(piece: &dyn Piece) -> Result<Vec<i64>, ReadError> {
    let mut all = Vec::with_capacity(piece.rows());
    for chunk in piece.column(TS)? {
        let ts = chunk.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| wrong(piece, TS))?;
        all.extend_from_slice(ts.values());
    }
    Ok(all)
}

/// Chunks with the row at which each begins.
fn offsets(chunks: Vec<ArrayRef>) -> impl Iterator<Item = (usize, ArrayRef)> {
    chunks.into_iter().scan(0, |at, chunk| {
        let start = *at;
        *at += chunk.len();
        Some((start, chunk))
    })
}

/// A column of another type than the table declares.
pub fn wrong(piece: &dyn Piece, name: &str) -> ReadError {
    ReadError::new(piece.path(), Fault::Schema(format!("column `{name}` has another type")))
}

/// Which rows belong to this phase, by their column `phase`.
fn are_within(piece: &dyn Piece, chunk: &ArrayRef, phase: &str) -> Result<Vec<bool>, ReadError> {
    let mut within = Vec::with_capacity(chunk.len());
    // Rows in sequence mostly have the same.
    let mut last: (Option<String>, bool) = (None, false);
    each_text(piece, PHASE, chunk, |path| {
        if last.0.as_deref() != path {
            last = (path.map(str::to_string), path.is_some_and(|path| is_within(path, phase)));
        }
        within.push(last.1);
    })?;
    Ok(within)
}

/// The texts of a column, plain or as a dictionary; numbers and booleans in words.
///
/// # Errors
/// When the column has another type.
pub fn each_text(
    piece: &dyn Piece,
    name: &str,
    chunk: &ArrayRef,
    mut f: impl FnMut(Option<&str>),
) -> Result<(), ReadError> {
    match chunk.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = chunk.as_dictionary_opt::<Int32Type>().ok_or_else(|| wrong(piece, name))?;
            let values = dictionary.values().as_string_opt::<i32>().ok_or_else(|| wrong(piece, name))?;
            for key in dictionary.keys() {
                let text = key.and_then(|k| usize::try_from(k).ok()).filter(|k| *k < values.len());
                f(text.map(|k| values.value(k)));
            }
        }
        DataType::Utf8 => chunk.as_string::<i32>().iter().for_each(f),
        DataType::Boolean => {
            chunk.as_boolean().iter().for_each(|v| f(v.map(|v| if v { "true" } else { "false" })));
        }
        DataType::Int32 => each_number::<Int32Type>(chunk, f),
        DataType::Int64 => each_number::<Int64Type>(chunk, f),
        DataType::Float64 => each_number::<Float64Type>(chunk, f),
        _ => return Err(wrong(piece, name)),
    }
    Ok(())
}

fn each_number<T: ArrowPrimitiveType<Native: std::fmt::Debug>>(chunk: &ArrayRef, mut f: impl FnMut(Option<&str>)) {
    for v in chunk.as_primitive::<T>() {
        // Unlike `Display`, `Debug` shows that 1.0 is not an integer.
        f(v.map(|v| format!("{v:?}")).as_deref());
    }
}

/// The code of "no value".
const NULL: i64 = i64::MIN;

/// Entity values as numbers: an integer is its own, a text has its place in a list.
struct Codes {
    texts: Vec<Vec<String>>,
    by_text: Vec<HashMap<String, i64>>,
    ints: Vec<bool>,
    entities: Vec<Vec<i64>>,
    by_tuple: HashMap<Vec<i64>, u32>,
    /// The entity that followed each entity last time: rows come in the same order at every tick.
    follower: Vec<u32>,
    last: usize,
}

impl Codes {
    fn new(columns: usize) -> Self {
        Codes {
            texts: vec![Vec::new(); columns],
            by_text: vec![HashMap::new(); columns],
            ints: vec![false; columns],
            entities: Vec::new(),
            by_tuple: HashMap::new(),
            follower: Vec::new(),
            last: 0,
        }
    }

    fn read(&mut self, column: usize, piece: &dyn Piece, name: &str) -> Result<Vec<i64>, ReadError> {
        let mut codes = Vec::with_capacity(piece.rows());
        for chunk in piece.column(name)? {
            if let Some(ints) = chunk.as_primitive_opt::<Int32Type>() {
                self.mark_int(column);
                codes.extend(ints.iter().map(|v| v.map_or(NULL, i64::from)));
            } else if let Some(dictionary) = chunk.as_dictionary_opt::<Int32Type>() {
                // The dictionary is looked up once, not every row.
                let values = dictionary.values().as_string_opt::<i32>().ok_or_else(|| wrong(piece, name))?;
                let known: Vec<i64> = values.iter().map(|v| self.code(column, v)).collect();
                let code =
                    |k: Option<i32>| k.and_then(|k| known.get(usize::try_from(k).ok()?)).copied().unwrap_or(NULL);
                codes.extend(dictionary.keys().iter().map(code));
            } else {
                each_text(piece, name, &chunk, |v| codes.push(self.code(column, v)))?;
            }
        }
        Ok(codes)
    }

    fn mark_int(&mut self, column: usize) {
        if let Some(int) = self.ints.get_mut(column) {
            *int = true;
        }
    }

    fn code(&mut self, column: usize, text: Option<&str>) -> i64 {
        let (Some(text), Some(by_text), Some(texts)) = (text, self.by_text.get_mut(column), self.texts.get_mut(column))
        else {
            return NULL;
        };
        if let Some(code) = by_text.get(text) {
            return *code;
        }
        let code = texts.len() as i64;
        texts.push(text.to_string());
        by_text.insert(text.to_string(), code);
        code
    }

    /// The entity of these values, a new one where they were not met before.
    #[inline]
    fn find(&mut self, tuple: &[i64]) -> u32 {
        let guess = self.follower.get(self.last).copied().unwrap_or(0);
        // By hand: `==` on slices calls memcmp, which costs more than the comparison of a number or two.
        if self.entities.get(guess as usize).is_some_and(|known| known.iter().zip(tuple).all(|(a, b)| a == b)) {
            self.last = guess as usize;
            return guess;
        }
        self.look_up(tuple)
    }

    #[cold]
    fn look_up(&mut self, tuple: &[i64]) -> u32 {
        let entity = match self.by_tuple.get(tuple) {
            Some(entity) => *entity,
            None => {
                let entity = self.entities.len() as u32;
                self.entities.push(tuple.to_vec());
                self.by_tuple.insert(tuple.to_vec(), entity);
                self.follower.push(0);
                entity
            }
        };
        if let Some(follower) = self.follower.get_mut(self.last) {
            *follower = entity;
        }
        self.last = entity as usize;
        entity
    }

    fn labels(&self, names: &[&'static str], tuple: &[i64]) -> Vec<Label> {
        let value = |column: usize, code: i64| match code {
            NULL => None,
            _ if self.ints.get(column) == Some(&true) => Some(code.to_string()),
            _ => self.texts.get(column)?.get(usize::try_from(code).ok()?).cloned(),
        };
        names.iter().zip(tuple).enumerate().map(|(k, (name, code))| Label { name, value: value(k, *code) }).collect()
    }
}
