//! Machines made of a few files, for tests.

use crate::linux::files::Roots;

/// A folder with `proc` and `sys`, deleted when dropped.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    /// Files by their paths below the folder; `{sys}` in their texts is replaced by the path of `sys`.
    pub fn new(files: &[(&str, &str)]) -> Tree {
        let dir = tempfile::tempdir().unwrap();
        let sys = dir.path().join("sys").display().to_string();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.replace("{sys}", &sys)).unwrap();
        }
        Tree(dir)
    }

    pub fn roots(&self) -> Roots {
        Roots { proc: self.0.path().join("proc"), sys: self.0.path().join("sys") }
    }
}
