//! `perfwatch verify`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::FormatArgs;

/// Check every byte of recordings: manifest, journals, and the checksums and values of all files.
///
/// Changes nothing, and works on recordings that are still running. Exits with 0 if everything is as it was written,
/// otherwise with 1.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The recordings; a folder of runs means all of them
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub recordings: Vec<PathBuf>,

    #[command(flatten)]
    pub output: FormatArgs,

    /// Print only problems
    #[arg(long, short, conflicts_with_all = ["json", "format"])]
    pub quiet: bool,
}
