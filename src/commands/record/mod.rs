//! `perfwatch record`: arguments → settings → a session → its result.

pub mod checks;
mod screen;
mod settings;
mod summary;

use std::path::Path;

use anyhow::{Error, Result};

use super::json_file::JsonFile;
use super::{Outcome, Usage, input};
use crate::cli::hints;
use crate::cli::record::RecordArgs;
use crate::record::collectors::{Mistake, NothingToRecord};
use crate::record::ended::Ended;
use crate::record::session::Sampled;
use crate::record::start::{Started, start};
use crate::store::layout::Layout;
use crate::store::manifest::ManifestError;
use crate::text::words::{count, quoted, ticks};
use crate::{ui, workload};
use screen::Screen;
use summary::Summary;

/// Records once.
///
/// # Errors
/// When the recording cannot start or continue.
pub fn run(args: &RecordArgs) -> Result<Outcome> {
    if let Some(status) = not_there(args) {
        return Ok(Outcome::Status(status));
    }
    let settings = settings::from_args(args)?;
    let summary = args.summary.as_deref().map(|path| JsonFile::open("--summary", path)).transpose()?;
    args.stdin.iter().try_for_each(|path| input::take(path))?;
    let mut screen = Screen::new(args, &settings);
    let session = match start(&settings, &mut screen) {
        Ok(Started::Ready(session)) => session,
        Ok(Started::Stopped(early)) => {
            ui::message(&format!("stopped by {} before the start", early.name()));
            return Ok(Outcome::Status(early.status()));
        }
        Err(error) => return Err(refused(error, &screen)),
    };
    let mut sampled = session.run(&mut screen)?;
    if let Some(file) = summary
        && let Err(error) = file.write(&Summary::of(sampled.layout(), &sampled.ended))
    {
        ui::message(&format!("{error:#}"));
    }
    let written = sampled.close();
    let Sampled { ended, .. } = &sampled;
    screen.messages.result(&result(sampled.layout(), ended, screen.messages.is_interactive()));
    outcome(sampled.layout(), ended, written)
}

/// The error of a session that could not start: a usage error if the arguments are the reason.
fn refused(error: Error, screen: &Screen<'_>) -> Error {
    if let Some(NothingToRecord(facts)) = error.downcast_ref() {
        screen.messages.about_collectors(facts, |_| true);
    }
    error.downcast::<Mistake>().map_or_else(|error| error, |Mistake(why)| Usage(why).into())
}

/// Reports a command that does not exist, and returns the exit status for it. With `--prepare` nothing is checked,
/// because the script may create the command.
pub fn not_there(args: &RecordArgs) -> Option<u8> {
    let name = args.command.first().filter(|_| args.prepare.is_none())?;
    let error = workload::find(name, std::env::var_os("PATH").as_deref()).err()?;
    let words: Vec<String> = args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let hint = hints::script(&words).map_or_else(String::new, |hint| format!("; {hint}"));
    ui::message(&format!("{error}{hint}"));
    Some(error.status())
}

/// The result of a recording in one line. `advise`: with the next step.
fn result(layout: &Layout, ended: &Ended, advise: bool) -> String {
    let root = layout.root.display();
    let command = ended.command.as_ref().map_or_else(String::new, |c| format!("{}; ", c.in_words()));
    if !layout.root.is_dir() {
        return format!("{command}the recording no longer exists: {root} was moved or removed");
    }
    let (files, bytes) = layout.size();
    let more = |n: u64, what: &str| if n > 0 { format!(" ({n} {what})") } else { String::new() };
    let advice = if advise { format!("; see `perfwatch report {}`", as_a_word(&layout.root)) } else { String::new() };
    format!(
        "{command}{}{}{} in {root}: {}, {}{advice}",
        ticks(ended.ticks),
        more(ended.missed, "missed"),
        more(ended.lost, "lost"),
        count(files, "file"),
        indicatif::BinaryBytes(bytes),
    )
}

fn outcome(layout: &Layout, ended: &Ended, written: Result<(), ManifestError>) -> Result<Outcome> {
    let Some(command) = &ended.command else {
        written?;
        return Ok(if ended.is_complete() { Outcome::Done } else { Outcome::Incomplete });
    };
    // The exit status is that of the command, whatever happened to the recording.
    if let Err(error) = written
        && layout.root.is_dir()
    {
        ui::message(&format!("{error:#}"));
    }
    Ok(command.key.map_or(Outcome::Status(command.status), Outcome::Key))
}

/// A directory, quoted for a shell.
fn as_a_word(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
