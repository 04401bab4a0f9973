//! The command line: one `Args` struct per subcommand. Help texts are doc comments; there is no behaviour here.

pub mod ab;
pub mod annotate;
pub mod compact;
pub mod compare;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod events;
pub mod examples;
pub mod export;
pub mod format;
pub mod hints;
pub mod info;
pub mod man;
pub mod mark;
pub mod parameters;
pub mod part;
pub mod record;
pub mod recover;
pub mod report;
pub mod rows;
pub mod schema;
pub mod size;
pub mod trend;
pub mod verify;
pub mod when;

use std::path::PathBuf;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand, ValueHint};

pub use crate::record::result::OUR_FAILURE;

/// Would this command line start a command, if clap accepted it? If so, callers take our exit status for that of the
/// command.
pub fn means_to_start_command(argv: &[OsString]) -> bool {
    // clap reads everything before the error, including the subcommand.
    let read = Cli::command().ignore_errors(true).try_get_matches_from(argv);
    let subcommand = read.as_ref().ok().and_then(|matches| matches.subcommand_name());
    subcommand.is_some_and(|name| name == "ab" || name == "record" && argv.iter().any(|word| word == "--"))
}

/// Does the command line end with `--`, with no command after it? (`record -- $CMD` with an empty variable.)
pub fn lacks_command(argv: &[OsString]) -> bool {
    argv.last().is_some_and(|word| word == "--")
}

/// Record the performance of a Linux machine into Parquet files, and report on it.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    /// Read options from this file
    ///
    /// The default is perfwatch.toml in the current directory, in ~/.config/perfwatch or in /etc.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Settings")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Record(Box<record::RecordArgs>),
    Ab(Box<ab::AbArgs>),
    Mark(mark::MarkArgs),
    Report(report::ReportArgs),
    Compare(compare::CompareArgs),
    Trend(trend::TrendArgs),
    Export(export::ExportArgs),
    Info(info::InfoArgs),
    Annotate(annotate::AnnotateArgs),
    Doctor(doctor::DoctorArgs),
    Events(events::EventsArgs),
    Schema(schema::SchemaArgs),
    Recover(recover::RecoverArgs),
    Compact(compact::CompactArgs),
    Verify(verify::VerifyArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// Does this start a command, so that users expect its exit status as ours?
    pub fn starts_command(&self) -> bool {
        match self {
            Command::Ab(_) => true,
            Command::Record(args) => !args.command.is_empty(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_that_start_a_command() {
        let wraps = |line: &str| means_to_start_command(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "p record -- x",
            "p --config f record -q -- x",
            "p --config=f record --",
            "p ab --base x",
            "p ab",
            "p record -i soon -- x",
            "p record --no-such -- x",
        ] {
            assert!(wraps(line), "{line}");
        }
        for line in
            ["p", "p record -q", "p report ab", "p report record -- x", "p --config record info -- x", "p -- record"]
        {
            assert!(!wraps(line), "{line}");
        }
    }

    #[test]
    fn clap_accepts_the_declaration() {
        Cli::command().debug_assert();
    }
}
