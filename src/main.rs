//! Parse, run, print what went wrong, exit status.

use std::process::ExitCode;

use clap::Parser;
use perfwatch::cli::{Cli, Command};
use perfwatch::commands;
use perfwatch::names::UsageError;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Record(args) => commands::record::run(args),
        Command::Recover(args) => commands::recover::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
    };
    match result {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            eprintln!("perfwatch: {error:#}");
            ExitCode::from(if error.chain().any(|e| e.is::<UsageError>()) { 2 } else { 1 })
        }
    }
}
