//! Dependencies only go down: a module of `src/` imports only modules that come before it in this list. So recordings
//! can be read without collectors, and only commands use a terminal.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest level up. A module may import those before it.
const ORDER: &[&str] = &[
    "stats", "text", "chart", "linux", "table", "events", "facts", "store", "workload", "metric", "mark", "collect",
    "query", "record", "report", "export", "compare", "page", "trend", "info", "cli", "ui", "config", "commands",
];

/// The imports outside of tests: importing module, file, imported module.
fn imports() -> BTreeSet<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for file in rust_files(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let name = inside.display().to_string();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs").to_string();
        let is_test = name.ends_with("tests.rs") || name.ends_with("testing.rs");
        if is_test || module == "lib" || module == "main" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // Tests are at the end of a file.
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let code: String =
            code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let names = match rest.strip_prefix('{') {
                // `use crate::{text, ui};`
                Some(list) => list.split('}').next().unwrap().split(',').map(first_word).collect(),
                None => vec![first_word(rest)],
            };
            found.extend(names.into_iter().filter(|n| *n != module).map(|n| (module.clone(), name.clone(), n)));
        }
    }
    found
}

fn first_word(text: &str) -> String {
    text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

#[test]
fn every_import_goes_down() {
    let level = |module: &str| ORDER.iter().position(|name| *name == module);
    let imports = imports();
    assert!(imports.len() > 300, "only {} imports were found", imports.len());
    let up: Vec<String> = imports
        .iter()
        .filter(|(from, _, to)| level(to).is_none() || level(from) < level(to))
        .map(|(_, file, to)| format!("src/{file} imports {to}"))
        .collect();
    assert!(up.is_empty(), "{} imports go up:\n{}", up.len(), up.join("\n"));
}

#[test]
fn every_module_has_its_level() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules = fs::read_dir(src).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let modules: BTreeSet<String> = modules.map(|name| name.trim_end_matches(".rs").to_string()).collect();
    let known = ORDER.iter().map(|name| name.to_string()).chain(["lib".into(), "main".into(), "query".into()]);
    assert_eq!(modules.into_iter().chain(["query".into()]).collect::<BTreeSet<_>>(), known.collect::<BTreeSet<_>>());
}

/// Settings come in and notices go out, so that a session can be started by something other than the command line.
#[test]
fn recording_knows_neither_the_command_line_nor_a_terminal() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/record");
    for file in rust_files(&src) {
        let text = fs::read_to_string(&file).unwrap();
        for word in ["clap", "println!", "eprintln!", "stderr()", "stdout()", "indicatif::Progress"] {
            assert!(!text.contains(word), "{} mentions {word}", file.display());
        }
    }
}
