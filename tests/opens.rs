//! Files of a recording are opened in one module, which follows no links. This test searches for other code that opens
//! files by path.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the code that handles files of recordings.
const STORE: &str = "store";

/// That module, and those that open other files: files of the kernel, sizes for a message.
const MAY: [(&str, &str); 3] = [
    ("store/layout/lock.rs", "fs::read_to_string(LOCKS)"),
    ("store/layout/durable.rs", "fs::read_to_string(path)"),
    ("store/layout/mod.rs", "std::fs::read_dir(root)"),
];

const BY_PATH: [&str; 22] = [
    "File::open(",
    "File::create(",
    "File::create_new(",
    "OpenOptions",
    "fs::read(",
    "fs::read_to_string(",
    "fs::write(",
    "fs::rename(",
    "fs::copy(",
    "fs::remove_file(",
    "fs::remove_dir(",
    "fs::remove_dir_all(",
    "fs::create_dir(",
    "fs::create_dir_all(",
    "fs::hard_link(",
    "fs::set_permissions(",
    "fs::metadata(",
    "fs::symlink_metadata(",
    "fs::read_dir(",
    "fs::exists(",
    "chown(",
    ".exists()",
];

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    fs::read_dir(path).unwrap().flat_map(|entry| files(&entry.unwrap().path())).collect()
}

/// Does the line contain this call? `ParquetFile::open(` is not `File::open(`.
fn calls(line: &str, call: &str) -> bool {
    let is_whole = |at: usize| call.starts_with('.') || !line[..at].ends_with(char::is_alphanumeric);
    line.match_indices(call).any(|(at, _)| is_whole(at))
}

/// The tests named in `docs/REFERENCE.md` exist.
#[test]
fn the_tests_that_the_reference_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/REFERENCE.md")).unwrap();
    let mut named = 0;
    for line in text.lines().filter(|line| line.contains(".rs`")) {
        let mut code = String::new();
        for word in line.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            if word.ends_with(".rs") {
                code = fs::read_to_string(root.join(word)).unwrap();
            } else {
                assert!(code.contains(&format!("fn {word}(")), "{word}: {line}");
                named += 1;
            }
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn nothing_in_a_recording_is_opened_by_its_path() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut looked_at = 0;
    for file in files(&src.join(STORE)) {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap().to_string();
        // Suggestions for a path that is not a recording search around it, but open nothing.
        let is_elsewhere = ["store/layout/files.rs", "store/layout/near.rs"].contains(&name.as_str());
        if is_elsewhere || name.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for (line, number) in code.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with("//")) {
            let may = MAY.iter().any(|(file, what)| *file == name && line.contains(what));
            let found = BY_PATH.iter().find(|call| calls(line, call) && !may);
            assert!(found.is_none(), "src/{name}:{number} opens by path; use the methods of `Layout`: {line}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 1000, "the modules have moved: {looked_at} lines");
}
