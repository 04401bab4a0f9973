//! `perfwatch ab`

use clap::Args;

use super::record::RecordArgs;

/// What `record` takes, and makes no sense here.
const NOT_FOR_TWO: [&str; 3] = ["command", "append", "duration"];

/// Record two commands in turn, so that a machine that changes with time changes for both
///
/// Each run is a recording of its own: DIR/base/run-001, DIR/new/run-001, DIR/base/run-002 and so on, and DIR/_runs.json lists them. All options of
/// `record` for a command apply to both. Other commands take DIR for all runs, DIR/base and DIR/new for those of one side.
#[derive(Args, Clone, Debug)]
#[command(mut_args(|arg| if NOT_FOR_TWO.contains(&arg.get_id().as_str()) { arg.hide(true) } else { arg }))]
#[command(mut_arg("runs", |arg| arg.default_value("5")))]
pub struct AbArgs {
    /// The command that there was, for the shell
    #[arg(long, value_name = "SCRIPT")]
    pub base: String,

    /// The command that is to be compared with it, for the shell
    #[arg(long, value_name = "SCRIPT")]
    pub new: String,

    /// A tag for the runs of --base alone; may be given several times
    #[arg(long = "base-tag", value_name = "KEY=VALUE")]
    pub base_tags: Vec<String>,

    /// A tag for the runs of --new alone; may be given several times
    #[arg(long = "new-tag", value_name = "KEY=VALUE")]
    pub new_tags: Vec<String>,

    #[command(flatten)]
    pub record: RecordArgs,
}
