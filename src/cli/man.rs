//! `perfwatch man`

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Print a manual page, or write the pages of all commands.
///
/// To read it: perfwatch man | man -l -
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The page of this command [default: the page of perfwatch]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Option<String>,

    /// Write perfwatch.1, perfwatch-record.1 and the others into this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
