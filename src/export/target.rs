//! Where an export goes: a directory, one file, or standard output.

use std::path::{Path, PathBuf};

use super::format::Format;

/// The destination of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    /// The rows of one table.
    File(PathBuf),
    /// One file per table.
    Directory(PathBuf),
}

/// Extensions of file formats that are not written: a path with one of them is not meant as a directory.
const OTHER_KINDS: [&str; 8] = ["txt", "tsv", "json", "gz", "zst", "xlsx", "html", "zip"];

impl Target {
    /// `option`: the one with the path, for messages.
    ///
    /// # Errors
    /// When the path has the extension of another file format, or is a directory and all tables are in one file.
    pub fn from_path(path: &Path, format: Format, option: &str) -> Result<Target, String> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let shown = path.display();
        Ok(if path == Path::new("-") || path == Path::new("/dev/stdout") {
            Target::Stdout
        } else if path.is_dir() {
            if format.holds_all_tables() {
                return Err(format!("{option} {shown}: it is a directory; all tables are in one file, so name a file"));
            }
            Target::Directory(path.to_path_buf())
        } else if format.extensions().contains(&extension.as_str()) || path.exists() {
            Target::File(path.to_path_buf())
        } else if Format::from_extension(&extension).is_some() || OTHER_KINDS.contains(&extension.as_str()) {
            let ends = format.extension();
            let directory = if format.holds_all_tables() { "" } else { "a directory, " };
            return Err(format!("{option} {shown}: it can be {directory}a file that ends in .{ends}, or -"));
        } else if format.holds_all_tables() {
            Target::File(path.to_path_buf())
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
        let target = |name: &str| Target::from_path(&dir.path().join(name), Format::Csv, "--csv");
        std::fs::create_dir(dir.path().join("odd.csv")).unwrap();
        std::fs::write(dir.path().join("plain"), "").unwrap();
        assert_eq!(Target::from_path(Path::new("-"), Format::Csv, "-o"), Ok(Target::Stdout));
        assert_eq!(target("new"), Ok(Target::Directory(dir.path().join("new"))));
        assert_eq!(target("odd.csv"), Ok(Target::Directory(dir.path().join("odd.csv"))));
        assert_eq!(target("new.csv"), Ok(Target::File(dir.path().join("new.csv"))));
        assert_eq!(target("NEW.CSV"), Ok(Target::File(dir.path().join("NEW.CSV"))));
        assert_eq!(target("plain"), Ok(Target::File(dir.path().join("plain"))));
        assert!(target("new.csv.gz").is_err() && target("new.txt").is_err() && target("new.parquet").is_err());
        // All tables in one file.
        let trace = |name: &str| Target::from_path(&dir.path().join(name), Format::Perfetto, "-o");
        assert_eq!(trace("new"), Ok(Target::File(dir.path().join("new"))));
        assert_eq!(trace("new.perfetto-trace"), Ok(Target::File(dir.path().join("new.perfetto-trace"))));
        assert!(trace("odd.csv").is_err() && trace("new.csv").is_err());
    }
}
