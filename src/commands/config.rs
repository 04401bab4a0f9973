//! `perfwatch config`: prints the effective settings, and prints warnings about settings before a recording.

use anyhow::Result;
use clap::CommandFactory;
use serde_json::json;

use super::output::write_all;
use super::record::checks;
use super::report::{Recorded, chosen};
use super::sources::{checked as checked_options, selection};
use super::tags::tags;
use super::{Outcome, Usage};
use crate::cli::config::ConfigArgs;
use crate::cli::record::RecordArgs;
use crate::cli::{Cli, Command};
use crate::collect::catalog;
use crate::config::{Effective, Origin, Parsed, Settings, checked, effective};
use crate::text::grid::{Align, Grid};
use crate::text::nearest::did_you_mean;
use crate::text::printable::printable;
use crate::ui::Messages;

/// `perfwatch config`
///
/// # Errors
/// [`Usage`] for an unknown command or invalid settings; otherwise when the result cannot be printed.
pub fn run(args: &ConfigArgs, settings: &Settings) -> Result<Outcome> {
    let cli = Cli::command();
    let names = || cli.get_subcommands().map(clap::Command::get_name);
    if !names().any(|name| name == args.command) {
        let near = did_you_mean(&args.command, names());
        return Err(Usage(format!("no command is called `{}`{near}", args.command)).into());
    }
    let found = effective(&args.command, &args.flags, settings).map_err(|error| Usage(error.to_string()))?;
    check(args, settings)?;
    for warning in &settings.warnings {
        crate::ui::message(&format!("warning: {warning}"));
    }
    let text = if args.output.is_json() { as_json(args, settings, &found)? } else { as_text(settings, &found) };
    write_all(&mut std::io::stdout().lock(), &text)?;
    Ok(Outcome::Done)
}

/// Reports what the command would refuse before it starts.
fn check(args: &ConfigArgs, settings: &Settings) -> Result<(), Usage> {
    let parts = checked(&args.command, &args.flags, settings).map_err(|error| Usage(error.to_string()))?;
    let Some((cli, applied)) = parts else { return Ok(()) };
    let refused = match cli.command {
        Command::Record(args) => of_record(&args),
        Command::Ab(args) => of_record(&args.record),
        Command::Doctor(args) => checked_options(&args.sources).map(drop),
        Command::Compare(_) => settings.gate().map(drop).map_err(|error| Usage(error.to_string())),
        // Events and numbers of programs are known only with the recordings.
        Command::Report(args) => {
            let recorded = Recorded { events: args.metrics.clone(), numbers: args.metrics.clone() };
            chosen(&args, catalog::tables(), &recorded).map(drop)
        }
        _ => Ok(()),
    };
    refused.map_err(|Usage(said)| Usage(format!("{said}{}", Parsed::origins(&applied, &said))))
}

fn of_record(args: &RecordArgs) -> Result<(), Usage> {
    checks::values(args)?;
    tags(&args.tags)?;
    selection(args.collectors.as_deref())?;
    checked_options(&args.sources).map(drop)
}

fn as_json(args: &ConfigArgs, settings: &Settings, found: &[Effective]) -> Result<String> {
    let options: Vec<_> = found
        .iter()
        .map(|e| {
            let (origin, place) = match &e.origin {
                Origin::Default => ("default", None),
                Origin::File { .. } => ("file", Some(e.origin.to_string())),
                Origin::Environment(name) => ("environment", Some(name.clone())),
                Origin::Flag => ("flag", None),
            };
            json!({ "option": e.option, "values": e.values, "origin": origin, "set_by": place })
        })
        .collect();
    let all = json!({ "command": args.command, "file": settings.file, "options": options });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

fn as_text(settings: &Settings, found: &[Effective]) -> String {
    let text = match &settings.file {
        Some(path) => format!("settings file: {}\n\n", printable(&path.display().to_string())),
        None => "settings file: none\n\n".to_string(),
    };
    let shown = |e: &Effective| {
        e.values.as_ref().map_or_else(|| "-".to_string(), |values| printable(&values.join(", ")).into_owned())
    };
    let mut grid = Grid::new([Align::Left; 3]);
    for e in found {
        grid.row([e.option.clone(), shown(e), printable(&e.origin.to_string()).into_owned()]);
    }
    text + &grid.text(usize::MAX)
}

/// Prints what a user may want to know about the settings before a recording.
pub fn announce(args: &RecordArgs, settings: &Settings) {
    let messages = Messages { quiet: args.quiet, verbose: args.verbose };
    for warning in &settings.warnings {
        messages.warn(warning);
    }
    if let Some(path) = &settings.file {
        messages.detail(&format!("settings of {}", path.display()));
    }
}
