//! `perfwatch info`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::FormatArgs;

/// Show the facts about recordings: machine, code, how they were made, what they contain.
///
/// Works on running recordings too, and changes nothing.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Recordings (directories that `perfwatch record` wrote), or folders of runs: then the result of each run is
    /// listed
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub recordings: Vec<PathBuf>,

    /// Print only the facts that differ, in columns; the runs of one command are combined
    #[arg(long)]
    pub diff: bool,

    /// Show all starts of the recorder in full, not only the last, and every run of a folder
    #[arg(long, short, conflicts_with = "diff")]
    pub all: bool,

    #[command(flatten)]
    pub output: FormatArgs,
}
