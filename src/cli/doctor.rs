//! `perfwatch doctor`

use clap::Args;

use super::format::FormatArgs;
use crate::collect::options::Options;

/// Show what would be recorded on this machine, what would not, why, and how to fix it.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub sources: Options,

    #[command(flatten)]
    pub output: FormatArgs,
}
