//! Fixtures, and copies of folders.

use std::fs;
use std::path::{Path, PathBuf};

/// The captured or composed machine, or the recording, with this name.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Copies everything below a folder. Symbolic links stay links.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if let Ok(link) = fs::read_link(entry.path()) {
            std::os::unix::fs::symlink(link, target).unwrap();
        } else if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
