//! Output formats: the same options for every command that prints facts, as text or as JSON.

use clap::{Args, ValueEnum};

/// The output formats of a command; every command supports JSON.
pub trait Forms: ValueEnum + Copy + Default + PartialEq + Send + Sync + 'static {
    const JSON: Self;
}

/// Options that select the output format.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FormatArgs<F: Forms = Format> {
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = F::default())]
    pub format: F,

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

impl Forms for Format {
    const JSON: Self = Format::Json;
}

impl<F: Forms> FormatArgs<F> {
    /// The selected format, from either option.
    pub fn form(self) -> F {
        if self.json { F::JSON } else { self.format }
    }

    pub fn is_json(self) -> bool {
        self.form() == F::JSON
    }
}
