//! `perfwatch completions`

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::Shell;

/// Print a script that lets a shell complete our options.
///
/// For bash: perfwatch completions bash > /etc/bash_completion.d/perfwatch; for one user, into
/// ~/.local/share/bash-completion/completions/perfwatch.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, required_unless_present = "list")]
    pub shell: Option<Shell>,

    /// Names of this kind, one per line: what the scripts ask for
    #[arg(long, value_enum, hide = true)]
    pub list: Option<List>,

    /// Recordings whose names are listed
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

/// The options whose values are names that can be listed: the command, the option, of what kind.
pub const LISTED: [(&str, &str, List); 11] = [
    ("record", "collectors", List::Collectors),
    ("record", "perf-events", List::Events),
    ("ab", "collectors", List::Collectors),
    ("ab", "perf-events", List::Events),
    ("doctor", "perf-events", List::Events),
    ("report", "table", List::Tables),
    ("report", "metric", List::Metrics),
    ("report", "phase", List::Phases),
    ("annotate", "remove-tag", List::Tags),
    // Those without a name.
    ("schema", "", List::Tables),
    ("events", "", List::Events),
];

impl List {
    /// As `--list` takes it.
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

    /// May several be given, with commas between them?
    pub fn has_commas(self) -> bool {
        matches!(self, List::Tables | List::Metrics | List::Collectors | List::Events)
    }
}
