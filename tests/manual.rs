//! Completions and manual pages: made of the command line's declaration, and taken by those who read them.

mod program;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use program::*;

/// Runs a tool that may not be there.
fn tool(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(_) => {
            eprintln!("skipped: no {}", command.get_program().display());
            None
        }
    }
}

#[test]
fn bash_completes() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(["completions", "bash"]);
    said.is(0, &[]);
    let script = folder.path().join("perfwatch.bash");
    fs::write(&script, &said.out).unwrap();
    let Some(checked) = tool(Command::new("bash").arg("-n").arg(&script)) else { return };
    assert!(checked.status.success(), "{checked:?}");
    // As bash calls it: the words so far, the last of them being completed.
    let complete = |words: &str| {
        let ask = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _perfwatch perfwatch \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_string).collect::<BTreeSet<_>>()
    };
    assert_eq!(complete("perfwatch comp"), ["compact", "completions"].map(str::to_string).into());
    assert_eq!(complete("perfwatch record --reta"), ["--retain".to_string()].into());
    assert_eq!(complete("perfwatch record --perf-backend s"), ["syscall".to_string()].into());
}

#[test]
fn other_shells() {
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let said = run(["completions", shell]);
        said.is(0, &[]);
        assert!(said.out.contains("max-bytes") && said.out.contains("compact"), "{shell}");
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        fs::write(&script, &said.out).unwrap();
        let checked = ["zsh", "fish"].contains(&shell).then(|| tool(Command::new(shell).arg("-n").arg(&script)));
        if let Some(Some(checked)) = checked {
            assert!(checked.status.success(), "{checked:?}");
        }
    }
    run(["completions", "tcsh"]).is(2, &["possible values: bash, elvish, fish, powershell, zsh"]);
}

#[test]
fn manual_pages() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new/man1");
    run([std::path::Path::new("man"), "--dir".as_ref(), &dir]).is(0, &[]);
    let pages: BTreeSet<String> =
        fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    for page in ["perfwatch.1", "perfwatch-record.1", "perfwatch-compact.1", "perfwatch-man.1"] {
        assert!(pages.contains(page), "{pages:?}");
    }
    let said = run(["man"]);
    said.is(0, &[]);
    assert!(said.out.contains(".TH perfwatch 1") && said.out.contains("perfwatch\\-record(1)"), "{}", said.out);
    let text = fs::read_to_string(dir.join("perfwatch-record.1")).unwrap();
    assert!(text.contains("\\-\\-max\\-bytes"), "{text}");
    for page in &pages {
        let checked = tool(Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(dir.join(page)));
        let Some(checked) = checked else { return };
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && said.is_empty(), "{page}: {said}");
    }
}
