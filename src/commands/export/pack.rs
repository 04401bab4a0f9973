//! `perfwatch export --pack`: a whole recording as one file.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use crate::cli::export::ExportArgs;
use crate::commands::{Outcome, Usage};
use crate::export::file::{write_stream, write_to};
use crate::export::pack::{self, Packed, PackingError};
use crate::store::runs::{Meant, meant};
use crate::text::words::count;
use crate::ui;
use indicatif::BinaryBytes;

/// Files of a live recording may be merged or sealed while it is packed; then it starts again.
const MAX_TRIES: u32 = 5;

/// # Errors
/// When the recording cannot be read, or the file cannot be written.
pub fn run(args: &ExportArgs, file: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let [path] = args.recordings.as_slice() else {
        return Err(Usage("--pack: it takes one recording or one folder of runs".into()).into());
    };
    let meant = meant(std::slice::from_ref(path))?;
    let Some(meant) = meant.first() else { return Ok(Outcome::Done) };
    let mut outcome = Outcome::Done;
    if let Some(problem) = meant.problem() {
        ui::message(problem);
        outcome = Outcome::Incomplete;
    }
    let is_stream = file == Path::new("-");
    if is_stream && io::stdout().is_terminal() {
        return Err(Usage("--pack -: a pack is not text: write it into a file, or into a pipe".into()).into());
    }
    if !is_stream && file.is_dir() {
        return Err(Usage(format!("--pack {}: it is a directory; name a file", file.display())).into());
    }
    let packed = if is_stream { stream(meant, out)? } else { into_file(meant, file, args.force)? };
    let Some(packed) = packed else { return Ok(outcome) };
    for live in &packed.live {
        ui::message(&format!("{}: still recording; what was recorded until now is packed", live.display()));
    }
    if !is_stream {
        let (files, shown) = (count(packed.files, "file"), file.display());
        ui::message(&format!("{files} of {} packed into {shown}, {}", path.display(), BinaryBytes(packed.bytes)));
    }
    Ok(outcome)
}

fn into_file(meant: &Meant, file: &Path, force: bool) -> anyhow::Result<Option<Packed>> {
    for tries in 1.. {
        let mut failed = None;
        let written = write_to(file, force, |out| pack::write(meant, out).map_err(|error| kept(error, &mut failed)));
        match failed {
            Some(error) if error.is_changing() && tries < MAX_TRIES => {}
            Some(error) => return Err(error.into()),
            None => return Ok(Some(written?)),
        }
    }
    Ok(None)
}

/// What was written to a pipe cannot be taken back, so there is one try.
fn stream(meant: &Meant, out: &mut dyn Write) -> anyhow::Result<Option<Packed>> {
    let mut failed = None;
    let written = write_stream(out, |out| pack::write(meant, out).map_err(|error| kept(error, &mut failed)));
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(written?),
    }
}

/// Keeps an error about the recording. Those about the file are the result.
fn kept(error: PackingError, failed: &mut Option<PackingError>) -> io::Error {
    match error {
        PackingError::Write(error) => error,
        other => {
            let said = io::Error::other(other.to_string());
            *failed = Some(other);
            said
        }
    }
}
