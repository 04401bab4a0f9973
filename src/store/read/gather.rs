//! Combines small files: a service that restarts or rotates often leaves thousands of files with a few rows, and each
//! piece of a report takes as long as a few thousand rows.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;

use super::conform::conform;
use super::parquet::{ParquetPiece, projected};
use super::piece::{Fault, Part, Piece, ReadError};

/// Approximate number of rows of a combined piece.
const ENOUGH_ROWS: usize = 16 * 1024;

/// Pieces in order of time, with small ones combined.
#[derive(Default)]
pub struct Gathering {
    pieces: Vec<Ready>,
    small: Option<Small>,
}

/// A piece to be read.
pub enum Ready {
    /// A file.
    One(ParquetPiece),
    /// Small files, decoded.
    Many(Gathered),
}

impl Ready {
    pub fn boxed(self) -> Box<dyn Piece> {
        match self {
            Ready::One(piece) => Box::new(piece),
            Ready::Many(gathered) => Box::new(gathered),
        }
    }
}

/// Consecutive small files.
struct Small {
    /// The path of the first file.
    path: PathBuf,
    span: Option<(i64, i64)>,
    rows: usize,
    batches: Vec<RecordBatch>,
}

impl Gathering {
    /// Adds the next file.
    ///
    /// # Errors
    /// When a small file cannot be decoded; it is then left out.
    pub fn add(&mut self, piece: ParquetPiece) -> Result<(), ReadError> {
        if piece.rows() == 0 {
            return Ok(());
        }
        if !piece.is_small() {
            self.close()?;
            self.pieces.push(Ready::One(piece));
            return Ok(());
        }
        let batches = piece.batches().collect::<Result<Vec<_>, _>>()?;
        let read: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if read != piece.rows() {
            let what = format!("{read} of {} rows", piece.rows());
            return Err(ReadError::new(piece.path(), Fault::Damaged(what)));
        }
        let follows = |small: &Small| small.span.zip(piece.span()).is_some_and(|(before, this)| before.1 <= this.0);
        if self.small.as_ref().is_some_and(|small| small.rows >= ENOUGH_ROWS || !follows(small)) {
            self.close()?;
        }
        let small = self.small.get_or_insert_with(|| Small {
            path: piece.path().to_path_buf(),
            span: piece.span(),
            rows: 0,
            batches: Vec::new(),
        });
        small.span = small.span.zip(piece.span()).map(|(before, this)| (before.0, before.1.max(this.1)));
        small.rows += read;
        small.batches.extend(batches);
        Ok(())
    }

    /// All pieces, with the columns of this schema, which has the columns of every piece.
    ///
    /// # Errors
    /// Does not happen: all pieces have the columns that the table declares.
    pub fn finish(mut self, schema: &SchemaRef) -> Result<Vec<Ready>, ReadError> {
        self.close()?;
        let pieces = self.pieces.into_iter().map(|ready| match ready {
            Ready::One(mut piece) => {
                piece.widen(schema);
                Ok(Ready::One(piece))
            }
            Ready::Many(Gathered { path, span, batch }) => {
                let batch = conform(&batch, schema).map_err(|error| damaged(&path, &error))?;
                Ok(Ready::Many(Gathered { path, span, batch }))
            }
        });
        pieces.collect()
    }

    fn close(&mut self) -> Result<(), ReadError> {
        let Some(Small { path, span, batches, .. }) = self.small.take() else { return Ok(()) };
        // The last batch has all columns of the earlier ones.
        let Some(schema) = batches.last().map(RecordBatch::schema) else { return Ok(()) };
        let batches = batches.iter().map(|batch| conform(batch, &schema)).collect::<Result<Vec<_>, _>>();
        let batch = batches.and_then(|batches| concat_batches(&schema, &batches)).map_err(|e| damaged(&path, &e))?;
        self.pieces.push(Ready::Many(Gathered { path, span, batch }));
        Ok(())
    }
}

fn damaged(path: &Path, error: &ArrowError) -> ReadError {
    ReadError::new(path, Fault::Damaged(error.to_string()))
}

/// The rows of several small files. A copy shares them.
#[derive(Clone)]
pub struct Gathered {
    path: PathBuf,
    span: Option<(i64, i64)>,
    batch: RecordBatch,
}

impl Piece for Gathered {
    fn path(&self) -> &Path {
        &self.path
    }

    fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn span(&self) -> Option<(i64, i64)> {
        self.span
    }

    fn column(&self, name: &str) -> Result<Vec<ArrayRef>, ReadError> {
        let column = self.batch.column_by_name(name).cloned();
        let missing = || ReadError::new(&self.path, Fault::Schema(format!("no column `{name}`")));
        column.map(|column| vec![column]).ok_or_else(missing)
    }

    fn parts(&self, columns: &[&str], take: &mut dyn FnMut(Part) -> ControlFlow<()>) -> Result<(), ReadError> {
        let wanted = projected(&self.batch.schema(), columns);
        let wanted = wanted.map_err(|what| ReadError::new(&self.path, Fault::Schema(what)))?;
        let batch = conform(&self.batch, &wanted).map_err(|error| damaged(&self.path, &error))?;
        let _ = take(Part { columns: batch, from_us: self.span.map(|span| span.0) });
        Ok(())
    }
}
