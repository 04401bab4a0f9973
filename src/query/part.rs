//! The values of a group in one piece.

use super::number::NULL;

/// A value for each row, by its key.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Keys(&'a [i64]),
    /// By the place of its key in this list, in which the first is that of no value; and the list's place among those of a column.
    Codes {
        codes: &'a [u16],
        keys: &'a [i64],
        list: usize,
    },
}

impl Part<'_> {
    pub fn len(&self) -> usize {
        match self {
            Part::Keys(keys) => keys.len(),
            Part::Codes { codes, .. } => codes.len(),
        }
    }

    #[inline]
    pub fn key(&self, row: usize) -> i64 {
        let key = match self {
            Part::Keys(keys) => keys.get(row),
            Part::Codes { codes, keys, .. } => codes.get(row).and_then(|code| keys.get(usize::from(*code))),
        };
        key.copied().unwrap_or(NULL)
    }

    /// All keys, in a buffer where they are not at hand.
    pub fn keys<'b>(&'b self, buffer: &'b mut Vec<i64>) -> &'b [i64] {
        match self {
            Part::Keys(keys) => keys,
            Part::Codes { codes, keys, .. } => {
                buffer.clear();
                buffer.extend(codes.iter().map(|code| keys.get(usize::from(*code)).copied().unwrap_or(NULL)));
                buffer
            }
        }
    }

    /// How many rows have no value, if all others have this key.
    pub fn nulls_beside(&self, only: i64) -> Option<usize> {
        match self {
            Part::Keys(keys) => {
                let is_constant = keys.iter().all(|key| *key == only || *key == NULL);
                is_constant.then(|| keys.iter().filter(|key| **key == NULL).count())
            }
            Part::Codes { codes, keys, .. } => {
                // Mostly one code after the other is the same.
                let key = |code: &u16| keys.get(usize::from(*code)).copied().unwrap_or(NULL);
                let is_constant = codes.iter().all(|code| key(code) == only || key(code) == NULL);
                is_constant.then(|| codes.iter().filter(|code| key(code) == NULL).count())
            }
        }
    }
}
