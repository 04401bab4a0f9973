//! The process of the recorded command while it waits for the session.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::notice::Notices;
use super::orders::Orders;
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

    /// Adds what it needs from the session.
    pub fn join(self, marks: Marks, notices: Notices) -> (Workload, Orders) {
        let Waiting { facts, held, command, asked, variables } = self;
        let (orders, received) = Orders::new(command.clone());
        let steps = Steps::new(&asked, variables, marks, notices.clone());
        let workload = Workload::new(facts, held, command, asked, steps, received, notices);
        (workload, orders)
    }
}
