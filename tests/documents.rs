//! The documents: their links and the files they name exist, the README is short, and the report shown in it is real.

mod program;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;
use perfwatch::cli::Cli;
use program::*;

const MOST_WORDS_OF_README: usize = 1300;

/// Prefixes of file names in the text.
const FOLDERS: [&str; 8] = ["src/", "tests/", "benches/", "docs/", "notebooks/", "sample-data/", ".ci/", ".github/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["", "docs", "sample-data", "tests/fixtures", "tests/fixtures/recordings", "tests/fixtures/perf/output"]
            .iter()
            .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .collect();
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// The lines outside code blocks.
fn prose(page: &str) -> Vec<&str> {
    let mut in_code = false;
    let mut is_prose = |line: &str| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    };
    page.lines().filter(|line| is_prose(line)).collect()
}

/// The targets of `[text](target)`.
fn links(page: &str) -> Vec<String> {
    let target = |rest: &str| rest.split(')').next().map(str::to_string);
    prose(page).iter().flat_map(|line| line.split("](").skip(1).filter_map(target)).collect()
}

/// The anchors of a page, as GitHub makes them from headings: lower case, spaces as `-`, no other punctuation.
fn anchors(page: &str) -> HashSet<String> {
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    prose(page).iter().filter(|line| line.starts_with('#')).map(|line| anchor(line)).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for path in documents() {
        let page = fs::read_to_string(&path).unwrap();
        for link in links(&page) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: no {link}", path.display());
            if let Some(anchor) = anchor {
                let headings = anchors(&fs::read_to_string(&target).unwrap());
                assert!(headings.contains(anchor), "{}: no heading {link} among {headings:?}", path.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed}");
}

#[test]
fn files_that_are_named_exist() {
    let mut found = 0;
    for path in documents() {
        let page = fs::read_to_string(&path).unwrap();
        for line in prose(&page) {
            for name in line.split('`').skip(1).step_by(2) {
                // A command, a pattern, or a placeholder is not the name of a file.
                let is_file = FOLDERS.iter().any(|folder| name.starts_with(folder)) && !name.contains([' ', '*', '…']);
                if is_file {
                    assert!(root().join(name).exists(), "{}: no {name}", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found > 30, "{found}");
}

#[test]
fn the_readme_is_short() {
    let words = fs::read_to_string(root().join("README.md")).unwrap().split_whitespace().count();
    assert!(words <= MOST_WORDS_OF_README, "{words} words: move something to docs/GUIDE.md or docs/REFERENCE.md");
}

/// Every line of the report in the README is in the real report, in this order.
#[test]
fn the_report_in_the_readme_is_real() {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, block) = page.split_once("```console\n$ perfwatch ").expect("a report");
    let (command, shown) = block.split_once("```").unwrap().0.split_once('\n').unwrap();
    let mut perfwatch = program();
    let said =
        Said::from(perfwatch.args(command.split(' ')).args(["--width", "80"]).current_dir(root()).output().unwrap());
    said.is(0, &[]);
    let mut real = said.out.lines();
    let mut lines = 0;
    for line in shown.lines().filter(|line| *line != "..." && !line.is_empty()) {
        assert!(
            real.any(|other| other == line),
            "`{line}` is not in the report, or not after the previous line: {}",
            said.out
        );
        lines += 1;
    }
    assert!(lines > 10, "{lines}");
}

/// The lines of code blocks, continued lines joined.
fn code(page: &str) -> Vec<String> {
    let joined = page.replace("\\\n", " ");
    let mut in_code = false;
    let mut is_code = |line: &str| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        in_code && !is_fence
    };
    joined.lines().filter(|line| is_code(line)).map(str::to_string).collect()
}

/// The words of a command line up to a comment, a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    let (mut word, mut quote, mut is_word) = (String::new(), None, false);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => (quote, is_word) = (Some(c), true),
            (c, Some(q)) if c == q => quote = None,
            (' ', None) if is_word => {
                words.push(std::mem::take(&mut word));
                is_word = false;
            }
            (' ', None) => {}
            ('#' | '|' | '>' | ';' | '&', None) if !is_word => return words,
            (c, _) => {
                word.push(c);
                is_word = true;
            }
        }
    }
    words.extend(is_word.then_some(word));
    words
}

/// Every perfwatch command line in a code block is accepted by the program, and every option in the text is known.
#[test]
fn commands_are_accepted() {
    let mut cli = Cli::command();
    cli.build();
    let names: Vec<String> = cli.get_subcommands().map(|c| c.get_name().to_string()).collect();
    let (mut run, mut named) = (0, 0);
    for path in documents() {
        let page = fs::read_to_string(&path).unwrap();
        for line in code(&page) {
            let Some(at) = line.find("perfwatch ").filter(|at| line[..*at].chars().all(|c| !c.is_alphabetic())) else {
                continue;
            };
            let line = &line[at..];
            // Output of perfwatch also starts with its name, followed by a colon.
            if let Err(error) = cli.clone().try_get_matches_from(words(line)) {
                assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{}: {line}: {error}", path.display());
            }
            run += 1;
        }
        for text in prose(&page).iter().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let mut words = words(text.strip_prefix("perfwatch ").unwrap_or(text));
            if words.len() < 2 || !names.contains(&words[0]) {
                continue;
            }
            words.insert(0, "perfwatch".into());
            if let Err(error) = cli.clone().try_get_matches_from(&words) {
                // Values are placeholders here, or missing.
                let is_wrong = [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand];
                assert!(!is_wrong.contains(&error.kind()), "{}: {text}: {error}", path.display());
            }
            named += 1;
        }
    }
    assert!(run > 30 && named > 30, "{run} {named}");
}
