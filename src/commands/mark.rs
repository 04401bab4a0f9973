//! `perfwatch mark`: finds the recorder, sends it a mark, and prints the result.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use super::tags::tags;
use super::{Outcome, Usage};
use crate::cli::mark::{Mark, MarkArgs, Tags};
use crate::mark::client::{self, NoAnswer};
use crate::mark::request::{MarkKind, Request};
use crate::mark::{VARIABLE, socket};
use crate::store::layout::{INDEX, Layout};
use crate::ui;

/// A recorder answers within a tick. A stopped process (SIGSTOP) never answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// # Errors
/// [`Usage`] for a mark that cannot be stored, and for a named recorder that is not running; otherwise when the
/// recorder refuses the mark, or a named recorder does not answer.
pub fn run(args: &MarkArgs) -> Result<Outcome> {
    let request = request(&args.mark)?;
    let said = format!("{} {}", request.kind(), request.text());
    let missing = |why: String| Usage(format!("{said}: not marked: {why}"));
    // A recorder that is named must be running. Otherwise scripts work without one.
    let is_named = args.recording.is_some();
    let socket = match (&args.recording, std::env::var_os(VARIABLE).filter(|path| !path.is_empty())) {
        (Some(root), _) => named(root).map_err(|why| missing(format!("{}: {why}", root.display())))?,
        (None, Some(path)) => path.into(),
        (None, None) => {
            let why = format!("no recorder ({VARIABLE} is not set, and there is no --recording)");
            return Ok(without(args, &said, &why));
        }
    };
    match client::send(&socket, &request, PATIENCE) {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(_))) if args.quiet => {}
        Ok(Ok(Some(note))) => ui::message(&format!("{said}: {note}")),
        Ok(Err(why)) => bail!("{said}: {why}"),
        Err(why @ NoAnswer::NoRecorder(_)) if is_named => return Err(missing(why.to_string()).into()),
        Err(why) if is_named => bail!("{said}: not marked: {why}"),
        Err(why) => return Ok(without(args, &said, &why.to_string())),
    }
    Ok(Outcome::Done)
}

/// Scripts work without a recorder, so this is an error only with --strict.
fn without(args: &MarkArgs, said: &str, why: &str) -> Outcome {
    if !args.quiet || args.strict {
        ui::message(&format!("{said}: not marked: {why}"));
    }
    if args.strict { Outcome::Incomplete } else { Outcome::Done }
}

/// The socket of the process that records into this directory.
fn named(root: &Path) -> Result<PathBuf, String> {
    if Layout::new(root).is_packed() {
        return Err("it is a packed recording, which nothing records into".into());
    }
    if !root.is_dir() {
        return Err("there is no such directory".into());
    }
    socket::find(&Layout::new(root)).map_err(|error| {
        let runs = if root.join(INDEX).exists() { "; it is a folder of runs: name one of the runs" } else { "" };
        format!("{error}{runs}")
    })
}

fn request(mark: &Mark) -> Result<Request, Usage> {
    let none = Tags::default();
    let (kind, said, given) = match mark {
        Mark::Start(phase) => (MarkKind::Start, phase.name.join(" "), &phase.tags),
        Mark::End(phase) => (MarkKind::End, phase.name.join(" "), &phase.tags),
        Mark::Event(event) => (MarkKind::Event, event.text.join(" "), &event.tags),
        Mark::Value(value) => (MarkKind::Value, value.numbers.join(" "), &none),
    };
    Request::new(kind, &said, tags(&given.tags)?).map_err(|mistake| Usage(mistake.to_string()))
}
