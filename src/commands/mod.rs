//! One file per subcommand: arguments → settings → the rooms below. Printing happens here.

use std::collections::BTreeMap;

mod directory;
pub mod doctor;
pub mod events;
pub mod mark;
pub mod record;
pub mod recover;
pub mod report;
pub mod schema;
mod signals;
pub mod sources;

/// How a command ended; `main` makes the exit status of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Something could not be done, and was said; the rest was.
    Incomplete,
}

/// Arguments that make no sense, found after clap was content with them: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// What several `--tag KEY=VALUE` gave.
fn key_values(given: &[String]) -> Result<BTreeMap<String, String>, Usage> {
    given
        .iter()
        .map(|tag| match tag.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
            _ => Err(Usage(format!("--tag {tag}: a tag is written KEY=VALUE"))),
        })
        .collect()
}
