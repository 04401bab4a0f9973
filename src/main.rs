//! Parse, run, print what went wrong, exit status.

use std::io::stdout;
use std::process::ExitCode;

use clap::Parser;
use perfwatch::cli::{Cli, Command};
use perfwatch::commands::{self, Outcome, Usage};
use perfwatch::{catalog, reader, run, ui};

fn main() -> ExitCode {
    run::inherit::remember();
    // A file at the limit of its size (`ulimit -f`) is an error like a full disk, no reason to die.
    // SAFETY: a plain system call, before there is another thread.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // With a command, status 2 would be taken for the command's.
            let has_command = std::env::args_os().any(|word| word == "--");
            let status = if error.use_stderr() && has_command {
                commands::record::OUR_FAILURE.into()
            } else {
                error.exit_code()
            };
            return ExitCode::from(status as u8);
        }
    };
    let result = match cli.command {
        Command::Record(args) => commands::record::run(&args),
        Command::Report(args) => {
            commands::report::run(&args, catalog::tables(), |path| Ok(Box::new(reader::open(path)?)), &mut stdout())
        }
        Command::Info(args) => commands::info::run(&args, &mut stdout()),
        Command::Annotate(args) => commands::annotate::run(&args),
        Command::Mark(args) => commands::mark::run(&args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Events(args) => commands::events::run(&args),
        Command::Schema(args) => commands::schema::run(&args, catalog::tables(), &mut stdout()),
        Command::Recover(args) => commands::recover::run(args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => ExitCode::from(1),
        Ok(Outcome::Status(status)) => ExitCode::from(status),
        Err(error) => {
            ui::complain(&format!("{error:#}"));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
