//! Files with one value each, below one folder, held open between readings.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::linux::files::HeldFile;

/// The files of a folder that were read. One that cannot be opened is not tried again.
#[derive(Debug)]
pub struct Attributes {
    folder: PathBuf,
    files: HashMap<&'static str, Option<HeldFile>>,
}

impl Attributes {
    pub fn new(folder: &Path) -> Attributes {
        Attributes { folder: folder.into(), files: HashMap::new() }
    }

    /// The text of a file; `None` if there is no such file, or the driver refuses at the moment.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        let folder = &self.folder;
        let file = self.files.entry(name).or_insert_with(|| HeldFile::open_attribute(folder.join(name)).ok());
        Some(String::from_utf8_lossy(file.as_mut()?.read().ok()?).trim().to_string())
    }

    pub fn number(&mut self, name: &'static str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// The number of the first of several files that exists.
    pub fn first_number(&mut self, names: &[&'static str]) -> Option<u64> {
        names.iter().find_map(|name| self.number(name))
    }

    /// A value in units of 1/`parts`.
    pub fn scaled(&mut self, names: &[&'static str], parts: f64) -> Option<f64> {
        Some(self.first_number(names)? as f64 / parts)
    }

    /// Whether one of these flags is set; `None` if none of them exists.
    pub fn any(&mut self, flags: &[&'static str]) -> Option<bool> {
        flags.iter().filter_map(|flag| self.number(flag)).map(|flag| flag != 0).reduce(|a, b| a || b)
    }
}
