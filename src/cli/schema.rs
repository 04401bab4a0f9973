//! `perfwatch schema`

use clap::{Args, ValueEnum};

/// Print all tables and columns
#[derive(Args, Clone, Debug)]
pub struct SchemaArgs {
    /// Only these tables
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,

    /// How to print them
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the terminal
    #[default]
    Table,
    /// For programs
    Json,
    /// The column reference, docs/COLUMNS.md
    Markdown,
}
