//! Shell completions, generated from the declaration of the command line, and the names that the scripts request.

mod list;

use anyhow::Result;
use clap::builder::ValueHint;
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use super::Outcome;
use super::output::write_as_it_is;
use crate::cli::Cli;
use crate::cli::completions::{CompletionsArgs, LISTED, List};

const BASH: &str = include_str!("perfwatch.bash");
const ZSH: &str = include_str!("perfwatch.zsh");
const FISH: &str = include_str!("perfwatch.fish");

/// `perfwatch completions`
///
/// # Errors
/// When the script cannot be printed.
pub fn run(args: &CompletionsArgs) -> Result<Outcome> {
    let text = match (args.list, args.shell) {
        (Some(list), _) => list::names(list, &args.recordings),
        (None, Some(shell)) => script(shell),
        (None, None) => String::new(),
    };
    write_as_it_is(&mut std::io::stdout().lock(), &text)?;
    Ok(Outcome::Done)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut declaration(shell), "perfwatch", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => {
            let cli = Cli::command();
            let commands: Vec<&str> = cli.get_subcommands().map(Command::get_name).collect();
            let ours = BASH.replace("@LISTED@", &bash_cases()).replace("@VALUES@", &bash_values(&cli));
            script + &ours.replace("@COMMANDS@", &commands.join(" "))
        }
        Shell::Zsh => with_lists(&script),
        Shell::Fish => script + FISH + &fish_lines(),
        _ => script,
    }
}

/// Follows a value's name in the zsh script if its values can be listed.
const MARK: &str = "@";

/// The command line for completion: arguments that are not declared as files or directories complete to neither.
fn declaration(shell: Shell) -> Command {
    let visible = |command: Command| {
        let name = command.get_name().to_string();
        command.mut_args(|arg| of_kind(&name, arg, shell))
    };
    let mut cli = visible(Cli::command());
    let names: Vec<String> = cli.get_subcommands().map(|c| c.get_name().to_string()).collect();
    for name in names {
        cli = cli.mut_subcommand(&name, |command| {
            let inner: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_string()).collect();
            inner.iter().fold(visible(command), |command, name| command.mut_subcommand(name, visible))
        });
    }
    cli
}

fn of_kind(command: &str, arg: Arg, shell: Shell) -> Arg {
    let list = LISTED.iter().find(|(of, option, _)| *of == command && *option == arg.get_long().unwrap_or_default());
    let arg = match (list, shell) {
        (Some((.., list)), Shell::Zsh) => {
            let name = arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
            let name = format!("{name}{MARK}{}", list.word());
            arg.value_name(name)
        }
        _ => arg,
    };
    let takes_value = arg.get_action().takes_values();
    if takes_value && arg.get_value_hint() == ValueHint::Unknown { arg.value_hint(ValueHint::Other) } else { arg }
}

/// The lines of a `case` over command and option.
fn bash_cases() -> String {
    let line = |(command, option, list): &(&str, &str, List)| {
        let pattern = match (option.is_empty(), short_of(command, option)) {
            (true, _) => format!("{command}:"),
            (_, Some(short)) => format!("{command}:--{option} | {command}:-{short}"),
            (_, None) => format!("{command}:--{option}"),
        };
        format!("        {pattern}) list={} ;;\n", list.word())
    };
    LISTED.iter().map(line).collect()
}

/// The short form of an option.
fn short_of(command: &str, option: &str) -> Option<char> {
    let cli = Cli::command();
    let command = cli.find_subcommand(command)?;
    command.get_arguments().find(|arg| arg.get_long() == Some(option))?.get_short()
}

/// The lines of a `case` over the options that take a value.
fn bash_values(cli: &Command) -> String {
    let mut lines = String::new();
    for command in cli.get_subcommands() {
        let name = command.get_name();
        let with_value = command.get_arguments().filter(|arg| !arg.is_positional() && arg.get_action().takes_values());
        let flags = with_value.flat_map(|arg| {
            let (long, short) = (arg.get_long().map(|l| format!("--{l}")), arg.get_short().map(|s| format!("-{s}")));
            long.into_iter().chain(short)
        });
        let patterns: Vec<String> = flags.map(|flag| format!("{name}:{flag}")).collect();
        if !patterns.is_empty() {
            lines += &format!("        {}) return 0 ;;\n", patterns.join(" | "));
        }
    }
    lines
}

/// The zsh script, with each marker replaced by a function call.
fn with_lists(script: &str) -> String {
    let mut out = String::new();
    for line in script.lines() {
        let mut line = line.to_string();
        for (command, option, list) in LISTED {
            let action = format!(" _perfwatch_{} {}", if list.has_commas() { "some" } else { "one" }, list.word());
            let mark = format!("{MARK}{}:", list.word());
            if let Some((before, after)) = line.split_once(&mark) {
                let rest = after.find('\'').map_or("", |at| &after[at..]);
                line = format!("{before}:{action}{rest}");
            } else if option.is_empty()
                && line.contains(&format!("*::{} -- ", if command == "schema" { "tables" } else { "filter" }))
            {
                let head = line.rfind(':').map_or(line.as_str(), |at| &line[..at]);
                line = format!("{head}: _perfwatch_one {}' \\", list.word());
            }
        }
        // With two colons, everything after the first argument, options included, would count as a name.
        if line.starts_with("'*::") && (line.contains(":_files") || line.contains("_perfwatch_")) {
            line = line.replacen("'*::", "'*:", 1);
        }
        out += &line;
        out.push('\n');
    }
    // The functions must come before their callers.
    match out.split_once("\nautoload -U is-at-least\n") {
        Some((before, after)) => format!("{before}\nautoload -U is-at-least\n{ZSH}{after}"),
        None => out,
    }
}

fn fish_lines() -> String {
    let mut lines = String::new();
    for (command, option, list) in LISTED {
        let names = format!(
            "__perfwatch_{} {}",
            if list.has_commas() && !option.is_empty() { "some" } else { "one" },
            list.word()
        );
        let short = short_of(command, option).map_or_else(String::new, |letter| format!(" -s {letter}"));
        let option = if option.is_empty() { "-f".to_string() } else { format!("-l {option}{short} -x") };
        lines += &format!(
            "complete -c perfwatch -n \"__fish_perfwatch_using_subcommand {command}\" {option} -a \"({names})\"\n"
        );
    }
    lines
}
