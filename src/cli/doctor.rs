//! `perfwatch doctor`

use clap::Args;

use super::format::FormatArgs;
use crate::collect::options::Options;

/// Tell what would be recorded on this machine, what not, why, and what to do about it.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub sources: Options,

    #[command(flatten)]
    pub output: FormatArgs,
}
