//! `perfwatch info`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::FormatArgs;

/// Tell what recordings are: of which machine and code, how they were made, what is in them.
///
/// Works on recordings that are still running as well, and changes nothing.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Recordings, each a directory that `perfwatch record` wrote; or folders of runs, of which it tells what each run came to
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recordings: Vec<PathBuf>,

    /// Print only the facts in which the recordings differ, side by side; the runs of one command are taken together
    #[arg(long)]
    pub diff: bool,

    /// Show all starts of the recorder in full, not only the last; and every run of a folder
    #[arg(long, short, conflicts_with = "diff")]
    pub all: bool,

    #[command(flatten)]
    pub output: FormatArgs,
}
