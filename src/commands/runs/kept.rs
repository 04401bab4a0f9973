//! The input of all runs, kept in a file from which each run gets a copy.

use std::fs::File;

/// What a pipe has said.
pub struct Kept {
    pub file: File,
    /// It may grow to so many bytes.
    pub most: u64,
}
