//! Completions for shells, from the declaration of the command line.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Outcome;
use super::output::write_as_it_is;
use crate::cli::Cli;
use crate::cli::completions::CompletionsArgs;

/// Behind `--` there is another command, with its own completions.
const BEHIND_DASHES: &str = r#"
_perfwatch_or_command() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then
            if declare -F _comp_command_offset > /dev/null; then
                _comp_command_offset $((i + 1))
            elif declare -F _command_offset > /dev/null; then
                _command_offset $((i + 1))
            elif ((COMP_CWORD == i + 1)); then
                mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
            fi
            return
        fi
    done
    _perfwatch "$@"
}
complete -F _perfwatch_or_command -o nosort -o bashdefault -o default perfwatch 2> /dev/null ||
    complete -F _perfwatch_or_command -o bashdefault -o default perfwatch
"#;

pub fn run(args: &CompletionsArgs) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "perfwatch", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if args.shell == Shell::Bash {
        script += BEHIND_DASHES;
    }
    write_as_it_is(&mut std::io::stdout().lock(), &script)?;
    Ok(Outcome::Done)
}
