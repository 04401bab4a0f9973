//! `perfwatch annotate`

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Add tags and notes to recordings, finished or still running. The data does not change.
#[derive(Debug, Args)]
pub struct AnnotateArgs {
    /// The recordings; a folder of runs means all of them
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recordings: Vec<PathBuf>,

    /// Add a tag, or change its value (repeatable)
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,

    /// Remove a tag (repeatable)
    #[arg(long = "remove-tag", value_name = "KEY")]
    pub remove: Vec<String>,

    /// Add a note, stored with the current time (repeatable)
    #[arg(long = "note", value_name = "TEXT")]
    pub notes: Vec<String>,
}
