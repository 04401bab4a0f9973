//! Adds and removes tags and notes of a recording. Only the manifest changes, and it is replaced as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail};
use chrono::{SecondsFormat, Utc};

use super::tags::tags;
use super::{Outcome, Usage};
use crate::cli::annotate::AnnotateArgs;
use crate::store::layout::Layout;
use crate::store::manifest::{Change, Note};
use crate::store::runs::all_recordings;
use crate::text::nearest::did_you_mean;
use crate::ui;

/// # Errors
/// [`Usage`] for invalid arguments.
pub fn run(args: &AnnotateArgs) -> Result<Outcome> {
    let tags = tags(&args.tags)?;
    if tags.is_empty() && args.remove.is_empty() && args.notes.is_empty() {
        return Err(Usage("nothing to annotate: give --tag KEY=VALUE, --remove-tag KEY or --note TEXT".into()).into());
    }
    if let Some(key) = args.remove.iter().find(|key| tags.contains_key(*key)) {
        return Err(Usage(format!("--tag {key}=… and --remove-tag {key} exclude each other")).into());
    }
    if args.notes.iter().any(|note| note.trim().is_empty()) {
        return Err(Usage("--note: the text is empty".into()).into());
    }
    let mut outcome = Outcome::Done;
    for path in &all_recordings(&args.recordings)? {
        // A recording that cannot be annotated does not stop the others.
        if let Err(error) = annotate(path, &tags, args) {
            ui::message(&format!("{error:#}"));
            outcome = Outcome::Incomplete;
        }
    }
    Ok(outcome)
}

fn annotate(path: &Path, tags: &BTreeMap<String, String>, args: &AnnotateArgs) -> Result<()> {
    let mut change = Change::begin(&Layout::new(path))?;
    let manifest = &mut change.manifest;
    for key in args.remove.iter().collect::<BTreeSet<_>>() {
        if manifest.tags.remove(key).is_none() {
            let hint = did_you_mean(key, manifest.tags.keys().map(String::as_str));
            bail!("{} has no tag `{key}`{hint}; nothing was changed", path.display());
        }
    }
    manifest.tags.extend(tags.clone());
    let at = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    manifest.notes.extend(args.notes.iter().map(|text| Note { at: at.clone(), text: text.clone() }));
    change.write()?;
    Ok(())
}
