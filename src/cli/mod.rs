//! The command line: one `Args` struct for each subcommand, help as doc comments, no behaviour.

pub mod report;
pub mod schema;
