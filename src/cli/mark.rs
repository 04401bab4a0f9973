//! `perfwatch mark`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// Mark in a recording what the workload is doing: a phase starts or ends, something happened, or it has a number.
///
/// The rows of all tables contain the phase in which they were recorded; `perfwatch report --phase` shows one phase.
/// The mark is stored when this returns. If no recorder runs, it prints a message and exits with 0, so that scripts
/// work without a recorder. A recording that is named with --recording must be there (otherwise it exits with 2).
#[derive(Debug, Args)]
pub struct MarkArgs {
    #[command(subcommand)]
    pub mark: Mark,

    /// The recording [default: that of the recorder at PERFWATCH_CONTROL]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, global = true)]
    pub recording: Option<PathBuf>,

    /// Exit with status 1 if no recorder runs
    #[arg(long, global = true)]
    pub strict: bool,

    /// Print nothing if no recorder runs, and no notes about the mark; errors are still printed
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Mark {
    /// A phase starts, inside the phases that are open
    Start(Phase),
    /// A phase ends, and the phases inside it
    End(Phase),
    /// Something happened
    Event(Event),
    /// Numbers of the program, such as its throughput: rows of table metric
    Value(Values),
}

#[derive(Debug, Args)]
pub struct Phase {
    /// The name of the phase, without `/`; it may have several words
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
pub struct Values {
    /// Numbers with their names: qps=1234 'p99_ms{shard="0"}=3.5'; all get the same time
    #[arg(value_name = "NAME=NUMBER", required = true)]
    pub numbers: Vec<String>,
}

#[derive(Debug, Default, Args)]
pub struct Tags {
    /// A fact to store with the mark (repeatable)
    #[arg(short = 't', long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,
}
