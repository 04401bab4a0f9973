//! `perfwatch schema`

use clap::{Args, ValueEnum};

use super::format::{FormatArgs, Forms};

/// Print all tables and columns
#[derive(Args, Clone, Debug)]
pub struct SchemaArgs {
    /// Only these tables
    #[arg(value_name = "TABLE", value_delimiter = ',')]
    pub tables: Vec<String>,

    #[command(flatten)]
    pub output: FormatArgs<Format>,
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

impl Forms for Format {
    const JSON: Self = Format::Json;
}
