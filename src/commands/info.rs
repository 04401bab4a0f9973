//! `perfwatch info`: opens the recordings and prints pages, JSON, or the facts that differ.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;

use super::conclusion::conclusion;
use super::output::write_all;
use super::{Outcome, Usage};
use crate::cli::info::InfoArgs;
use crate::collect::catalog;
use crate::config::Settings;
use crate::info::diff::{Column, diff};
use crate::info::{Info, JSON_VERSION, RecordingInfo, inspect, page};
use crate::report::clean::clean_folder;
use crate::report::model::RunsFolder;
use crate::report::text::section_text;
use crate::report::view;
use crate::store::manifest::Manifest;
use crate::store::read;
use crate::store::runs::{Meant, Runs, meant};
use crate::ui::{self, terminal};

/// Prints to `out`. What cannot be read is reported on standard error; the rest is shown.
///
/// # Errors
/// [`Usage`] for invalid arguments; otherwise when `out` cannot be written.
pub fn run(args: &InfoArgs, settings: &Settings, out: &mut dyn Write) -> Result<Outcome> {
    let meant = meant(&args.recordings)?;
    let mut reader = Reader { outcome: Outcome::Done };
    for problem in meant.iter().filter_map(Meant::problem) {
        reader.report(problem);
    }
    let text = match (args.diff, args.output.is_json()) {
        (true, _) => differences(args, &meant, &mut reader)?,
        (_, true) => json(meant, &mut reader)?,
        _ => pages(args, settings, &meant, &mut reader)?,
    };
    write_all(out, &text)?;
    Ok(reader.outcome)
}

/// Reads recordings, and reports what cannot be read.
struct Reader {
    outcome: Outcome,
}

impl Reader {
    fn report(&mut self, text: &str) {
        ui::message(text);
        self.outcome = Outcome::Incomplete;
    }

    fn read(&mut self, paths: &[PathBuf]) -> Vec<RecordingInfo> {
        let mut found = Vec::new();
        for path in paths {
            match read::open(path, catalog::tables()) {
                Ok(recording) => found.push(inspect(&recording)),
                Err(error) => self.report(&error.to_string()),
            }
        }
        found.iter().flat_map(|r| &r.problems).for_each(|problem| self.report(problem));
        found
    }
}

fn pages(args: &InfoArgs, settings: &Settings, meant: &[Meant], reader: &mut Reader) -> Result<String> {
    let width = terminal::width();
    let mut parts = Vec::new();
    for meant in meant {
        let paths = match meant {
            Meant::Recording(path) => vec![path.clone()],
            Meant::Runs(runs) => {
                let mut shown = RunsFolder { runs: runs.clone(), conclusion: conclusion(runs, settings)? };
                clean_folder(&mut shown);
                parts.push(section_text(&view::runs(&shown), width));
                for path in runs.recordings(false) {
                    if let Err(error) = Manifest::read(&path) {
                        reader.report(&error.to_string());
                    }
                }
                if args.all { runs.recordings(true) } else { Vec::new() }
            }
        };
        parts.extend(reader.read(&paths).iter().map(|r| page::render(r, width, args.all)));
    }
    Ok(parts.join("\n"))
}

fn json(meant: Vec<Meant>, reader: &mut Reader) -> Result<String> {
    let mut info = Info { version: JSON_VERSION, runs: Vec::new(), recordings: Vec::new() };
    for meant in meant {
        match meant {
            Meant::Recording(path) => info.recordings.extend(reader.read(&[path])),
            Meant::Runs(runs) => {
                info.recordings.extend(reader.read(&runs.recordings(true)));
                info.runs.push(runs);
            }
        }
    }
    Ok(serde_json::to_string_pretty(&info)? + "\n")
}

fn differences(args: &InfoArgs, meant: &[Meant], reader: &mut Reader) -> Result<String> {
    let columns: Vec<(String, Vec<PathBuf>)> = match meant {
        // The runs of a single directory are compared with each other.
        [Meant::Runs(runs)] if runs.sides().len() < 2 => runs.recordings(false).into_iter().map(alone).collect(),
        all => all.iter().flat_map(columns).collect(),
    };
    if columns.len() < 2 {
        return Err(Usage("--diff: name two recordings or more".into()).into());
    }
    let columns = columns.into_iter().map(|(name, paths)| Column { name, recordings: reader.read(&paths) });
    let columns: Vec<Column> = columns.filter(|column| !column.recordings.is_empty()).collect();
    // A missing recording has already been reported; there is nothing left to compare.
    if columns.len() < 2 {
        return Ok(String::new());
    }
    let diff = diff(&columns);
    Ok(if args.output.is_json() { serde_json::to_string_pretty(&diff)? + "\n" } else { diff.text(terminal::width()) })
}

fn alone(path: PathBuf) -> (String, Vec<PathBuf>) {
    (path.display().to_string(), vec![path])
}

/// The runs of a directory are one column, or one column per side.
fn columns(meant: &Meant) -> Vec<(String, Vec<PathBuf>)> {
    let of = |runs: &Runs, side: &str| (runs.path.join(side).display().to_string(), runs.recordings_of(Some(side)));
    let alone_of = |runs: &Runs, side| (runs.path.display().to_string(), runs.recordings_of(side));
    match meant {
        Meant::Recording(path) => vec![alone(path.clone())],
        Meant::Runs(runs) => match runs.sides()[..] {
            [] => vec![alone_of(runs, None)],
            // The directory contains only this side.
            [side] => vec![alone_of(runs, Some(side))],
            ref sides => sides.iter().map(|side| of(runs, side)).collect(),
        },
    }
}
