//! The input of all runs, kept in a file from which each run gets a copy.

use std::fs::File;

/// What was read from a pipe.
pub struct Kept {
    pub file: File,
    /// The maximum size of the file.
    pub most: u64,
}
