//! The command line: one `Args` struct for each subcommand, help as doc comments, no behaviour.

pub mod ab;
pub mod annotate;
pub mod compact;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod events;
pub mod info;
pub mod man;
pub mod mark;
pub mod record;
pub mod recover;
pub mod report;
pub mod schema;
pub mod size;
pub mod source;
pub mod time;

use std::path::PathBuf;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

/// What `timeout` and `env` return for a failure of their own, so that it is not taken for that of the command they start.
pub const OUR_FAILURE: u8 = 125;

/// Is a command to be started, whose status people will look for in ours?
pub fn wraps_command(argv: &[OsString]) -> bool {
    let mut words = argv.iter().skip(1).take_while(|word| *word != "--");
    words.any(|word| word == "record") && argv.iter().any(|word| word == "--")
}

/// Record how a Linux machine is doing into Parquet files, and report on them.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    /// Read options from this file [default: perfwatch.toml here, in ~/.config/perfwatch or in /etc]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
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
    Info(info::InfoArgs),
    Annotate(annotate::AnnotateArgs),
    Doctor(doctor::DoctorArgs),
    Events(events::EventsArgs),
    Schema(schema::SchemaArgs),
    Recover(recover::RecoverArgs),
    Compact(compact::CompactArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_declaration_is_sound() {
        Cli::command().debug_assert();
    }
}
