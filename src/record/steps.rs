//! What runs before and after the command: recorded as phases of their own, and not part of what the command cost.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::notice::{CONCLUDE, Notice, Notices, PREPARE};
use super::settings::WorkloadSettings;
use super::signals::Received;
use crate::linux::helper::Helper;
use crate::mark::request::{Kind, Request};
use crate::mark::{Marks, VARIABLE};
use crate::store::manifest::SeriesRun;
use crate::workload::{Event, Group, Held, Running, Streams};

/// Which run of a series it is: its number, its side, and "1" where it is a warm-up.
const RUN_VARIABLE: &str = "PERFWATCH_RUN";
const SIDE_VARIABLE: &str = "PERFWATCH_SIDE";
const WARMUP_VARIABLE: &str = "PERFWATCH_WARMUP";

/// The command's own phase, where there are others.
const RUN: &str = "run";

/// How long to wait for a mark to be stored. That takes a moment, unless the recording's disk does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepKind {
    Prepare,
    Conclude,
}

impl StepKind {
    /// The name of its phase.
    fn phase(self) -> &'static str {
        match self {
            StepKind::Prepare => "prepare",
            StepKind::Conclude => "conclude",
        }
    }

    /// The option that asks for it.
    pub fn option(self) -> &'static str {
        match self {
            StepKind::Prepare => PREPARE,
            StepKind::Conclude => CONCLUDE,
        }
    }
}

/// The steps that are asked for.
pub(super) struct Steps {
    prepare: Option<String>,
    conclude: Option<String>,
    /// What they find in the environment: where they can send marks, and which run of a series it is.
    variables: Vec<(&'static str, OsString)>,
    marks: Marks,
    notices: Notices,
}

/// A step that runs.
pub(super) struct Step {
    kind: StepKind,
    pid: u32,
    group: Group,
    running: Running,
    /// Says that it is not part of the command.
    _helper: Option<Helper>,
}

impl Steps {
    pub fn new(
        asked: &WorkloadSettings,
        variables: Vec<(&'static str, OsString)>,
        marks: Marks,
        notices: Notices,
    ) -> Steps {
        Steps { prepare: asked.prepare.clone(), conclude: asked.conclude.clone(), variables, marks, notices }
    }

    /// Starts a step, if it is asked for, once the start of its phase is stored.
    ///
    /// # Errors
    /// When there can be no more processes.
    pub async fn begin(&self, kind: StepKind, group: Group) -> io::Result<Option<Step>> {
        let script = match kind {
            StepKind::Prepare => &self.prepare,
            StepKind::Conclude => &self.conclude,
        };
        let Some(script) = script else { return Ok(None) };
        let words: [OsString; 3] = ["sh".into(), "-c".into(), script.into()];
        self.mark(Kind::Start, kind.phase()).await;
        let start = || {
            let set: Vec<_> =
                self.variables.iter().map(|(name, value)| (OsStr::new(name), value.as_os_str())).collect();
            let held = Held::start(&words, &set, group, Streams::Aside, Vec::new())?;
            let pid = held.pid;
            io::Result::Ok((held, Some(pid)))
        };
        let (held, helper) = Helper::start(start)?;
        Ok(Some(Step { kind, pid: held.pid, group, running: held.go(), _helper: helper }))
    }

    pub fn have_prepared(&self) -> bool {
        self.prepare.is_some()
    }

    /// The command begins: its phase, if there are others.
    pub async fn start_run(&self) {
        if self.prepare.is_some() || self.conclude.is_some() {
            self.mark(Kind::Start, RUN).await;
        }
    }

    /// The command has ended.
    pub async fn end_run(&self) {
        if self.prepare.is_some() || self.conclude.is_some() {
            self.mark(Kind::End, RUN).await;
        }
    }

    /// Waits until the boundary is sampled and stored, at most [`PATIENCE`]. Signals, notices and the progress are served
    /// meanwhile.
    async fn mark(&self, kind: Kind, phase: &str) {
        let stored = match Request::new(kind, phase, BTreeMap::new()) {
            Ok(request) => {
                let pending = self.marks.send(request);
                let waited = spawn_blocking(move || pending.wait_for(PATIENCE)).await;
                waited.unwrap_or_else(|error| Err(error.to_string()))
            }
            Err(mistake) => Err(mistake.to_string()),
        };
        if let Err(error) = stored {
            (self.notices)(Notice::NotMarked { phase: phase.into(), error });
        }
    }
}

/// What steps find in their environment. The command itself gets only the socket: the size of its environment moves its stack,
/// so two commands that are compared must have the same.
pub(super) fn variables(socket: Option<&OsStr>, run: Option<&SeriesRun>) -> Vec<(&'static str, OsString)> {
    let socket = socket.map(|path| (VARIABLE, path.to_os_string()));
    let number = run.map(|run| (RUN_VARIABLE, run.number.to_string().into()));
    let side = run.and_then(|run| run.side.as_ref()).map(|side| (SIDE_VARIABLE, side.into()));
    let warmup = run.filter(|run| run.warmup).map(|_| (WARMUP_VARIABLE, "1".into()));
    [socket, number, side, warmup].into_iter().flatten().collect()
}

impl Step {
    /// Waits for its end. May be dropped and called again.
    pub async fn ended(&mut self) {
        while let Some(event) = self.running.events.recv().await {
            match event {
                Event::Ended(_) | Event::Failed(_) => return,
                Event::Stopped => self.group.stop_with(self.pid),
                Event::Begun => {}
            }
        }
    }

    /// Passes on a signal that it did not get itself.
    pub fn pass(&self, received: Received) {
        if !(received.by_kernel && self.group.hears(received.signal)) {
            self.group.send(self.pid, received.signal);
        }
    }

    /// Ends its phase. Returns its exit status.
    pub async fn finish(self, steps: &Steps) -> u8 {
        let end = self.running.finish();
        steps.mark(Kind::End, self.kind.phase()).await;
        end.map_or(u8::MAX, |end| end.status())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::{Arc, Mutex};
    use std::task::Poll;

    use super::*;
    use crate::linux::clock::Stop;
    use crate::mark::queue::queue;

    /// While a mark is not answered, others on the same thread go on.
    #[test]
    fn a_mark_is_waited_for_and_stops_nobody() {
        let (marks, marked) = queue(Stop::default());
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let hear = said.clone();
        let notices: Notices = Arc::new(move |notice: Notice| hear.lock().unwrap().push(notice.to_string()));
        let asked = WorkloadSettings {
            argv: vec!["true".into()],
            prepare: Some("true".into()),
            conclude: None,
            timeout: None,
            grace: Duration::ZERO,
            own_cgroup: false,
        };
        let steps = Steps::new(&asked, Vec::new(), marks, notices);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut starting = pin!(steps.start_run());
            // It was sent, and is not answered: whoever polls gets the thread back.
            let first = std::future::poll_fn(|context| Poll::Ready(starting.as_mut().poll(context))).await;
            assert!(first.is_pending());
            assert_eq!(*said.lock().unwrap(), Vec::<String>::new());
            let mark = marked.recv().unwrap();
            assert_eq!((mark.request.kind(), mark.request.said()), (Kind::Start, "run"));
            mark.answer(Ok(None));
            starting.await;
            let mut ending = pin!(steps.end_run());
            assert!(std::future::poll_fn(|context| Poll::Ready(ending.as_mut().poll(context))).await.is_pending());
            marked.recv().unwrap().answer(Err("the disk is full".into()));
            ending.await;
        });
        assert_eq!(*said.lock().unwrap(), ["phase run: the disk is full"]);
    }
}
