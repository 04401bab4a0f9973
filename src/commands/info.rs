//! Arguments → recordings, looked at → a page, JSON, or what differs.

use std::io::Write;

use anyhow::Result;

use super::report::write_all;
use super::runs::index::recordings;
use super::{Outcome, Usage};
use crate::cli::info::InfoArgs;
use crate::info::{Info, JSON_VERSION, diff, look, page};
use crate::{reader, terminal, ui};

/// Prints on `out`; what could not be read is said on standard error, the rest shown.
///
/// # Errors
/// [`Usage`] for arguments that make no sense; else when `out` cannot be written.
pub fn run(args: &InfoArgs, out: &mut dyn Write) -> Result<Outcome> {
    let paths = recordings(&args.recordings)?;
    if args.diff && paths.len() < 2 {
        return Err(Usage("--diff: name two recordings or more".into()).into());
    }
    let mut outcome = Outcome::Done;
    let mut complain = |text: &str| {
        ui::complain(text);
        outcome = Outcome::Incomplete;
    };
    let mut recordings = Vec::new();
    for path in &paths {
        match reader::open(path) {
            Ok(recording) => recordings.push(look(&recording)),
            Err(error) => complain(&error.to_string()),
        }
    }
    recordings.iter().flat_map(|r| &r.problems).for_each(|problem| complain(problem));
    let text = if args.diff {
        // Against a recording that is not there nothing differs.
        if recordings.len() < 2 {
            return Ok(outcome);
        }
        let diff = diff::diff(&recordings);
        if args.json { serde_json::to_string_pretty(&diff)? + "\n" } else { diff.text(terminal::width()) }
    } else if args.json {
        serde_json::to_string_pretty(&Info { version: JSON_VERSION, recordings })? + "\n"
    } else {
        let pages = recordings.iter().map(|r| page::render(r, terminal::width(), args.all));
        pages.collect::<Vec<_>>().join("\n")
    };
    write_all(out, &text)?;
    Ok(outcome)
}
