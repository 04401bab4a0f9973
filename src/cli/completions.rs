//! `perfwatch completions`

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::Shell;

/// Print a completion script for a shell.
///
/// For bash: perfwatch completions bash > /etc/bash_completion.d/perfwatch; for a single user, write it to
/// ~/.local/share/bash-completion/completions/perfwatch.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, required_unless_present = "list")]
    pub shell: Option<Shell>,

    /// Names of this kind, one per line; the completion scripts call this
    #[arg(long, value_enum, hide = true)]
    pub list: Option<List>,

    /// Recordings to take the names from
    #[arg(long = "of", value_name = "DIR", requires = "list", hide = true, value_hint = ValueHint::DirPath)]
    pub recordings: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum List {
    Tables,
    Metrics,
    Collectors,
    Events,
    Phases,
    Tags,
}

/// Options with values that can be listed: command, option (empty for a positional argument), kind of name.
pub const LISTED: [(&str, &str, List); 14] = [
    ("record", "collectors", List::Collectors),
    ("record", "perf-events", List::Events),
    ("ab", "collectors", List::Collectors),
    ("ab", "perf-events", List::Events),
    ("doctor", "perf-events", List::Events),
    ("report", "table", List::Tables),
    ("report", "metric", List::Metrics),
    ("report", "phase", List::Phases),
    ("export", "table", List::Tables),
    ("export", "columns", List::Metrics),
    ("export", "phase", List::Phases),
    ("annotate", "remove-tag", List::Tags),
    // Positional arguments.
    ("schema", "", List::Tables),
    ("events", "", List::Events),
];

impl List {
    /// The word for `--list`.
    pub fn word(self) -> &'static str {
        match self {
            List::Tables => "tables",
            List::Metrics => "metrics",
            List::Collectors => "collectors",
            List::Events => "events",
            List::Phases => "phases",
            List::Tags => "tags",
        }
    }

    /// Does the option accept several names, separated by commas?
    pub fn has_commas(self) -> bool {
        matches!(self, List::Tables | List::Metrics | List::Collectors | List::Events)
    }
}
