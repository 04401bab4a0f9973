//! Parse, run, print what went wrong, exit status.

use std::io::stdout;
use std::process::ExitCode;

use clap::Parser;
use perfwatch::cli::{Cli, Command};
use perfwatch::commands::{self, Outcome, Usage};
use perfwatch::{catalog, reader, ui};

fn main() -> ExitCode {
    // A file at the limit of its size (`ulimit -f`) is an error like a full disk, no reason to die.
    // SAFETY: a plain system call, before there is another thread.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let result = match Cli::parse().command {
        Command::Record(args) => commands::record::run(args),
        Command::Report(args) => {
            commands::report::run(&args, catalog::tables(), |path| Ok(Box::new(reader::open(path)?)), &mut stdout())
        }
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Events(args) => commands::events::run(&args),
        Command::Schema(args) => commands::schema::run(&args, catalog::tables(), &mut stdout()),
        Command::Recover(args) => commands::recover::run(args),
        Command::Compact(args) => commands::compact::run(&args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => ExitCode::from(1),
        Err(error) => {
            ui::complain(&format!("{error:#}"));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
