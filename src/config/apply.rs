//! Settings become the default values of a command's options.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Id};

use super::{ConfigError, Origin, Setting, Settings, options};
use crate::cli::Cli;

/// Sets the defaults of the options of command `name` to the values in `settings`, unless a flag in `given` overrides
/// them.
///
/// # Errors
/// When an option does not accept a value, or two settings exclude each other.
pub fn apply(
    cli: Command,
    name: &str,
    given: &ArgMatches,
    settings: &Settings,
) -> Result<(Command, Vec<Setting>), ConfigError> {
    let Some(command) = cli.find_subcommand(name) else { return Ok((cli, Vec::new())) };
    let chosen: Vec<(Id, Setting)> =
        chosen(command, given, settings)?.into_iter().map(|(arg, setting)| (arg.get_id().clone(), setting)).collect();
    let cli = cli.mut_subcommand(name, |command| {
        chosen.iter().fold(command, |command, (id, setting)| {
            command.mut_arg(id, |arg| {
                let values = if is_counted(&arg) { counted(&setting.values) } else { setting.values.clone() };
                arg.default_values(values)
            })
        })
    });
    Ok((cli, chosen.into_iter().map(|(_, setting)| setting).collect()))
}

/// The settings in effect, each with its option: for each option the one with the highest priority, unless a flag or a
/// setting with higher priority excludes it.
fn chosen<'c>(
    command: &'c Command,
    given: &ArgMatches,
    settings: &Settings,
) -> Result<Vec<(&'c Arg, Setting)>, ConfigError> {
    let is_flag = |arg: &Arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let mut chosen: Vec<(&Arg, Setting)> = Vec::new();
    for setting in settings.all.iter().filter(|s| s.command == command.get_name()) {
        let Some(arg) = options(command).find(|arg| arg.get_long() == Some(&setting.option)) else { continue };
        let setting = taken(command, arg, setting)?;
        if is_flag(arg) || chosen.iter().any(|(other, _)| other.get_id() == arg.get_id()) {
            continue;
        }
        // Positional arguments count as flags too: a recorded command.
        if is_off(&setting) || !command.get_arguments().any(|other| is_flag(other) && exclude(command, arg, other)) {
            let against = chosen
                .iter()
                .find(|(other, stronger)| !is_off(&setting) && !is_off(stronger) && exclude(command, arg, other));
            match against {
                None => chosen.push((arg, setting)),
                Some((_, other)) if is_same_place(&other.origin, &setting.origin) => {
                    let (option, origin) = (&setting.option, &setting.origin);
                    let (other, there) = (&other.option, &other.origin);
                    return Err(ConfigError(format!(
                        "{origin}: `{option}` cannot be set together with `{other}` ({there})"
                    )));
                }
                Some(_) => {}
            }
        }
    }
    Ok(chosen)
}

/// A duration that is set for recordings of the machine must not end a command: only a flag does.
const ONLY_BY_FLAG: [&str; 2] = ["command", "duration"];

fn exclude(command: &Command, a: &Arg, b: &Arg) -> bool {
    if a.get_id() != b.get_id() && [a, b].iter().all(|arg| ONLY_BY_FLAG.contains(&arg.get_id().as_str())) {
        return true;
    }
    let names = |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|c| c.get_id() == b.get_id());
    names(a, b) || names(b, a)
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

/// A switch that counts how often it is given: `quiet = true` is once, `quiet = 2` twice.
fn is_counted(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Count)
}

fn counted(values: &[String]) -> Vec<String> {
    let count = |value: &String| match value.as_str() {
        "true" => "1".to_string(),
        "false" => "0".to_string(),
        number => number.to_string(),
    };
    values.iter().map(count).collect()
}

/// A switch that is off has the same effect as one that is not set.
fn is_off(setting: &Setting) -> bool {
    setting.values == ["false"]
}

fn is_same_place(a: &Origin, b: &Origin) -> bool {
    matches!((a, b), (Origin::File { .. }, Origin::File { .. }) | (Origin::Environment(_), Origin::Environment(_)))
}

