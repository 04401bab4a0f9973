//! `perfwatch recover`: seals the journals that a killed recorder left.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{SecondsFormat, Utc};
use serde::Serialize;

use super::Outcome;
use super::output::write_all;
use crate::cli::recover::RecoverArgs;
use crate::collect::catalog;
use crate::record::directory;
use crate::store::layout::merged::Tidying;
use crate::store::layout::{INDEX, Layout};
use crate::store::manifest::{Change, Manifest, ManifestError, Session};
use crate::store::read;
use crate::store::read::piece::{Fault, Source};
use crate::store::runs::{Index, Meant, all_recordings, meant};
use crate::store::write::seal::seal;
use crate::store::write::uniform::{Tables, Uniform, make_uniform};
use crate::text::printable::printable;
use crate::ui;

/// The result for a journal.
#[derive(Serialize)]
struct Sealed {
    recording: PathBuf,
    journal: PathBuf,
    rows: u64,
    files: u64,
    bytes: u64,
    /// The part that could not be read.
    damage: Option<String>,
}

/// `perfwatch recover`
///
/// # Errors
/// When the result cannot be printed, or an index of runs cannot be read.
pub fn run(args: &RecoverArgs) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    let mut sealed = Vec::new();
    for path in &all_recordings(&args.recordings)? {
        // A recording that cannot be recovered does not stop the others.
        if recover(path, args.output.is_json(), &mut sealed).unwrap_or_else(|error| {
            ui::message(&format!("{error:#}"));
            Outcome::Incomplete
        }) != Outcome::Done
        {
            outcome = Outcome::Incomplete;
        }
    }
    for path in &args.recordings {
        if let Err(error) = repair_index(path) {
            ui::message(&format!("cannot write {}: {error}", path.join(INDEX).display()));
            outcome = Outcome::Incomplete;
        }
    }
    if args.output.is_json() {
        write_all(&mut io::stdout().lock(), &(serde_json::to_string_pretty(&sealed)? + "\n"))?;
    }
    Ok(outcome)
}

/// Rewrites the index of a folder of runs if the manifests differ from it. A missing index is not created.
fn repair_index(path: &Path) -> io::Result<()> {
    let present = Index::read(path);
    let meant = meant(&[path.to_path_buf()]);
    let Ok([Meant::Runs(runs)]) = meant.as_deref() else { return Ok(()) };
    match present {
        Ok(None) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Ok(Some(index)) if index == runs.index => Ok(()),
        _ => runs.index.write(path),
    }
}

fn recover(path: &Path, as_json: bool, all: &mut Vec<Sealed>) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    let say = |text: String| {
        // The reader of the output may have ended; the work continues.
        let _ = if as_json { Ok(()) } else { writeln!(io::stdout().lock(), "{}", printable(&text)) };
    };
    let layout = Layout::new(path);
    let list = || layout.journals().with_context(|| format!("cannot list {}", layout.journal_folder().display()));
    let manifest = match Manifest::read(path) {
        Ok(manifest) => Some(manifest),
        Err(error @ ManifestError::Format { .. }) => return Err(error.into()),
        Err(error) if list()?.is_empty() => return Err(error.into()),
        Err(error) => {
            ui::message(&format!("{error}; its journals are sealed anyway"));
            outcome = Outcome::Incomplete;
            None
        }
    };
    // This must come before the lock, which creates the folder of the journals.
    if let Some(lost) = lost_journals(&layout) {
        ui::message(&lost);
        return Ok(Outcome::Incomplete);
    }
    let _lock = directory::lock(&layout)?;
    Tidying::repair(&layout).with_context(|| format!("cannot write to {}", layout.tidying().display()))?;
    let journals = list()?;
    if journals.is_empty() {
        say(format!("{}: nothing to recover", path.display()));
    }
    let facts = manifest.as_ref().map(directory::file_facts).unwrap_or_default();
    let tables = match journals.is_empty() {
        true => Vec::new(),
        false => {
            let Tables { tables, uniform, .. } = make_uniform(&layout, catalog::tables(), Some(&Uniform::default()));
            if let Err(error) = uniform {
                ui::message(&format!("files of an earlier build keep their columns: {error}"));
                outcome = Outcome::Incomplete;
            }
            tables
        }
    };
    for (number, journal) in journals {
        match seal(&layout, number, &tables, &facts) {
            Ok(sealed) => {
                all.push(Sealed {
                    recording: path.to_path_buf(),
                    journal: journal.clone(),
                    rows: sealed.rows() as u64,
                    files: sealed.files.len() as u64,
                    bytes: sealed.bytes(),
                    damage: sealed.damage.as_ref().map(ToString::to_string),
                });
                say(format!(
                    "{}: {} of {} recovered, {}",
                    journal.display(),
                    crate::text::words::count(sealed.rows() as u64, "row"),
                    crate::text::words::count(sealed.files.len() as u64, "table"),
                    indicatif::BinaryBytes(sealed.bytes())
                ));
                if let Some(damage) = sealed.damage {
                    ui::message(&format!("{}: {damage}", journal.display()));
                    outcome = Outcome::Incomplete;
                }
            }
            Err(error) => {
                ui::message(&error.to_string());
                outcome = Outcome::Incomplete;
            }
        }
    }
    note(&layout, manifest.as_ref())?;
    // Remove what an interrupted sealing left; the folder too if it is empty.
    crate::mark::socket::sweep(&layout);
    layout.sweep();
    Ok(outcome)
}

/// The message if the journals were not copied with the rest of the recording: there is nothing to recover, and rows
/// are missing.
fn lost_journals(layout: &Layout) -> Option<String> {
    if layout.has_folder(&layout.journal_folder()) {
        return None;
    }
    let recording = read::open(&layout.root, catalog::tables()).ok()?;
    let lost = recording.problems().iter().find(|problem| matches!(problem.fault, Fault::NoJournal));
    lost.map(ToString::to_string)
}

/// Notes in the session of the killed recorder that nothing is missing any more.
fn note(layout: &Layout, manifest: Option<&Manifest>) -> Result<()> {
    let is_killed = |session: &Session| session.ended.is_none() && session.recovered.is_none();
    let killed = manifest.and_then(|manifest| manifest.sessions.last()).is_some_and(is_killed);
    if !killed || !layout.journals().is_ok_and(|journals| journals.is_empty()) {
        return Ok(());
    }
    let mut change = Change::begin(layout)?;
    if let Some(session) = change.manifest.sessions.last_mut() {
        session.recovered = Some(Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true));
    }
    change.write()?;
    Ok(())
}
