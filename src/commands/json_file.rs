//! JSON that an option writes into a file: `--summary FILE`, `--export-json FILE`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::text::printable::json;

/// The file that an option names. It is opened before anything is recorded, so that a file that cannot be written is
/// detected early, and an old file is not mistaken for the new one.
pub struct JsonFile {
    option: &'static str,
    to: Box<dyn Write>,
}

impl JsonFile {
    /// `option`: such as `--summary`, for messages. `-` is standard output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(option: &'static str, path: &Path) -> Result<JsonFile> {
        if path == Path::new("-") {
            return Ok(JsonFile { option, to: Box::new(io::stdout()) });
        }
        let file = File::create(path).with_context(|| format!("{option}: cannot write {}", path.display()))?;
        Ok(JsonFile { option, to: Box::new(file) })
    }

    /// # Errors
    /// When it cannot be written.
    pub fn write(mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)? + "\n";
        // The same values, with terminal control characters escaped.
        let text = json(&text);
        let written = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
        written.with_context(|| format!("{}: cannot write the file", self.option))
    }
}
