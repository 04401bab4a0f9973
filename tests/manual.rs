//! Completions and manual pages: generated from the declaration of the command line, and accepted by their readers.

mod program;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use program::*;

/// Runs a tool that may not be installed.
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
    // As bash calls it: the words so far, of which the last is completed.
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
    assert_eq!(complete("perfwatch comp"), ["compact", "compare", "completions"].map(str::to_string).into());
    assert_eq!(complete("perfwatch tr"), ["trend".to_string()].into());
    assert_eq!(complete("perfwatch trend --order"), ["--order-by".to_string()].into());
    assert_eq!(complete("perfwatch record --reta"), ["--retain".to_string()].into());
    assert_eq!(complete("perfwatch record --perf-backend s"), ["syscall".to_string()].into());
}

/// As bash calls it after the tab key, in a folder with a recording, another folder and a file.
#[test]
fn bash_completes_names_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("perfwatch.bash");
    fs::write(&script, run(["completions", "bash"]).out).unwrap();
    let here = folder.path().join("here");
    fs::create_dir_all(here.join("else")).unwrap();
    fs::write(here.join("else.txt"), "").unwrap();
    let dir = here.join("run");
    let marks = format!("{PROGRAM} mark start 'big load'; {PROGRAM} mark start x; {PROGRAM} mark end 'big load'");
    let mut recorder = program();
    recorder.args(["record", "-qq", "--collectors", "memory", "--tag", "speed=high", "-o"]).arg(&dir);
    Said::from(recorder.args(["--", "sh", "-c", &marks]).output().unwrap()).is(0, &[]);
    if tool(Command::new("bash").arg("--version")).is_none() {
        return;
    }
    let complete = |words: &str| {
        let ask = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _perfwatch_or_command perfwatch \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).current_dir(&here).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(str::to_string).collect::<Vec<_>>()
    };
    let perfwatch = PROGRAM;
    assert_eq!(complete(&format!("{perfwatch} report ''")).len(), 2, "only folders");
    for command in ["report", "export", "info", "annotate", "recover", "compact", "verify"] {
        assert_eq!(complete(&format!("{perfwatch} {command} r")), ["run"], "{command}");
        assert_eq!(complete(&format!("{perfwatch} {command} run e")), ["else"], "{command}: several");
    }
    for command in ["config", "man"] {
        assert_eq!(complete(&format!("{perfwatch} {command} ann")), ["annotate"], "{command}");
    }
    assert_eq!(complete(&format!("{perfwatch} report run --table mem")), ["memory"]);
    assert_eq!(complete(&format!("{perfwatch} report run -t cpu,mem")), ["cpu,memory"]);
    assert_eq!(complete(&format!("{perfwatch} report run --table = sen")), ["sensor"]);
    assert_eq!(complete(&format!("{perfwatch} report run --metric swap_t")), ["swap_total_bytes"]);
    assert_eq!(complete(&format!("{perfwatch} export run --columns swap_t")), ["swap_total_bytes"]);
    assert_eq!(complete(&format!("{perfwatch} export run -o els")).len(), 2, "a file or a folder");
    assert_eq!(complete(&format!("{perfwatch} report run --phase big")), [r"big\ load", r"big\ load/x"]);
    assert_eq!(complete(&format!("{perfwatch} annotate run --remove-tag ''")), ["speed"]);
    assert_eq!(complete(&format!("{perfwatch} record --collectors +sen")), ["+sensor"]);
    assert_eq!(complete(&format!("{perfwatch} record --perf-events cpu-cl")), ["cpu-clock"]);
    assert_eq!(complete(&format!("{perfwatch} schema pres")), ["pressure"]);
    assert_eq!(complete(&format!("{perfwatch} record -o ''")).len(), 2);
    assert_eq!(complete(&format!("{perfwatch} report run --since ''")), [""; 0], "no file is a time");
    assert_eq!(complete(&format!("{perfwatch} record --tag ''")), [""; 0]);
    // The suggested word.
    run(["report", dir.to_str().unwrap(), "--phase", "big"]).is(1, &["(did you mean `big load`?)"]);
}

#[test]
fn other_shells() {
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let said = run(["completions", shell]);
        said.is(0, &[]);
        assert!(said.out.contains("max-bytes") && said.out.contains("compact"), "{shell}");
        if ["zsh", "fish"].contains(&shell) {
            for list in ["tables", "metrics", "collectors", "events", "phases", "tags"] {
                assert!(
                    said.out.contains(&format!("perfwatch_some {list}"))
                        || said.out.contains(&format!("perfwatch_one {list}")),
                    "{shell}: {list}"
                );
            }
        }
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
fn fish_completes() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("perfwatch.fish");
    fs::write(&script, run(["completions", "fish"]).out).unwrap();
    let here = folder.path().join("here");
    fs::create_dir_all(here.join("run")).unwrap();
    fs::write(here.join("run.txt"), "").unwrap();
    // Its script calls us by name.
    let ours = std::path::Path::new(PROGRAM).parent().unwrap().to_str().unwrap();
    let path = format!("{ours}:{}", std::env::var("PATH").unwrap_or_default());
    for (line, completed) in [
        ("verify r", "run/"),
        ("schema pres", "pressure"),
        ("record --collectors +sen", "+sensor"),
        ("record --collectors cpu,-sen", "cpu,-sensor"),
        ("report x -t cpu,mem", "cpu,memory"),
        ("record -o x -- ls run.", "run.txt"),
    ] {
        let ask = format!("source {}; complete -C 'perfwatch {line}'", script.display());
        let mut fish = Command::new("fish");
        fish.args(["-c", &ask]).current_dir(&here).env("PATH", &path).env("HOME", folder.path());
        let Some(output) = tool(&mut fish) else { return };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // A description follows each name.
        let names: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(names, [completed], "{line}: {output:?}");
    }
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
        let text = fs::read_to_string(dir.join(page)).unwrap();
        for section in ["EXAMPLES", "EXIT STATUS", "FILES", "ENVIRONMENT"] {
            assert!(
                text.contains(&format!(".SH {section}")) || text.contains(&format!(".SH \"{section}\"")),
                "{page}: {section}"
            );
        }
    }
    for page in &pages {
        let checked = tool(Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(dir.join(page)));
        let Some(checked) = checked else { return };
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && said.is_empty(), "{page}: {said}");
    }
}
