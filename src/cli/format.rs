//! How facts are printed: for people, or as JSON for programs. The same options for every command that prints some.

use clap::{Args, ValueEnum};

/// The forms in which a command prints; every command has JSON.
pub trait Forms: ValueEnum + Copy + Default + PartialEq + Send + Sync + 'static {
    const JSON: Self;
}

/// For commands that print for people or as JSON, and perhaps in other forms.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FormatArgs<F: Forms = Format> {
    /// How to print it
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
    /// How it is to be printed, said by either option.
    pub fn form(self) -> F {
        if self.json { F::JSON } else { self.format }
    }

    pub fn is_json(self) -> bool {
        self.form() == F::JSON
    }
}
