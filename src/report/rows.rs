//! Every row of a table as CSV, for programs that cannot read Parquet: one file per table, timestamps in RFC 3339.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::fields;
use super::summary::Request;
use crate::query::rows::{batch, columns};
use crate::query::select::chosen;
use crate::store::read::piece::{ReadError, Source};
use crate::table::TableDef;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{} exists; --force replaces it", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// The files that an export of this recording writes.
pub fn targets(source: &dyn Source, request: &Request<'_>, dir: &Path) -> Vec<PathBuf> {
    chosen(source, request.choice).0.iter().map(|t| target(dir, t)).collect()
}

fn target(dir: &Path, table: &TableDef) -> PathBuf {
    dir.join(format!("{}.csv", table.name))
}

/// Writes the selected tables; returns the number of rows. Each file is either complete or absent.
///
/// # Errors
/// When a file cannot be written. When a file exists and `force` is false: then nothing is written.
pub fn export(
    source: &dyn Source,
    request: &Request<'_>,
    dir: &Path,
    force: bool,
    problems: &mut Vec<ReadError>,
    step: &mut dyn FnMut(&str),
) -> Result<usize, WriteError> {
    if let Some(exists) = targets(source, request, dir).into_iter().find(|t| !force && t.exists()) {
        return Err(WriteError::Exists(exists));
    }
    std::fs::create_dir_all(dir).map_err(|error| WriteError::Io { path: dir.to_path_buf(), error })?;
    let mut rows = 0;
    for table in chosen(source, request.choice).0 {
        rows += to_file(source, table, request, &target(dir, table), force, problems)?;
        step(table.name);
    }
    Ok(rows)
}

/// Writes the rows of a table into this file, which is either complete or absent; returns the number of rows.
///
/// # Errors
/// When the file cannot be written, or exists and `force` is false.
pub fn to_file(
    source: &dyn Source,
    table: &'static TableDef,
    request: &Request<'_>,
    path: &Path,
    force: bool,
    problems: &mut Vec<ReadError>,
) -> Result<usize, WriteError> {
    let io = |error| WriteError::Io { path: path.to_path_buf(), error };
    let is_stream = path.metadata().is_ok_and(|m| !m.is_file());
    if is_stream {
        let mut out = File::options().write(true).open(path).map_err(io)?;
        return write_table(source, table, request, &mut out, problems).map(|(rows, _)| rows).map_err(io);
    }
    if !force && path.exists() {
        return Err(WriteError::Exists(path.to_path_buf()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let mut write = || {
        let (rows, file) = write_table(source, table, request, File::create(&part)?, problems)?;
        file.sync_all()?;
        std::fs::rename(&part, path).map(|()| rows)
    };
    let written: io::Result<usize> = write();
    written.map_err(|error| {
        // The first error matters more than a failure to remove the incomplete file.
        let _ = std::fs::remove_file(&part);
        io(error)
    })
}

/// Writes the rows of a table; returns the number of rows. A closed pipe (`| head`) is not an error.
///
/// # Errors
/// When the rows cannot be written.
pub fn to_stream(
    source: &dyn Source,
    table: &'static TableDef,
    request: &Request<'_>,
    out: &mut dyn Write,
    problems: &mut Vec<ReadError>,
) -> Result<usize, WriteError> {
    match write_table(source, table, request, out, problems) {
        Ok((rows, _)) => Ok(rows),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(WriteError::Io { path: "standard output".into(), error }),
    }
}

fn write_table<W: Write>(
    source: &dyn Source,
    table: &'static TableDef,
    request: &Request<'_>,
    out: W,
    problems: &mut Vec<ReadError>,
) -> io::Result<(usize, W)> {
    let (table, pieces) = source.read(table, request.rows.window, problems);
    let names = columns(table, request.choice);
    let mut out = BufWriter::new(out);
    writeln!(out, "{}", names.join(","))?;
    let mut rows = 0;
    for piece in pieces {
        match batch(piece.as_ref(), &names, request.rows) {
            Ok(batch) => {
                rows += batch.num_rows();
                fields::write(&batch, &mut out)?;
            }
            Err(error) => problems.push(error),
        }
    }
    Ok((rows, out.into_inner().map_err(io::IntoInnerError::into_error)?))
}
