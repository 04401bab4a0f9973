//! Seals the journals that a killed recorder left.

use anyhow::{Context, Result};

use super::Outcome;
use crate::catalog;
use crate::cli::recover::RecoverArgs;
use crate::manifest::Manifest;
use crate::recording::Layout;
use crate::sink::seal::seal;

pub fn run(args: RecoverArgs) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    for path in &args.recordings {
        let layout = Layout::new(path);
        let manifest = Manifest::read(path)?;
        let _lock = super::record::lock(&layout)?;
        let journals =
            layout.journals().with_context(|| format!("cannot list {}", layout.journal_folder().display()))?;
        if journals.is_empty() {
            println!("{}: nothing to recover", path.display());
        }
        let facts = super::record::file_facts(&manifest);
        for (number, journal) in journals {
            match seal(&layout, number, catalog::tables(), &facts) {
                Ok(sealed) => println!(
                    "{}: {} rows of {} tables recovered, {}",
                    journal.display(),
                    sealed.rows,
                    sealed.files,
                    indicatif::BinaryBytes(sealed.bytes)
                ),
                Err(error) => {
                    eprintln!("perfwatch: {error}");
                    outcome = Outcome::Incomplete;
                }
            }
        }
        // Left-overs of an interrupted sealing; empty, it goes.
        layout.sweep();
    }
    Ok(outcome)
}
