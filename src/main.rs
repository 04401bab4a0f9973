//! Parse, run, print what went wrong, exit status.

use std::io::stdout;
use std::process::ExitCode;

use clap::Parser;
use perfwatch::cli::{Cli, Command};
use perfwatch::commands::{self, Outcome, Usage};
use perfwatch::{catalog, reader};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Record(args) => commands::record::run(args),
        Command::Report(args) => {
            commands::report::run(&args, catalog::tables(), |path| Ok(Box::new(reader::open(path)?)), &mut stdout())
        }
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Schema(args) => commands::schema::run(&args, catalog::tables(), &mut stdout()),
        Command::Recover(args) => commands::recover::run(args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => ExitCode::from(1),
        Err(error) => {
            eprintln!("perfwatch: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
