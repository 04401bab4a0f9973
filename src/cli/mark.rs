//! `perfwatch mark`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// Tell a recording what the work is doing: a phase starts or ends, something happened.
///
/// The rows of all tables bear the phase they were recorded in, and `perfwatch report --phase` shows one. The mark is stored when
/// this returns. Without a recorder it says so and exits with 0, so that a script works without one; but one that was named with
/// --recording must be there (else 2).
#[derive(Debug, Args)]
pub struct MarkArgs {
    #[command(subcommand)]
    pub mark: Mark,

    /// The recording [default: that of the recorder at PERFWATCH_CONTROL]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, global = true)]
    pub recording: Option<PathBuf>,

    /// Exit with status 1 where there is no recorder
    #[arg(long, global = true)]
    pub strict: bool,

    /// Say nothing where there is no recorder, and of what else was marked; errors are said
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Mark {
    /// A phase starts; inside of those that are open
    Start(Phase),
    /// A phase ends, and with it those inside
    End(Phase),
    /// Something happened
    Event(Event),
}

#[derive(Debug, Args)]
pub struct Phase {
    /// The phase's name, without `/`; it may have several words
    #[arg(value_name = "NAME", required = true)]
    pub name: Vec<String>,

    #[command(flatten)]
    pub tags: Tags,
}

#[derive(Debug, Args)]
pub struct Event {
    /// What happened
    #[arg(value_name = "TEXT", required = true)]
    pub text: Vec<String>,

    #[command(flatten)]
    pub tags: Tags,
}

#[derive(Debug, Args)]
pub struct Tags {
    /// A fact to keep with the mark; may be given several times
    #[arg(short = 't', long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,
}
