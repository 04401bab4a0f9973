//! Messages for an unknown word or option: what was probably meant.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::{Cli, hints};
use crate::store::layout::MANIFEST;
use crate::text::words::quoted;
use crate::workload;

/// A message that replaces clap's, if there is a better hint; otherwise None.
pub fn hint(error: &clap::Error, argv: &[OsString]) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let words: Vec<String> = argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let command = command(&words);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand)?;
            let at = words.iter().position(|other| *other == word)?;
            match command.map(String::as_str) {
                Some("mark") => {
                    Some(format!("mark: `{word}` is not one of start, end and event: {}", hints::mark(&word)))
                }
                // A user who asks for help on a word does not want to record it.
                Some("help") => hints::command(&word).map(|hint| format!("there is no command `{word}`: {hint}")),
                _ => unknown_command(&word, &words[at..]),
            }
        }
        ErrorKind::UnknownArgument => {
            let flag = text(ContextKind::InvalidArg)?;
            match command {
                Some(command) if flag.starts_with('-') => {
                    let hint = hints::option(command, flag.split('=').next()?)?;
                    Some(format!("{command} has no option {flag}: {hint}"))
                }
                Some(command) if command == "ab" => {
                    Some("ab takes its commands as --base 'SCRIPT' --new 'SCRIPT'".into())
                }
                Some(command) if command == "record" => {
                    let at = words.iter().position(|word| *word == flag)?;
                    if let Some(said) = as_of_sar(&words[..at], &words[at..]) {
                        return Some(said);
                    }
                    let said =
                        format!("a command to record comes after `--`: perfwatch record -- {}", line(&words[at..]));
                    Some(said)
                }
                None => {
                    let tried = sorted(&words)
                        .unwrap_or_else(|| std::iter::once("record".to_string()).chain(words.clone()).collect());
                    // An option that is unknown there too needs no such hint.
                    let is_known = !is_refused(&tried);
                    is_known.then(|| {
                        format!("there is no option {flag} before a command: try `perfwatch {}`", line(&tried))
                    })
                }
                Some(_) => None,
            }
        }
        _ => None,
    }
}

/// The first word that is not an option of ours or its value; None if another option comes first.
fn command(words: &[String]) -> Option<&String> {
    let mut words = words.iter();
    loop {
        match words.next() {
            Some(option) if option == "--config" => drop(words.next()),
            Some(option) if option.starts_with("--config=") => {}
            other => return other.filter(|word| !word.starts_with('-')),
        }
    }
}

/// `record 1 5`, as in `sar` and `vmstat`: an interval and a count.
fn as_of_sar(before: &[String], words: &[String]) -> Option<String> {
    let number = |word: Option<&String>| word?.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
    let every = number(words.first())?;
    if before.iter().any(|word| word.starts_with("-i") || word.starts_with("--interval")) {
        return Some("the duration is an option too, such as -d 10s".into());
    }
    let until = number(words.get(1)).map(|n| format!(" -d {}s", every * n)).unwrap_or_default();
    Some(format!("the interval and the duration are options: perfwatch record -i {every}s{until}"))
}

/// Does it contain an option or word that is unknown there?
fn is_refused(words: &[String]) -> bool {
    let argv = std::iter::once("perfwatch").chain(words.iter().map(String::as_str));
    let tried = Cli::command().try_get_matches_from(argv);
    tried.is_err_and(|error| matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand))
}

/// The words with the command first, if an option comes before it.
fn sorted(words: &[String]) -> Option<Vec<String>> {
    let cli = Cli::command();
    let at = words.iter().position(|word| cli.find_subcommand(word).is_some())?;
    let others = words.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, word)| word.clone());
    Some(std::iter::once(words[at].clone()).chain(others).collect())
}

fn unknown_command(word: &str, rest: &[String]) -> Option<String> {
    let lead = format!("there is no command `{word}`");
    if let Some(hint) = hints::command(word) {
        return Some(format!("{lead}: {hint}"));
    }
    if Path::new(word).join(MANIFEST).exists() {
        return Some(format!("{lead}; it is a recording: `perfwatch report {}` prints its figures", quoted(word)));
    }
    if let Some(hint) = hints::script(rest) {
        return Some(format!("{lead}: {hint}"));
    }
    let is_program = workload::find(word.as_ref(), std::env::var_os("PATH").as_deref()).is_ok();
    is_program
        .then(|| format!("{lead}: a command to record comes after `record --`: perfwatch record -- {}", line(rest)))
}

fn line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}
