//! The entity of a row: the values of its entity columns as one number.

use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use serde::Serialize;

use super::read::{each_text, wrong};
use crate::store::read::piece::{Piece, ReadError};

/// An entity column and its value. The labels of an entity identify it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Label {
    pub name: &'static str,
    pub value: Option<String>,
}

/// The name of an entity from its values: `vda ext4`. Labels of a number follow its name as in Prometheus:
/// `qps{shard="0"}`.
pub fn name_of<'v>(values: impl Iterator<Item = &'v str>) -> String {
    let mut name = String::new();
    for value in values {
        if !name.is_empty() && !value.starts_with('{') {
            name.push(' ');
        }
        name.push_str(value);
    }
    name
}

/// The code of "no value".
const NULL: i64 = i64::MIN;

/// The entities of a table, numbered in the order in which they appear. The code of an integer is the integer itself,
/// that of a text its index in a list.
pub struct Entities {
    names: Vec<&'static str>,
    texts: Vec<Vec<String>>,
    by_text: Vec<HashMap<String, i64>>,
    ints: Vec<bool>,
    /// The codes of all entities in one list.
    entities: Vec<i64>,
    known: usize,
    by_tuple: HashMap<Vec<i64>, u32>,
    /// The entity that last followed each entity, since rows usually have the same order at every tick.
    follower: Vec<u32>,
    last: usize,
}

impl Entities {
    /// For a table with these entity columns.
    pub fn new(names: Vec<&'static str>) -> Self {
        let columns = names.len();
        Entities {
            names,
            texts: vec![Vec::new(); columns],
            by_text: vec![HashMap::new(); columns],
            ints: vec![false; columns],
            entities: Vec::new(),
            known: 0,
            by_tuple: HashMap::new(),
            follower: Vec::new(),
            last: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.known
    }

    /// The labels of every entity.
    pub fn labels(&self) -> Vec<Vec<Label>> {
        (0..self.known).map(|entity| self.labels_of(self.codes_of(entity))).collect()
    }

    /// Calls `f` with the entity of every row of a piece.
    ///
    /// # Errors
    /// When the piece cannot be read.
    pub fn add_piece(&mut self, piece: &dyn Piece, mut f: impl FnMut(usize, u32)) -> Result<(), ReadError> {
        let names = self.names.clone();
        let columns: Vec<Vec<i64>> =
            names.iter().enumerate().map(|(k, n)| self.read(k, piece, n)).collect::<Result<_, _>>()?;
        let mut tuple = vec![0; names.len()];
        for row in 0..piece.rows() {
            for (code, column) in tuple.iter_mut().zip(&columns) {
                *code = column.get(row).copied().unwrap_or(NULL);
            }
            f(row, self.find(&tuple));
        }
        Ok(())
    }

    fn read(&mut self, column: usize, piece: &dyn Piece, name: &str) -> Result<Vec<i64>, ReadError> {
        let mut codes = Vec::with_capacity(piece.rows());
        for chunk in piece.column(name)? {
            if let Some(ints) = chunk.as_primitive_opt::<Int32Type>() {
                if let Some(is_int) = self.ints.get_mut(column) {
                    *is_int = true;
                }
                match ints.null_count() {
                    0 => codes.extend(ints.values().iter().map(|v| i64::from(*v))),
                    _ => codes.extend(ints.iter().map(|v| v.map_or(NULL, i64::from))),
                }
            } else if let Some(dictionary) = chunk.as_dictionary_opt::<Int32Type>() {
                // Each text of the dictionary is looked up once, not once per row.
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

    /// The entity with these codes, which is added if it is new.
    #[inline]
    fn find(&mut self, tuple: &[i64]) -> u32 {
        let guess = self.follower.get(self.last).copied().unwrap_or(0);
        // Not `==`, which calls memcmp: that costs more than comparing one or two numbers.
        if self.known > 0 && self.codes_of(guess as usize).iter().zip(tuple).all(|(a, b)| a == b) {
            self.last = guess as usize;
            return guess;
        }
        self.look_up(tuple)
    }

    #[inline]
    fn codes_of(&self, entity: usize) -> &[i64] {
        let columns = self.names.len();
        self.entities.get(entity * columns..(entity + 1) * columns).unwrap_or_default()
    }

    #[cold]
    fn look_up(&mut self, tuple: &[i64]) -> u32 {
        let entity = match self.by_tuple.get(tuple) {
            Some(entity) => *entity,
            None => {
                let entity = self.known as u32;
                self.known += 1;
                self.entities.extend_from_slice(tuple);
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

    fn labels_of(&self, tuple: &[i64]) -> Vec<Label> {
        let value = |column: usize, code: i64| match code {
            NULL => None,
            _ if self.ints.get(column) == Some(&true) => Some(code.to_string()),
            _ => self.texts.get(column)?.get(usize::try_from(code).ok()?).cloned(),
        };
        let names = self.names.iter().zip(tuple).enumerate();
        names.map(|(k, (name, code))| Label { name, value: value(k, *code) }).collect()
    }
}
