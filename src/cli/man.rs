//! `perfwatch man`

use std::path::PathBuf;

use clap::Args;

/// Print the manual page, or write those of all commands.
///
/// To read it: perfwatch man | man -l -
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write perfwatch.1, perfwatch-record.1 and the others into this directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
