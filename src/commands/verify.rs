//! `perfwatch verify`: checks recordings, and prints one line per recording or JSON.

use std::io::Write;

use anyhow::Result;

use super::Outcome;
use super::output::write_all;
use crate::cli::verify::VerifyArgs;
use crate::collect::catalog;
use crate::store::runs::{all_recordings, meant};
use crate::store::verify::{JSON_VERSION, Verified, VerifiedRecording, verify};
use crate::ui;

/// Prints the checked recordings to `out`, and problems to standard error.
///
/// # Errors
/// When an index of runs cannot be read, or `out` cannot be written.
pub fn run(args: &VerifyArgs, out: &mut dyn Write) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    let mut verified = Verified { version: JSON_VERSION, recordings: Vec::new() };
    for meant in &meant(&args.recordings)? {
        if let Some(problem) = meant.problem() {
            ui::message(problem);
            outcome = Outcome::Incomplete;
        }
    }
    for path in all_recordings(&args.recordings)? {
        let recording = verify(&path, catalog::tables()).unwrap_or_else(|error| VerifiedRecording {
            path: path.display().to_string(),
            problems: vec![error.to_string()],
            ..VerifiedRecording::default()
        });
        if !recording.problems.is_empty() {
            outcome = Outcome::Incomplete;
        }
        recording.problems.iter().for_each(|problem| ui::message(problem));
        if !args.output.is_json() && !args.quiet {
            write_all(out, &line(&recording))?;
        }
        verified.recordings.push(recording);
    }
    if args.output.is_json() {
        write_all(out, &(serde_json::to_string_pretty(&verified)? + "\n"))?;
    }
    Ok(outcome)
}

fn line(recording: &VerifiedRecording) -> String {
    let VerifiedRecording { path, files, bytes, rows, journals, files_without_checksums, problems, .. } = recording;
    let rows: usize = rows.values().sum();
    let count = |n: usize, what: &str| crate::text::words::count(n as u64, what);
    let (path, bytes) = (crate::text::printable::printable(path), indicatif::BinaryBytes(*bytes));
    let mut text = format!("{path}: {}, {bytes}, {}", count(*files, "file"), count(rows, "row"));
    if *journals > 0 {
        text += &format!(", {journals} not sealed yet");
    }
    if *files_without_checksums > 0 {
        text +=
            &format!("; {} without checksums (written by an older perfwatch)", count(*files_without_checksums, "file"));
    }
    text += &match problems.len() {
        0 => ": everything is as it was written".to_string(),
        n => format!(": {}", count(n, "problem")),
    };
    text + "\n"
}
