//! A turned column: its values are ordered by group, not by row.
//!
//! Exact percentiles need all values of a group in one place. Each piece is turned by itself, so that several threads can share
//! the work. Its buffer is used again for the next column.

mod buffers;
mod turning;

use turning::{Turned, Turning};

use super::distinct::Distinct;
use super::index::{RowIndex, Share};
use super::piece_values::PieceValues;
use super::read::BadPiece;
use super::threads;
use crate::store::read::piece::Piece;

pub use buffers::Buffers;

/// The values of a column as keys (see [`Number::from_key`](super::number::Number::from_key)), in each piece ordered by group.
pub struct Column<'b> {
    pieces: Vec<Turned>,
    pub is_float: bool,
    /// If all pieces have codes.
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
        let distinct = lists.and_then(|lists| Distinct::new(&lists, is_float));
        Ok(Column { pieces, is_float, distinct, buffers })
    }

    /// The values of a group in a piece.
    pub fn piece(&self, share: &Share) -> Option<PieceValues<'_>> {
        let range = share.start..share.start + share.rows;
        Some(match self.pieces.get(share.piece)? {
            Turned::Keys(keys) => PieceValues::Keys(keys.get(range)?),
            Turned::Codes { codes, keys } => PieceValues::Codes { codes: codes.get(range)?, keys, list: share.piece },
        })
    }
}
