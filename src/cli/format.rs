//! How facts are printed: for people, or as JSON for programs. The same options for every command that prints some.

use clap::{Args, ValueEnum};

/// For commands that print for people or as JSON.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FormatArgs {
    /// How to print it
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    #[value(alias = "table")]
    Text,
    /// For programs
    Json,
}

impl FormatArgs {
    pub fn is_json(self) -> bool {
        self.json || self.format == Format::Json
    }
}
