//! `perfwatch config`

use std::ffi::OsString;

use clap::Args;

use super::format::FormatArgs;

/// Show the effective options of a command, and where each was set.
///
/// A flag has priority over an environment variable (such as PERFWATCH_INTERVAL=500ms; only for `record`), a variable
/// over the settings file, and the file over the default. The file is the one that --config or PERFWATCH_CONFIG names,
/// otherwise the first of ./perfwatch.toml, $XDG_CONFIG_HOME/perfwatch/perfwatch.toml and /etc/perfwatch.toml. It has
/// one table per command, such as `[record]`; the keys are the long names of the options.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The command
    #[arg(default_value = "record", value_name = "COMMAND")]
    pub command: String,

    #[command(flatten)]
    pub output: FormatArgs,

    /// Flags to assume on the command line
    #[arg(last = true, value_name = "FLAGS")]
    pub flags: Vec<OsString>,
}