/// The setting, if the option's own parser accepts its values.
fn taken(command: &Command, arg: &Arg, setting: &Setting) -> Result<Setting, ConfigError> {
    let wrong = |why: String| ConfigError(format!("{}: {}: {why}", setting.origin, setting.option));
    if is_counted(arg) && matches!(setting.values.as_slice(), [one] if one == "2") {
        return Ok(setting.clone());
    }
    if is_switch(arg) || is_counted(arg) {
        let values = match setting.values.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["true" | "1" | "yes"] => vec!["true".to_string()],
            ["false" | "0" | "no"] => vec!["false".to_string()],
            _ => {
                let or_twice = if is_counted(arg) { " (or 2: given twice)" } else { "" };
                return Err(wrong(format!("`{}`: it can be true or false{or_twice}", setting.values.join(","))));
            }
        };
        return Ok(Setting { values, ..setting.clone() });
    }
    if setting.values.is_empty() {
        return Err(wrong("an empty list; leave it out instead".into()));
    }
    for value in &setting.values {
        let flag = format!("--{}={value}", setting.option);
        let tried = command.clone().no_binary_name(true).try_get_matches_from([OsString::from(flag)]);
        // Missing other arguments do not matter here.
        let is_wrong = |e: &clap::Error| {
            matches!(e.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues)
        };
        if let Some(error) = tried.err().filter(is_wrong) {
            let text = error.to_string();
            let why = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
            return Err(wrong(why.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    Ok(setting.clone())
}

/// How often a switch was given, as a setting value.
fn times(count: u8) -> String {
    match count {
        0 => "false".into(),
        1 => "true".into(),
        more => more.to_string(),
    }
}

/// The options of a command, with the settings applied; `None` if required arguments are missing.
///
/// # Errors
/// When an option does not accept the value that is set for it.
pub fn checked(name: &str, flags: &[OsString], settings: &Settings) -> Result<Option<Parts>, ConfigError> {
    let mut argv = vec![OsString::from("perfwatch"), name.into()];
    argv.extend_from_slice(flags);
    let cli = undemanding(name);
    let Ok(plain) = cli.clone().try_get_matches_from(&argv) else { return Ok(None) };
    let Some((_, given)) = plain.subcommand() else { return Ok(None) };
    let (cli, applied) = apply(cli.clone(), name, given, settings)?;
    let parsed = cli.try_get_matches_from(&argv).and_then(|matches| Cli::from_arg_matches(&matches));
    Ok(parsed.ok().map(|cli| (cli, applied)))
}

/// The command line with no required arguments for this command: they do not matter here.
fn undemanding(name: &str) -> Command {
    Cli::command().mut_subcommand(name, |command| {
        command.mut_args(|arg| arg.required(false)).subcommand_required(false).arg_required_else_help(false)
    })
}

/// A parsed command line, and the settings applied to it.
pub type Parts = (Cli, Vec<Setting>);

/// An option with its effective value.
#[derive(Debug, PartialEq, Eq)]
pub struct Effective {
    pub option: String,
    /// None: not set, and without a default.
    pub values: Option<Vec<String>>,
    pub origin: Origin,
}

/// The effective options of a command, given these flags.
///
/// # Errors
/// When something is wrong with the settings.
#[allow(clippy::exit, reason = "as clap does after it has printed help or an error")]
pub fn effective(name: &str, flags: &[OsString], settings: &Settings) -> Result<Vec<Effective>, ConfigError> {
    let mut argv = vec![OsString::from("perfwatch"), name.into()];
    argv.extend_from_slice(flags);
    let cli = undemanding(name);
    if cli.find_subcommand(name).is_some_and(|command| options(command).next().is_none()) {
        return Err(ConfigError(format!("`{name}` has no options that could be set")));
    }
    let plain = cli.clone().try_get_matches_from(&argv).unwrap_or_else(|error| {
        super::print(&error, &argv);
        std::process::exit(error.exit_code())
    });
    let Some((_, given)) = plain.subcommand() else { return Ok(Vec::new()) };
    let Some(command) = cli.find_subcommand(name) else { return Ok(Vec::new()) };
    let chosen = chosen(command, given, settings)?;
    let of = |arg: &Arg| {
        let option = arg.get_long().unwrap_or_default().to_string();
        let id = arg.get_id().as_str();
        if let Some((_, setting)) = chosen.iter().find(|(other, _)| other.get_id() == arg.get_id()) {
            let (values, origin) = (Some(setting.values.clone()), setting.origin.clone());
            return Effective { option, values, origin };
        }
        let is_flag = given.value_source(id) == Some(ValueSource::CommandLine);
        let values = match given.try_get_raw(id) {
            _ if is_switch(arg) => Some(vec![given.get_flag(id).to_string()]),
            _ if is_counted(arg) => Some(vec![times(given.get_count(id))]),
            Ok(Some(values)) => Some(values.map(|v| v.to_string_lossy().into_owned()).collect()),
            _ => None,
        };
        Effective { option, values, origin: if is_flag { Origin::Flag } else { Origin::Default } }
    };
    Ok(options(command).map(of).collect())
}
