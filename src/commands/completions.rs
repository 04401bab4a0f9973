//! Completions for shells, from the declaration of the command line.

use anyhow::Result;
use clap::CommandFactory;

use super::Outcome;
use super::report::write_all;
use crate::cli::Cli;
use crate::cli::completions::CompletionsArgs;

pub fn run(args: &CompletionsArgs) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "perfwatch", &mut script);
    write_all(&mut std::io::stdout().lock(), &String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
