//! Manual pages, from the declaration of the command line.

use std::fs;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_mangen::Man;

use super::Outcome;
use super::output::write_as_it_is;
use crate::cli::Cli;
use crate::cli::man::ManArgs;

pub fn run(args: &ManArgs) -> Result<Outcome> {
    let command = Cli::command();
    match &args.dir {
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            write_as_it_is(&mut std::io::stdout().lock(), &String::from_utf8_lossy(&page))?;
        }
        Some(dir) => {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write into {}", dir.display()))?;
        }
    }
    Ok(Outcome::Done)
}
