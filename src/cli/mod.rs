//! The command line: one `Args` struct for each subcommand, help as doc comments, no behaviour.

pub mod compact;
pub mod doctor;
pub mod events;
pub mod record;
pub mod recover;
pub mod report;
pub mod schema;
pub mod size;
pub mod source;
pub mod time;

use clap::{Parser, Subcommand};

/// Record how a Linux machine is doing into Parquet files, and report on them.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Record(record::RecordArgs),
    Report(report::ReportArgs),
    Doctor(doctor::DoctorArgs),
    Events(events::EventsArgs),
    Schema(schema::SchemaArgs),
    Recover(recover::RecoverArgs),
    Compact(compact::CompactArgs),
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
