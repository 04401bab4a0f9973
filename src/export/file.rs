//! Writing files: each is either complete or absent.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{} exists; --force replaces it", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// Writes a file with `write`. What is not a plain file (a FIFO, a device) is written to; a plain file is written next
/// to its place and renamed.
///
/// # Errors
/// When the file cannot be written, or exists and `force` is false.
pub fn write_to<T>(
    path: &Path,
    force: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<T, ExportError> {
    let io = |error| ExportError::Io { path: path.to_path_buf(), error };
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        let mut out = BufWriter::new(File::options().write(true).open(path).map_err(io)?);
        return write(&mut out).and_then(|done| out.flush().map(|()| done)).map_err(io);
    }
    if !force && path.exists() {
        return Err(ExportError::Exists(path.to_path_buf()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let write = || {
        let mut out = BufWriter::new(File::create(&part)?);
        let done = write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&part, path).map(|()| done)
    };
    let written: io::Result<T> = write();
    written.map_err(|error| {
        // The first error matters more than a failure to remove the incomplete file.
        let _ = std::fs::remove_file(&part);
        io(error)
    })
}

/// Writes to a stream. A closed pipe (`| head`) is not an error: `None`.
///
/// # Errors
/// When it cannot be written.
pub fn write_stream<T>(
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<Option<T>, ExportError> {
    let mut out = BufWriter::new(out);
    match write(&mut out).and_then(|done| out.flush().map(|()| done)) {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(ExportError::Io { path: "standard output".into(), error }),
    }
}
