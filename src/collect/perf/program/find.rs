//! Finds the perf program.
//!
//! On Ubuntu and old Debian `/usr/bin/perf` is a script. It looks for a binary of exactly the running kernel and fails
//! if there is none, although the binary of another kernel would work.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::child::{self, Invocation};

/// The first executable `perf` on a `PATH`.
pub fn on_path(path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?).filter(|dir| dir.is_absolute()).map(|dir| dir.join("perf")).find(|p| is_program(p))
}

/// The binaries behind the distribution's wrapper, newest first: `linux-tools/6.8.0-31-generic/perf` and
/// `linux-tools-6.8.0-31/perf` below `/usr/lib`.
pub fn binaries_of_distribution(lib: &Path) -> Vec<PathBuf> {
    let children = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let versioned =
        children(lib).filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("linux-tools-")));
    let mut found: Vec<PathBuf> = children(&lib.join("linux-tools"))
        .chain(versioned)
        .map(|dir| dir.join("perf"))
        .filter(|p| is_program(p))
        .collect();
    found.sort_by_cached_key(|path| std::cmp::Reverse(numbers(path)));
    found
}

/// The numbers in a path, so that 6.11 is newer than 6.8.
fn numbers(path: &Path) -> Vec<u64> {
    let text = path.to_string_lossy();
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

/// The version reported by the program: `6.1.187`. Distributions put anything there, and some nothing. It is only
/// displayed.
pub fn version(program: &Path) -> Option<String> {
    let invocation = Invocation { program: program.to_path_buf(), args: vec!["--version".into()] };
    let finished = child::block_on(child::run(&invocation, Duration::from_secs(2))).ok()?.ok()?;
    let text = String::from_utf8_lossy(&finished.output);
    let first = text.lines().next()?.trim();
    let version = first.strip_prefix("perf version").unwrap_or(first).trim();
    let version: String = version.chars().filter(|c| !c.is_control()).take(60).collect();
    Some(version).filter(|v| !v.is_empty())
}

pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: PathBuf) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_first_on_the_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/perf")).unwrap();
        fs::create_dir_all(dir.path().join("b")).unwrap();
        fs::write(dir.path().join("b/perf"), "not executable").unwrap();
        let perf = program(dir.path().join("c/perf"));
        let path = std::env::join_paths(["a", "b", "c"].map(|d| dir.path().join(d))).unwrap();
        assert_eq!(on_path(Some(&path)), Some(perf));
        assert_eq!(on_path(Some(OsStr::new(""))), None);
        assert_eq!(on_path(None), None);
    }

    #[test]
    fn the_newest_behind_the_wrapper() {
        let lib = tempfile::tempdir().unwrap();
        let old = program(lib.path().join("linux-tools/6.8.0-31-generic/perf"));
        let new = program(lib.path().join("linux-tools-6.11.0-9/perf"));
        fs::create_dir_all(lib.path().join("linux-tools/6.12.0-1-generic")).unwrap();
        assert_eq!(binaries_of_distribution(lib.path()), [new, old]);
        assert!(binaries_of_distribution(Path::new("/nonexistent")).is_empty());
    }
}
