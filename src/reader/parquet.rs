//! One sealed Parquet file of a table.
//!
//! The footer is read and checked once; each column is then decoded by itself. The file stays open, so that it can be
//! read to its end though it is deleted meanwhile; but a year has more files than a process may hold open, so that those
//! beyond the first hundreds are opened anew for each column, which costs microseconds.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::guard::guarded;
use super::piece::{Fault, Piece, ReadError, VERSION_KEY, Window};
use crate::columns::arrow_schema;
use crate::recording::{FORMAT, Layout};
use crate::schema::TableDef;

/// Rows decoded at once: the decoded chunk of a column stays in the second-level cache.
const BATCH_ROWS: usize = 16 * 1024;

/// Files with higher descriptors are closed again: the usual limit is 1,024.
const LAST_KEPT: i32 = 511;

/// A sealed Parquet file whose footer was found to be what the table declares.
pub struct ParquetPiece {
    layout: Layout,
    path: PathBuf,
    file: Option<File>,
    metadata: ArrowReaderMetadata,
    /// The row groups that are read.
    groups: Vec<usize>,
    rows: usize,
}

impl ParquetPiece {
    /// Reads and checks the footer.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or foreign, has another format version, or other columns than the table.
    pub fn open(layout: &Layout, path: &Path, table: &TableDef) -> Result<Self, ReadError> {
        let fail = |fault| ReadError::new(path, fault);
        let file = layout.open(path).map_err(|e| fail(e.into()))?;
        let metadata = guarded(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))
            .map_err(|e| fail(Fault::Damaged(e)))?
            .map_err(|e| fail(damaged(&e)))?;
        let version = metadata
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .and_then(|all| all.iter().find(|kv| kv.key == VERSION_KEY))
            .and_then(|kv| kv.value.as_deref());
        match version {
            None => return Err(fail(Fault::Foreign)),
            Some(found) if found == FORMAT.to_string() => {}
            Some(found) => return Err(fail(Fault::Version { found: found.to_string() })),
        }
        check_columns(table, metadata.schema()).map_err(|what| fail(Fault::Schema(what)))?;
        let kept = (file.as_raw_fd() <= LAST_KEPT).then_some(file);
        let groups: Vec<usize> = (0..metadata.metadata().num_row_groups()).collect();
        let mut piece =
            ParquetPiece { layout: layout.clone(), path: path.to_path_buf(), file: kept, metadata, groups, rows: 0 };
        piece.rows = piece.group_metadata().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).sum();
        Ok(piece)
    }

    /// The same file, but only the row groups that may have rows in the window.
    #[must_use]
    pub fn within(mut self, window: Window) -> Self {
        let metadata = self.metadata.metadata().clone();
        self.groups.retain(|g| group_span(metadata.row_group(*g)).is_none_or(|span| window.overlaps(span)));
        self.rows = self.group_metadata().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).sum();
        self
    }

    /// All columns of all rows, some thousand rows at a time.
    ///
    /// # Errors
    /// When the file cannot be read. Each batch may be an error of its own: damage.
    pub fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch, ReadError>>, ReadError> {
        let fail = |fault| ReadError::new(&self.path, fault);
        let file = self.reopened().map_err(|e| fail(e.into()))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let reader = builder.with_row_groups(self.groups.clone()).with_batch_size(BATCH_ROWS).build();
        let mut reader = reader.map_err(|e| fail(damaged(&e)))?;
        let next = move || match guarded(|| reader.next()) {
            Ok(batch) => batch.map(|batch| batch.map_err(|e| fail(damaged(&e)))),
            Err(panic) => Some(Err(fail(Fault::Damaged(panic)))),
        };
        Ok(std::iter::from_fn(next))
    }

    /// What the file says of its recording beyond what its name and format say.
    pub fn facts(&self) -> Vec<(String, String)> {
        let pairs = self.metadata.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        let facts = pairs.filter_map(|pair| Some((pair.key.strip_prefix("perfwatch.")?, pair.value.as_ref()?)));
        let ours = facts.filter(|(key, _)| !["format", "version", "table", "window"].contains(key));
        ours.map(|(key, value)| (key.to_string(), value.clone())).collect()
    }

    fn reopened(&self) -> std::io::Result<File> {
        self.file.as_ref().map_or_else(|| self.layout.open(&self.path), File::try_clone)
    }

    fn decode(&self, file: File, index: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(ProjectionMask::roots(self.metadata.parquet_schema(), [index]))
            .with_row_groups(self.groups.clone())
            .with_batch_size(BATCH_ROWS)
            .build()?;
        let mut chunks = Vec::with_capacity(self.rows.div_ceil(BATCH_ROWS));
        for batch in reader {
            chunks.extend(batch?.columns().first().map(Arc::clone));
        }
        Ok(chunks)
    }

    fn group_metadata(&self) -> impl Iterator<Item = &RowGroupMetaData> {
        self.groups.iter().map(|g| self.metadata.metadata().row_group(*g))
    }
}

