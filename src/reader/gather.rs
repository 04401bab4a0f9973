//! Small files as one piece: a service that restarts often, or rotates often, leaves thousands of files of a few rows, and
//! each piece costs the report as much as some thousand rows.

use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;

use super::parquet::ParquetPiece;
use super::piece::{Fault, Piece, ReadError};

/// Rows of a gathered piece, about.
const ENOUGH_ROWS: usize = 16 * 1024;

/// Pieces in the order of time, small ones put together.
#[derive(Default)]
pub struct Gathering {
    pieces: Vec<Box<dyn Piece>>,
    small: Option<Small>,
}

/// Small files that lie one behind the other.
struct Small {
    /// Of the first.
    path: PathBuf,
    span: Option<(i64, i64)>,
    rows: usize,
    batches: Vec<RecordBatch>,
}

impl Gathering {
    /// Takes in the next file.
    ///
    /// # Errors
    /// When a small file cannot be decoded: it is left out.
    pub fn add(&mut self, piece: ParquetPiece) -> Result<(), ReadError> {
        if piece.rows() == 0 {
            return Ok(());
        }
        if !piece.is_small() {
            self.close()?;
            self.pieces.push(Box::new(piece));
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

    /// # Errors
    /// Does not happen: all have the columns that the table declares.
    pub fn finish(mut self) -> Result<Vec<Box<dyn Piece>>, ReadError> {
        self.close()?;
        Ok(self.pieces)
    }

    fn close(&mut self) -> Result<(), ReadError> {
        let Some(Small { path, span, batches, .. }) = self.small.take() else { return Ok(()) };
        let Some(schema) = batches.first().map(RecordBatch::schema) else { return Ok(()) };
        let batch = concat_batches(&schema, &batches)
            .map_err(|error| ReadError::new(&path, Fault::Damaged(error.to_string())))?;
        self.pieces.push(Box::new(Gathered { path, span, batch }));
        Ok(())
    }
}

/// The rows of some small files.
struct Gathered {
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
}
