//! `perfwatch completions`

use clap::Args;
use clap_complete::Shell;

/// Print a script that lets a shell complete our options.
///
/// For bash: perfwatch completions bash > /etc/bash_completion.d/perfwatch; for one user, into
/// ~/.local/share/bash-completion/completions/perfwatch.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}
