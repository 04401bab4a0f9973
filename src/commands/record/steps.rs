//! What is done before and after the command: recorded as phases of their own, and no part of what the command cost.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::Duration;

use crate::cli::record::RecordArgs;
use crate::commands::signals::Received;
use crate::linux::helper::Helper;
use crate::mark::request::{Kind, Request};
use crate::mark::{Marks, VARIABLE};
use crate::store::manifest::SeriesRun;
use crate::ui;
use crate::workload::{Event, Group, Held, Running, Streams};

/// Which run of a series it is: its number, its side, and "1" where it is a warm-up.
const RUN_VARIABLE: &str = "PERFWATCH_RUN";
const SIDE_VARIABLE: &str = "PERFWATCH_SIDE";
const WARMUP_VARIABLE: &str = "PERFWATCH_WARMUP";

/// The command's own phase, where there are others.
const RUN: &str = "run";

/// How long is waited for a mark to be stored, which takes a moment, unless the recording's disk does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Prepare,
    Conclude,
}

impl Which {
    /// The name of its phase.
    fn phase(self) -> &'static str {
        match self {
            Which::Prepare => "prepare",
            Which::Conclude => "conclude",
        }
    }
}

/// The steps that are asked for.
pub struct Steps {
    prepare: Option<String>,
    conclude: Option<String>,
    /// What they find in the environment: where they can send marks, and which run of a series it is.
    variables: Vec<(&'static str, OsString)>,
    pub marks: Option<Marks>,
}

/// A step that runs.
pub struct Step {
    which: Which,
    pid: u32,
    group: Group,
    running: Running,
    /// It is no part of the command.
    _helper: Option<Helper>,
}

impl Steps {
    pub fn new(args: &RecordArgs, socket: Option<OsString>) -> Steps {
        let mut variables: Vec<(&'static str, OsString)> = socket.map(|path| (VARIABLE, path)).into_iter().collect();
        variables.extend(args.run.iter().flat_map(variables_of));
        Steps { prepare: args.prepare.clone(), conclude: args.conclude.clone(), variables, marks: None }
    }

    /// Starts a step, if there is such.
    ///
    /// # Errors
    /// When there can be no more processes.
    pub fn begin(&self, which: Which, group: Group) -> io::Result<Option<Step>> {
        let script = match which {
            Which::Prepare => &self.prepare,
            Which::Conclude => &self.conclude,
        };
        let Some(script) = script else { return Ok(None) };
        let words: [OsString; 3] = ["sh".into(), "-c".into(), script.into()];
        self.mark(Kind::Start, which.phase());
        let start = || {
            let set: Vec<_> =
                self.variables.iter().map(|(name, value)| (OsStr::new(name), value.as_os_str())).collect();
            let held = Held::start(&words, &set, group, Streams::Aside, Vec::new())?;
            let pid = held.pid;
            io::Result::Ok((held, Some(pid)))
        };
        let (held, helper) = Helper::start(start)?;
        Ok(Some(Step { which, pid: held.pid, group, running: held.go(), _helper: helper }))
    }

    pub fn have_prepared(&self) -> bool {
        self.prepare.is_some()
    }

    pub fn start_run(&self) {
        if self.prepare.is_some() || self.conclude.is_some() {
            self.mark(Kind::Start, RUN);
        }
    }

    pub fn end_run(&self) {
        if self.prepare.is_some() || self.conclude.is_some() {
            self.mark(Kind::End, RUN);
        }
    }

    /// Waits until the boundary is sampled and stored, as long as that takes no longer than it may.
    fn mark(&self, kind: Kind, phase: &str) {
        let Some(marks) = &self.marks else { return };
        let request = Request::new(kind, phase, BTreeMap::new()).map_err(|mistake| mistake.to_string());
        if let Err(error) = request.and_then(|request| marks.send(request).wait_for(PATIENCE)) {
            ui::complain(&format!("warning: phase {phase}: {error}"));
        }
    }
}

/// The command itself is not told: the size of its environment moves its stack, so that two commands that are compared
/// must have the same.
fn variables_of(run: &SeriesRun) -> Vec<(&'static str, OsString)> {
    let side = run.side.as_ref().map(|side| (SIDE_VARIABLE, side.into()));
    let warmup = run.warmup.then(|| (WARMUP_VARIABLE, "1".into()));
    [Some((RUN_VARIABLE, run.number.to_string().into())), side, warmup].into_iter().flatten().collect()
}

impl Step {
    pub async fn ended(&mut self) {
        while let Some(event) = self.running.events.recv().await {
            match event {
                Event::Ended(_) | Event::Failed(_) => return,
                Event::Stopped => self.group.stop_with(self.pid),
                Event::Begun => {}
            }
        }
    }

    pub fn pass(&self, received: Received) {
        if !(received.by_kernel && self.group.hears(received.signal)) {
            self.group.send(self.pid, received.signal);
        }
    }

    /// Ends its phase; its exit status.
    pub fn finish(self, steps: &Steps) -> u8 {
        let end = self.running.finish();
        steps.mark(Kind::End, self.which.phase());
        end.map_or(u8::MAX, |end| end.status())
    }
}
