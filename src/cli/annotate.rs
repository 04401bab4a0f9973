//! `perfwatch annotate`

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Add tags and notes to recordings, be they finished or still running. No data is touched.
#[derive(Debug, Args)]
pub struct AnnotateArgs {
    /// The recordings; a folder of runs means all of them
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recordings: Vec<PathBuf>,

    /// Add a tag, or give it another value; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,

    /// Remove a tag; may be given several times
    #[arg(long = "remove-tag", value_name = "KEY")]
    pub remove: Vec<String>,

    /// Add a sentence or more, kept with the time; may be given several times
    #[arg(long = "note", value_name = "TEXT")]
    pub notes: Vec<String>,
}
