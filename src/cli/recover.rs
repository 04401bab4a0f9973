//! `perfwatch recover`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::FormatArgs;

/// Make Parquet files of what a killed recorder left in its journal.
///
/// `report` reads such a recording as it is; this is for those who read the files themselves.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The recordings; a folder of runs means all of them
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recordings: Vec<PathBuf>,

    #[command(flatten)]
    pub output: FormatArgs,
}
