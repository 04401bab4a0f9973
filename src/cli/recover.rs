//! `perfwatch recover`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::FormatArgs;

/// Convert the journal of a killed recorder into Parquet files.
///
/// `report` can read such a recording without this; use it before you read the files with other tools.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The recordings; a folder of runs means all of them
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub recordings: Vec<PathBuf>,

    #[command(flatten)]
    pub output: FormatArgs,
}