impl Piece for ParquetPiece {
    fn path(&self) -> &Path {
        &self.path
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn span(&self) -> Option<(i64, i64)> {
        let mut spans = self.group_metadata().map(group_span);
        let first = spans.next()??;
        spans.try_fold(first, |(from, to), span| span.map(|(f, t)| (from.min(f), to.max(t))))
    }

    fn column(&self, name: &str) -> Result<Vec<ArrayRef>, ReadError> {
        let fail = |fault| ReadError::new(&self.path, fault);
        let schema = self.metadata.schema();
        let index = schema.index_of(name).map_err(|_| fail(Fault::Schema(format!("no column `{name}`"))))?;
        let file = self.reopened().map_err(|e| fail(e.into()))?;
        let chunks = guarded(|| self.decode(file, index))
            .map_err(|e| fail(Fault::Damaged(e)))?
            .map_err(|e| fail(damaged(&e)))?;
        let read: usize = chunks.iter().map(|c| c.len()).sum();
        if read != self.rows {
            return Err(fail(Fault::Damaged(format!("column {name}: {read} of {} rows", self.rows))));
        }
        Ok(chunks)
    }
}

fn damaged(error: &dyn std::fmt::Display) -> Fault {
    Fault::Damaged(error.to_string())
}

/// The smallest and largest `ts` of a row group.
fn group_span(group: &RowGroupMetaData) -> Option<(i64, i64)> {
    // `ts` is the first column of every table, which `check_columns` made sure of.
    match group.columns().first()?.statistics()? {
        Statistics::Int64(s) => Some((*s.min_opt()?, *s.max_opt()?)),
        _ => None,
    }
}

/// Compares names, order and types with the declaration, and says the first difference.
fn check_columns(table: &TableDef, found: &Schema) -> Result<(), String> {
    let declared = arrow_schema(table);
    for (n, want) in declared.fields().iter().enumerate() {
        let Some(have) = found.fields().get(n) else {
            return Err(format!("column {} (`{}`) of table {} is missing", n + 1, want.name(), table.name));
        };
        if have.name() != want.name() {
            return Err(format!("column {} is `{}`, table {} has `{}`", n + 1, have.name(), table.name, want.name()));
        }
        if !same_type(have.data_type(), want.data_type()) {
            return Err(format!(
                "column `{}` is {}, table {} has {}",
                want.name(),
                have.data_type(),
                table.name,
                want.data_type()
            ));
        }
    }
    match found.fields().get(declared.fields().len()) {
        Some(extra) => Err(format!("column `{}` is unknown to table {}", extra.name(), table.name)),
        None => Ok(()),
    }
}

/// A string may come plain or as a dictionary: a tool that rewrote the file may have dropped Arrow's note about it.
fn same_type(have: &DataType, want: &DataType) -> bool {
    match want {
        DataType::Dictionary(_, value) => have == want || have == value.as_ref(),
        DataType::Timestamp(unit, _) => matches!(have, DataType::Timestamp(u, Some(_)) if u == unit),
        _ => have == want,
    }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
