//! `perfwatch mark`: finds the recorder, hands it a mark, and says what came of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use super::tags::tags;
use super::{Outcome, Usage};
use crate::cli::mark::{Mark, MarkArgs};
use crate::mark::request::{Kind, Request};
use crate::mark::{VARIABLE, client, place};
use crate::recording::Layout;
use crate::ui;

/// A recorder answers within a tick; one that was stopped does not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// # Errors
/// [`Usage`] for a mark that cannot be kept; else when the recorder refuses it.
pub fn run(args: &MarkArgs) -> Result<Outcome> {
    let request = request(&args.mark)?;
    let socket = match socket(args) {
        Ok(socket) => socket,
        Err(why) => return Ok(without(&request, &why, args.strict)),
    };
    match client::send(&socket, &request, PATIENCE) {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(note))) => ui::complain(&format!("{} {}: {note}", request.kind(), request.said())),
        Ok(Err(why)) => bail!("{} {}: {why}", request.kind(), request.said()),
        Err(why) => return Ok(without(&request, &why.to_string(), args.strict)),
    }
    Ok(Outcome::Done)
}

/// Scripts go on without a recorder.
fn without(request: &Request, why: &str, strict: bool) -> Outcome {
    ui::complain(&format!("{} {}: not marked: {why}", request.kind(), request.said()));
    if strict { Outcome::Incomplete } else { Outcome::Done }
}

fn socket(args: &MarkArgs) -> Result<PathBuf, String> {
    match (&args.recording, std::env::var_os(VARIABLE).filter(|path| !path.is_empty())) {
        (Some(root), _) => place::find(&Layout::new(root)).map_err(|error| format!("{}: {error}", root.display())),
        (None, Some(path)) => Ok(path.into()),
        (None, None) => Err(format!("no recorder ({VARIABLE} is not set, and there is no --recording)")),
    }
}

fn request(mark: &Mark) -> Result<Request, Usage> {
    let (kind, said, given) = match mark {
        Mark::Start(phase) => (Kind::Start, phase.name.join(" "), &phase.tags),
        Mark::End(phase) => (Kind::End, phase.name.join(" "), &phase.tags),
        Mark::Event(event) => (Kind::Event, event.text.join(" "), &event.tags),
    };
    Request::new(kind, &said, tags(&given.tags)?).map_err(|mistake| Usage(mistake.to_string()))
}
