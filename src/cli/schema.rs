//! `perfwatch schema`

use clap::{Args, ValueEnum};

/// Print all tables and columns
#[derive(Args, Clone, Debug)]
pub struct SchemaArgs {
    /// Only these tables
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,

    /// How to print them
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the terminal
    #[default]
    #[value(alias = "text")]
    Table,
    /// For programs
    Json,
    /// The column reference, docs/COLUMNS.md
    Markdown,
}

impl SchemaArgs {
    /// How it is to be printed, said by either option.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}
