//! Seals the journals that a killed recorder left.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::Outcome;
use crate::catalog;
use crate::cli::recover::RecoverArgs;
use crate::manifest::{Manifest, ManifestError};
use crate::printable::printable;
use crate::recording::Layout;
use crate::recording::merged::Tidying;
use crate::runs::all_recordings;
use crate::sink::seal::seal;
use crate::ui;

pub fn run(args: RecoverArgs) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    for path in &all_recordings(&args.recordings)? {
        // One that cannot be recovered does not keep the others.
        if recover(path).unwrap_or_else(|error| {
            ui::complain(&format!("{error:#}"));
            Outcome::Incomplete
        }) != Outcome::Done
        {
            outcome = Outcome::Incomplete;
        }
    }
    Ok(outcome)
}

fn recover(path: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    let say = |text: String| {
        // Whoever reads this may have gone; the work goes on.
        let _ = writeln!(std::io::stdout().lock(), "{}", printable(&text));
    };
    let layout = Layout::new(path);
    let list = || layout.journals().with_context(|| format!("cannot list {}", layout.journal_folder().display()));
    let manifest = match Manifest::read(path) {
        Ok(manifest) => Some(manifest),
        Err(error @ ManifestError::Format { .. }) => return Err(error.into()),
        Err(error) if list()?.is_empty() => return Err(error.into()),
        Err(error) => {
            ui::complain(&format!("{error}; its journals are sealed all the same"));
            outcome = Outcome::Incomplete;
            None
        }
    };
    let _lock = super::directory::lock(&layout)?;
    Tidying::repair(&layout).with_context(|| format!("cannot write to {}", layout.tidying().display()))?;
    let journals = list()?;
    if journals.is_empty() {
        say(format!("{}: nothing to recover", path.display()));
    }
    let facts = manifest.as_ref().map(super::directory::file_facts).unwrap_or_default();
    for (number, journal) in journals {
        match seal(&layout, number, catalog::tables(), &facts) {
            Ok(sealed) => {
                say(format!(
                    "{}: {} rows of {} tables recovered, {}",
                    journal.display(),
                    sealed.rows,
                    sealed.files,
                    indicatif::BinaryBytes(sealed.bytes)
                ));
                if let Some(damage) = sealed.damage {
                    ui::complain(&format!("{}: {damage}", journal.display()));
                    outcome = Outcome::Incomplete;
                }
            }
            Err(error) => {
                ui::complain(&error.to_string());
                outcome = Outcome::Incomplete;
            }
        }
    }
    // Left-overs of an interrupted sealing; empty, it goes.
    crate::mark::place::sweep(&layout);
    layout.sweep();
    Ok(outcome)
}
