//! `perfwatch compact`

use std::path::PathBuf;

use clap::Args;

/// Merge the hourly files of finished days (UTC) into one file a table and day.
///
/// The rows stay the same. A recorder may go on meanwhile, and readers never see a row twice; one that lists a folder in
/// the moment in which the files are exchanged may miss the rows of that day. Doing it again changes nothing.
#[derive(Debug, Args)]
pub struct CompactArgs {
    /// The recordings; a folder of runs means all of them
    #[arg(required = true, value_name = "DIR")]
    pub recordings: Vec<PathBuf>,

    /// Only say what would be merged
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}
