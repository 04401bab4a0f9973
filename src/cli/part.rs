//! Which part of each recording is compared.

use std::time::Duration;

use clap::Args;

use crate::text::time::with_unit;

#[derive(Args, Clone, Debug, Default)]
pub struct PartArgs {
    /// Only rows of this phase and the phases inside it
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,

    /// Leave out the start of each recording until its CPU usage is steady (MSER-5)
    #[arg(long, conflicts_with_all = ["trim_start"])]
    pub auto_warmup: bool,

    /// Leave out this much at the start of each recording
    #[arg(long, value_name = "TIME", value_parser = with_unit)]
    pub trim_start: Option<Duration>,

    /// Leave out this much at the end of each recording
    #[arg(long, value_name = "TIME", value_parser = with_unit)]
    pub trim_end: Option<Duration>,
}

impl PartArgs {
    /// Is a time left out?
    pub fn is_cut(&self) -> bool {
        self.auto_warmup || self.trim_start.is_some() || self.trim_end.is_some()
    }
}
