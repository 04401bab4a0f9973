//! Parses the command line, runs the command, prints errors, and returns the exit status.

use std::io::stdout;
use std::process::ExitCode;

use perfwatch::cli::{Command, OUR_FAILURE, lacks_command, means_to_start_command};
use perfwatch::collect::catalog;
use perfwatch::commands::{self, Outcome, Usage};
use perfwatch::config::{self, Parsed};
use perfwatch::linux::gpu::serve as gpu;
use perfwatch::linux::helper_process::is_wanted;
use perfwatch::linux::signal::{Disposition, die_from, set_disposition};
use perfwatch::linux::statvfs::helper as statvfs;
use perfwatch::store::read;
use perfwatch::ui;

fn main() -> ExitCode {
    perfwatch::linux::inherit::remember();
    // A file at its maximum size (`ulimit -f`) is an error, like a full disk; the signal would end the process.
    set_disposition(libc::SIGXFSZ, Disposition::Ignore);
    // The parent may ignore SIGCHLD, and we inherit that; we wait for our children.
    set_disposition(libc::SIGCHLD, Disposition::Default);
    let argv: Vec<_> = std::env::args_os().collect();
    // A recorder started this process to query file systems that may not answer.
    if is_wanted(&argv, statvfs::ARGUMENT) {
        return statvfs::run().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    // The same for graphics drivers.
    if is_wanted(&argv, gpu::ARGUMENT) {
        return gpu::run().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let Parsed { cli, settings, applied } = match config::parse(argv.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            ui::message(&error.to_string());
            return ExitCode::from(if means_to_start_command(&argv) { OUR_FAILURE } else { 2 });
        }
    };
    let is_about_command =
        cli.command.starts_command() || matches!(cli.command, Command::Record(_)) && lacks_command(&argv);
    let ours = |status| ExitCode::from(if is_about_command { OUR_FAILURE } else { status });
    let result = match cli.command {
        Command::Record(mut args) => {
            commands::config::announce(&args, &settings);
            if let Err(mistake) = args.duration_of_command() {
                Err(Usage(mistake).into())
            } else if args.command.is_empty() && lacks_command(&argv) {
                Err(Usage("there is no command after `--`".into()).into())
            } else if args.runs.is_some() && !args.command.is_empty() {
                commands::runs::repeat(&args)
            } else {
                commands::record::run(&args)
            }
        }
        Command::Ab(args) => commands::runs::ab(&args, &settings),
        Command::Report(args) => commands::report::run(
            &args,
            catalog::tables(),
            |path| Ok(Box::new(read::open(path, catalog::tables())?)),
            &settings,
            &mut stdout(),
        ),
        Command::Compare(args) => commands::compare::run(&args, &settings, &mut stdout()),
        Command::Trend(args) => commands::trend::run(&args, &settings, &mut stdout()),
        Command::Export(args) => commands::export::run(
            &args,
            catalog::tables(),
            |path| Ok(Box::new(read::open(path, catalog::tables())?)),
            &mut stdout(),
        ),
        Command::Info(args) => commands::info::run(&args, &settings, &mut stdout()),
        Command::Annotate(args) => commands::annotate::run(&args),
        Command::Mark(args) => commands::mark::run(&args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Events(args) => commands::events::run(&args),
        Command::Schema(args) => commands::schema::run(&args, catalog::tables(), &mut stdout()),
        Command::Recover(args) => commands::recover::run(&args),
        Command::Compact(args) => commands::compact::run(&args),
        Command::Verify(args) => commands::verify::run(&args, &mut stdout()),
        Command::Config(args) => commands::config::run(&args, &settings),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => ExitCode::from(1),
        Ok(Outcome::Status(status)) => ExitCode::from(status),
        Ok(Outcome::Key(signal)) => {
            die_from(signal);
            ExitCode::from(128u8.wrapping_add(signal as u8))
        }
        Err(error) if error.is::<Usage>() => {
            let said = format!("{error:#}");
            ui::message(&format!("{said}{}", Parsed::origins(&applied, &said)));
            ours(2)
        }
        Err(error) => {
            ui::message(&format!("{error:#}"));
            ours(1)
        }
    }
}
