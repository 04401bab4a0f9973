//! The values of a group in one piece.

use super::number::NULL;

/// The key of each row.
#[derive(Clone, Copy, Debug)]
pub enum PieceValues<'a> {
    Keys(&'a [i64]),
    /// Indexes into a list of keys, the first of which stands for no value. `list` is the index of the list in its column.
    Codes {
        codes: &'a [u16],
        keys: &'a [i64],
        list: usize,
    },
}

impl PieceValues<'_> {
    pub fn len(&self) -> usize {
        match self {
            PieceValues::Keys(keys) => keys.len(),
            PieceValues::Codes { codes, .. } => codes.len(),
        }
    }

    #[inline]
    pub fn key(&self, row: usize) -> i64 {
        let key = match self {
            PieceValues::Keys(keys) => keys.get(row),
            PieceValues::Codes { codes, keys, .. } => codes.get(row).and_then(|code| keys.get(usize::from(*code))),
        };
        key.copied().unwrap_or(NULL)
    }

    /// All keys. Codes are translated into the buffer.
    pub fn keys<'b>(&'b self, buffer: &'b mut Vec<i64>) -> &'b [i64] {
        match self {
            PieceValues::Keys(keys) => keys,
            PieceValues::Codes { codes, keys, .. } => {
                buffer.clear();
                buffer.extend(codes.iter().map(|code| keys.get(usize::from(*code)).copied().unwrap_or(NULL)));
                buffer
            }
        }
    }

    /// The number of rows without a value if all others have this key.
    pub fn nulls_besides(&self, only: i64) -> Option<usize> {
        match self {
            PieceValues::Keys(keys) => {
                let is_constant = keys.iter().all(|key| *key == only || *key == NULL);
                is_constant.then(|| keys.iter().filter(|key| **key == NULL).count())
            }
            PieceValues::Codes { codes, keys, .. } => {
                // Consecutive codes are usually the same.
                let key = |code: &u16| keys.get(usize::from(*code)).copied().unwrap_or(NULL);
                let is_constant = codes.iter().all(|code| key(code) == only || key(code) == NULL);
                is_constant.then(|| codes.iter().filter(|code| key(code) == NULL).count())
            }
        }
    }
}
