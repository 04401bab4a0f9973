//! The recorded command's process, which waits for its session.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::notice::Notices;
use super::reins::Reins;
use super::settings::WorkloadSettings;
use super::steps::{Steps, variables};
use super::workload::Workload;
use crate::mark::Marks;
use crate::store::manifest::{CommandFacts, SeriesRun};
use crate::workload::Held;
use crate::workload::command::Command;

/// A command that waits for the session.
pub(super) struct Waiting {
    pub facts: CommandFacts,
    held: Held,
    command: Arc<Command>,
    asked: WorkloadSettings,
    variables: Vec<(&'static str, OsString)>,
}

impl Waiting {
    pub fn new(
        asked: &WorkloadSettings,
        held: Held,
        command: Arc<Command>,
        run: Option<&SeriesRun>,
        socket: Option<&OsStr>,
    ) -> Waiting {
        let facts = CommandFacts {
            argv: asked.argv.iter().map(|w| w.to_string_lossy().into_owned()).collect(),
            pid: held.pid,
            ..CommandFacts::default()
        };
        Waiting { facts, held, command, asked: asked.clone(), variables: variables(socket, run) }
    }

    /// With what it needs of the session that begins.
    pub fn join(self, marks: Marks, notices: Notices) -> (Workload, Reins) {
        let Waiting { facts, held, command, asked, variables } = self;
        let (reins, orders) = Reins::new(command.clone());
        let steps = Steps::new(&asked, variables, marks, notices.clone());
        let workload = Workload::new(facts, held, command, asked, steps, orders, notices);
        (workload, reins)
    }
}
