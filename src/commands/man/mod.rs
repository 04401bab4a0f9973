//! Manual pages, generated from the declaration of the command line.

mod sections;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::output::write_as_it_is;
use super::{Outcome, Usage};
use crate::cli::Cli;
use crate::cli::man::ManArgs;
use crate::text::nearest::did_you_mean;

/// `perfwatch man`
///
/// # Errors
/// [`Usage`] for an unknown command; otherwise when a page cannot be written.
pub fn run(args: &ManArgs) -> Result<Outcome> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    match &args.dir {
        None => {
            let name = args.command.as_deref().unwrap_or_default();
            let of = if name.is_empty() { Some(&cli) } else { cli.find_subcommand(name) };
            let Some(of) = of else {
                let hint = did_you_mean(name, cli.get_subcommands().map(Command::get_name));
                return Err(Usage(format!("no command is called `{name}`{hint}")).into());
            };
            write_as_it_is(&mut std::io::stdout().lock(), &String::from_utf8_lossy(&page(of, name)?))?;
        }
        Some(dir) => {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            write_pages(&cli, "", dir).with_context(|| format!("cannot write into {}", dir.display()))?;
        }
    }
    Ok(Outcome::Done)
}

/// Writes the page of a command and of its subcommands. `name`: the subcommand of `perfwatch`, or empty.
fn write_pages(command: &Command, name: &str, dir: &Path) -> Result<()> {
    let file = dir.join(format!("{}.1", display_name(command)));
    fs::write(file, page(command, name)?)?;
    for inner in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        let name = if name.is_empty() { inner.get_name() } else { name };
        write_pages(inner, name, dir)?;
    }
    Ok(())
}

fn display_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

fn page(command: &Command, name: &str) -> Result<Vec<u8>> {
    // Examples have a separate section.
    let plain = command.clone().after_help("").after_long_help("");
    let man = Man::new(plain);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    sections::of(command, name).to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}
