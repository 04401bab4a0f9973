//! Which rows of recordings a command reads.

use clap::Args;

use crate::query::window::When;

#[derive(Args, Clone, Debug, Default)]
pub struct RowsArgs {
    /// Leave out rows before this time: 07:30, "2026-11-20 07:30:00", +5m or -10m
    ///
    /// Times are UTC, as in the report. +5m is after the start of the recording, -10m before its end; a bare number
    /// such as +10 is seconds. A time without a date is on the day on which the recording contains it.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<When>,

    /// Leave out rows at or after this time; same format as --since
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<When>,

    /// Only rows of this phase and the phases inside it
    ///
    /// For example load, load/warmup, or warmup at any level.
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,

    /// Only these tables; see `perfwatch schema`
    #[arg(long = "table", short, value_name = "NAME", value_delimiter = ',')]
    pub tables: Vec<String>,
}
