//! Where `--csv` writes: a directory, one file, or standard output.

use std::path::{Path, PathBuf};

/// The destination of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    /// The rows of one table.
    File(PathBuf),
    /// One file per table.
    Directory(PathBuf),
}

/// Extensions of file formats that cannot be written: a path with one of them is not meant as a directory.
const OTHER_KINDS: [&str; 8] = ["txt", "tsv", "json", "gz", "zst", "xlsx", "parquet", "html"];

impl Target {
    /// # Errors
    /// When the path has the extension of another file format.
    pub fn from_path(path: &Path) -> Result<Target, String> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        Ok(if path == Path::new("-") || path == Path::new("/dev/stdout") {
            Target::Stdout
        } else if path.is_dir() {
            Target::Directory(path.to_path_buf())
        } else if extension == "csv" || path.exists() {
            Target::File(path.to_path_buf())
        } else if OTHER_KINDS.contains(&extension.as_str()) {
            return Err(format!("--csv {}: it can be a directory, a file that ends in .csv, or -", path.display()));
        } else {
            Target::Directory(path.to_path_buf())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_means() {
        let dir = tempfile::tempdir().unwrap();
        let target = |name: &str| Target::from_path(&dir.path().join(name));
        std::fs::create_dir(dir.path().join("odd.csv")).unwrap();
        std::fs::write(dir.path().join("plain"), "").unwrap();
        assert_eq!(Target::from_path(Path::new("-")), Ok(Target::Stdout));
        assert_eq!(target("new"), Ok(Target::Directory(dir.path().join("new"))));
        assert_eq!(target("odd.csv"), Ok(Target::Directory(dir.path().join("odd.csv"))));
        assert_eq!(target("new.csv"), Ok(Target::File(dir.path().join("new.csv"))));
        assert_eq!(target("NEW.CSV"), Ok(Target::File(dir.path().join("NEW.CSV"))));
        assert_eq!(target("plain"), Ok(Target::File(dir.path().join("plain"))));
        assert!(target("new.csv.gz").is_err() && target("new.txt").is_err());
    }
}
