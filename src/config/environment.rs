//! `PERFWATCH_INTERVAL=500ms`: the options of `record`, in capitals.

use std::ffi::OsString;

use clap::{ArgAction, Command};

use super::{ConfigError, Origin, Setting, options};
use crate::text::nearest::nearest;

const PREFIX: &str = "PERFWATCH_";
/// The command to which the options belong.
const COMMAND: &str = "record";
/// Variables that are not options: the path of the settings file, and the address for marks.
const OTHERS: [&str; 2] = ["PERFWATCH_CONFIG", CONTROL];
const CONTROL: &str = "PERFWATCH_CONTROL";
/// Variables that a step of a run gets together with [`CONTROL`]. Elsewhere they are misspelt options.
const TOLD: [&str; 3] = ["PERFWATCH_RUN", "PERFWATCH_SIDE", "PERFWATCH_WARMUP"];

/// The settings in these variables, and warnings about unknown variables with our prefix.
///
/// # Errors
/// When a value is not UTF-8.
pub fn settings(
    cli: &Command,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(Vec<Setting>, Vec<String>), ConfigError> {
    let Some(command) = cli.find_subcommand(COMMAND) else { return Ok(Default::default()) };
    let known: Vec<(String, &clap::Arg)> =
        options(command).filter_map(|arg| Some((variable(arg.get_long()?), arg))).collect();
    let (mut found, mut warnings) = (Vec::new(), Vec::new());
    let variables: Vec<(OsString, OsString)> = variables.collect();
    let in_a_step = variables.iter().any(|(name, _)| name == CONTROL);
    let is_told = |name: &str| in_a_step && TOLD.contains(&name);
    for (name, value) in variables {
        let is_other = |name: &str| !name.starts_with(PREFIX) || OTHERS.contains(&name) || is_told(name);
        let Some(name) = name.to_str().filter(|name| !is_other(name)) else { continue };
        let Some((_, arg)) = known.iter().find(|(known, _)| known == name) else {
            // Compared without the common prefix, which would make all names similar.
            let bare = |name: &'static str| name.trim_start_matches(PREFIX);
            let known = known.iter().map(|(known, _)| known.trim_start_matches(PREFIX)).chain(OTHERS.map(bare));
            let near = nearest(name.trim_start_matches(PREFIX), known);
            let near = near.map(|near| format!(" (did you mean `{PREFIX}{near}`?)")).unwrap_or_default();
            warnings.push(format!("{name} in the environment is not a setting of perfwatch{near}"));
            continue;
        };
        // Same as not set: scripts unset a variable for one command this way.
        if value.is_empty() {
            continue;
        }
        let value = value.into_string().map_err(|_| ConfigError(format!("{name}: the value is not UTF-8")))?;
        let values = match arg.get_action() {
            ArgAction::Append => value.split(',').map(str::to_string).collect(),
            _ => vec![value],
        };
        let option = arg.get_long().unwrap_or_default().to_string();
        found.push(Setting { command: COMMAND.into(), option, values, origin: Origin::Environment(name.into()) });
    }
    found.sort_by(|a, b| a.option.cmp(&b.option));
    warnings.sort();
    Ok((found, warnings))
}

/// The name of the variable of an option.
pub fn variable(long: &str) -> String {
    format!("{PREFIX}{}", long.to_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    use crate::cli::Cli;

    fn of(variables: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let (settings, warnings) = settings(&Cli::command(), variables).unwrap();
        (settings.iter().map(|s| format!("{}={:?} by {}", s.option, s.values, s.origin)).collect(), warnings)
    }

    #[test]
    fn options_in_capitals() {
        let (settings, warnings) = of(&[
            ("PERFWATCH_TAG", "a=1,b=2"),
            ("PERFWATCH_INTERVAL", "2s"),
            ("PERFWATCH_ALL_DISKS", "true"),
            ("PERFWATCH_DURATION", ""),
            ("PERFWATCH_CONTROL", "/run/x"),
            ("INTERVAL", "5s"),
        ]);
        assert_eq!(
            settings,
            [
                "all-disks=[\"true\"] by PERFWATCH_ALL_DISKS",
                "interval=[\"2s\"] by PERFWATCH_INTERVAL",
                "tag=[\"a=1\", \"b=2\"] by PERFWATCH_TAG",
            ]
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn unknown_variables_cause_a_warning() {
        let (settings, warnings) = of(&[("PERFWATCH_INTERVALL", "2s"), ("PERFWATCH_XYZZY", "1")]);
        assert!(settings.is_empty());
        let odd = "in the environment is not a setting of perfwatch";
        let near = format!("PERFWATCH_INTERVALL {odd} (did you mean `PERFWATCH_INTERVAL`?)");
        assert_eq!(warnings, [near, format!("PERFWATCH_XYZZY {odd}")]);
        // The variables of a step of a series are known there.
        let told = [("PERFWATCH_CONTROL", "/run/x"), ("PERFWATCH_RUN", "3"), ("PERFWATCH_SIDE", "new")];
        assert_eq!(of(&told), (vec![], vec![]));
        assert_eq!(of(&told[1..2]).1, [format!("PERFWATCH_RUN {odd} (did you mean `PERFWATCH_RUNS`?)")]);
    }
}
