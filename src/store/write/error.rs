//! Why a tick could not be written.

use std::io;
use std::path::PathBuf;

/// A tick that could not be written. The next one is tried nevertheless.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {} bytes to {}: {error}", bytes, path.display())]
pub struct WriteError {
    pub path: PathBuf,
    pub bytes: usize,
    pub error: io::Error,
}
