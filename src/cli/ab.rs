//! `perfwatch ab`

use clap::Args;

use super::record::RecordArgs;
use crate::text::number::at_least_one;

/// Options of `record` that make no sense for two commands.
const NOT_FOR_TWO: [&str; 4] = ["command", "append", "duration", "parameter_lists"];

/// Record two commands alternately, so that changes of the machine over time affect both
///
/// Each run is a separate recording: DIR/base/run=001, DIR/new/run=001, DIR/base/run=002 and so on. The runs with the
/// same number are a block, in random order. DIR/_runs.json lists them. All options of `record` that concern a command
/// apply to both. Other subcommands take DIR for all runs, and DIR/base or DIR/new for the runs of one side.
#[derive(Args, Clone, Debug)]
#[command(mut_args(|arg| if NOT_FOR_TWO.contains(&arg.get_id().as_str()) { arg.hide(true) } else { arg }))]
#[command(mut_arg("runs", |arg| arg.default_value("5")))]
pub struct AbArgs {
    /// The baseline command, run by the shell
    #[arg(long, value_name = "SCRIPT")]
    pub base: String,

    /// The command to compare with the baseline, run by the shell
    #[arg(long, value_name = "SCRIPT")]
    pub new: String,

    /// A tag for the runs of --base only (repeatable)
    #[arg(long = "base-tag", value_name = "KEY=VALUE", hide_short_help = true)]
    pub base_tags: Vec<String>,

    /// A tag for the runs of --new only (repeatable)
    #[arg(long = "new-tag", value_name = "KEY=VALUE", hide_short_help = true)]
    pub new_tags: Vec<String>,

    /// Also run the baseline against itself, which a change must exceed
    ///
    /// Each block has a third run, of the baseline command. It shows what differs on this machine without a change. These
    /// runs are in DIR/control. A change that is no larger than what they show is inconclusive.
    #[arg(long)]
    pub control: bool,

    /// Go on until no metric that decides is inconclusive
    ///
    /// The runs are looked at after --runs and then at ever larger distances, at most seven times by default. Intervals
    /// and p values are those of all looks together, so that at most one in twenty comparisons of identical sides fails.
    #[arg(long)]
    pub until_decided: bool,

    /// With --until-decided, the most runs per side
    #[arg(long, value_name = "N", value_parser = at_least_one, default_value = "60", requires = "until_decided", hide_short_help = true)]
    pub max_runs: u32,

    #[command(flatten)]
    pub record: RecordArgs,
}
