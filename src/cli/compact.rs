//! `perfwatch compact`

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueHint};

use super::format::FormatArgs;

/// Merge the hourly files of finished days (UTC) into one file per table and day.
///
/// The rows do not change. The recorder may keep running, and readers never see a row twice. A reader that lists a
/// folder at the moment when the files are exchanged may miss the rows of that day. Running it again changes nothing.
#[derive(Debug, Args)]
pub struct CompactArgs {
    /// The recordings; a folder of runs means all of them
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recordings: Vec<PathBuf>,

    /// Only print what would be merged
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub output: FormatArgs,

    /// Only print the result and errors; -qq: only errors
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,
}
