//! Options that are not set on the command line. Priority: flags, `PERFWATCH_*`, `perfwatch.toml`, defaults.
//!
//! There is no second list of options. A setting has the long name of an option and becomes the default value of that
//! option; clap then parses and checks it like any other value.

mod apply;
mod environment;
mod file;
mod unknown;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::{Command, CommandFactory, FromArgMatches};

use crate::cli::{Cli, OUR_FAILURE, means_to_start_command};
use crate::compare::gate::Gate;
use crate::text::printable::printable;

pub use apply::{Effective, checked, effective};

/// Invalid settings.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// A value for an option of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub command: String,
    /// The long name of the option.
    pub option: String,
    pub values: Vec<String>,
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    /// The name of the variable.
    Environment(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => f.write_str(name),
            Origin::Flag => f.write_str("flag"),
        }
    }
}

/// The settings of all commands, highest priority first: environment, file.
#[derive(Debug, Default)]
pub struct Settings {
    pub file: Option<PathBuf>,
    /// The text of the file.
    text: String,
    pub all: Vec<Setting>,
    /// Anything suspicious that is not an error.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// When they contain an unknown name, or cannot be read.
    pub fn load(named: Option<PathBuf>) -> Result<Settings, ConfigError> {
        let cli = Cli::command();
        let (mut all, warnings) = environment::settings(&cli, std::env::vars_os())?;
        let file = match file::find(named) {
            Some((path, is_named)) => {
                let text = file::read(&path, is_named)?;
                all.extend(file::parse(&cli, &path, &text)?);
                Some((path, text))
            }
            None => None,
        };
        let (file, text) = file.map_or_else(Default::default, |(path, text)| (Some(path), text));
        Ok(Settings { file, text, all, warnings })
    }
}

impl Settings {
    /// The gate of `perfwatch compare`.
    ///
    /// # Errors
    /// When it has a mistake.
    pub fn gate(&self) -> Result<Option<Gate>, ConfigError> {
        let Some(file) = &self.file else { return Ok(None) };
        Gate::parse(&self.text, &file.display().to_string()).map_err(ConfigError)
    }
}

/// A parsed command line.
pub struct Parsed {
    pub cli: Cli,
    pub settings: Settings,
    /// The settings that apply to this command.
    pub applied: Vec<Setting>,
}

impl Parsed {
    /// Where the options that a message mentions were set, if not on the command line.
    pub fn origins(applied: &[Setting], message: &str) -> String {
        let named = |option: &str| {
            let flag = format!("--{option}");
            let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
            message.match_indices(&flag).any(|(at, _)| ends(&message[at + flag.len()..]))
        };
        let named = applied.iter().filter(|s| named(&s.option));
        named.map(|s| format!(" (--{} is set by {})", s.option, s.origin)).collect()
    }
}

/// Parses a command line together with the settings. Errors in the command line itself are printed and end the process,
/// as clap does.
///
/// # Errors
/// When something is wrong with the settings.
pub fn parse(argv: Vec<OsString>) -> Result<Parsed, ConfigError> {
    let plain = Cli::command().try_get_matches_from(&argv).unwrap_or_else(|error| quit(&error, &argv));
    let settings = match Settings::load(plain.get_one::<PathBuf>("config").cloned()) {
        // A script that marks its phases must not fail because of a settings file, and neither must a shell that
        // starts.
        Err(error) if plain.subcommand_name().is_some_and(|name| ["mark", "completions", "man"].contains(&name)) => {
            crate::ui::message(&format!("warning: {error}"));
            Settings::default()
        }
        settings => settings?,
    };
    let (matches, applied) = match plain.subcommand() {
        Some((name, given)) => {
            let (command, applied) = apply::apply(Cli::command(), name, given, &settings)?;
            (command.try_get_matches_from(&argv).unwrap_or_else(|error| quit(&error, &argv)), applied)
        }
        None => (plain, Vec::new()),
    };
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| quit(&error, &argv));
    Ok(Parsed { cli, settings, applied })
}

/// Prints clap's help or error, and ends the process.
#[allow(clippy::exit, reason = "as clap does after it has printed help or an error")]
fn quit(error: &clap::Error, argv: &[OsString]) -> ! {
    match unknown::hint(error, argv) {
        Some(said) => crate::ui::message(&said),
        None => print(error, argv),
    }
    let is_mistake = error.use_stderr() && means_to_start_command(argv);
    std::process::exit(if is_mistake { OUR_FAILURE.into() } else { error.exit_code() })
}

/// Prints the error as clap does. clap repeats arguments unchanged; if one contains terminal control characters, the
/// line is parsed again with them escaped.
fn print(error: &clap::Error, argv: &[OsString]) {
    let words: Vec<String> = argv.iter().map(|word| printable(&word.to_string_lossy()).into_owned()).collect();
    if words.iter().zip(argv).all(|(word, as_given)| word.as_str() == as_given) {
        let _ = error.print();
        return;
    }
    match Cli::command().try_get_matches_from(&words) {
        Err(same) if same.kind() == error.kind() => drop(same.print()),
        _ => crate::ui::message(&error.render().to_string()),
    }
}

/// The options of a command that can be set: those with a long name. `--config` is not included, because it belongs to
/// all commands.
fn options(command: &Command) -> impl Iterator<Item = &clap::Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some() && !arg.is_hide_set())
}

/// The long names of those options.
fn option_names(command: &Command) -> Vec<&str> {
    options(command).filter_map(|arg| arg.get_long()).collect()
}
