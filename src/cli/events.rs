//! `perfwatch events`

use clap::Args;

use super::format::FormatArgs;
use crate::collect::perf::offer::EventKind;

/// List the perf events, and whether they can be counted here
///
/// Hardware, software and cache events, the events that this machine's PMUs name, and tracepoints. Each is tried; if it
/// cannot be counted, the reason is shown. Event names of CPU models that only perf has in its tables are not in the
/// list.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// Only events with all these words in their name, aliases, type, PMU or description
    #[arg(value_name = "TEXT")]
    pub filter: Vec<String>,

    /// Only events that can be counted
    #[arg(long, short)]
    pub available: bool,

    /// Only events of this type
    #[arg(long = "type", short = 't', value_enum, value_name = "TYPE")]
    pub kind: Option<EventKind>,

    #[command(flatten)]
    pub output: FormatArgs,
}
