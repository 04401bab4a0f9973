//! `perfwatch config`

use std::ffi::OsString;

use clap::Args;

use super::format::FormatArgs;

/// Show what the options of a command come to, and where each was set.
///
/// A flag counts before a variable of the environment (PERFWATCH_INTERVAL=500ms; for `record` alone), that before the settings file, that
/// before the default. The file is the one of --config, or PERFWATCH_CONFIG, else the first of ./perfwatch.toml,
/// $XDG_CONFIG_HOME/perfwatch/perfwatch.toml, /etc/perfwatch.toml. In it, each command has a table, such as `[record]`, and there its
/// options' long names are keys.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The command
    #[arg(default_value = "record", value_name = "COMMAND")]
    pub command: String,

    #[command(flatten)]
    pub output: FormatArgs,

    /// Flags that it would be called with
    #[arg(last = true, value_name = "FLAGS")]
    pub flags: Vec<OsString>,
}
