//! The steps before and after the command: recorded as phases of their own, and not included in the cost of the command.

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

/// Environment variables with the number of the run, its side, and "1" if it is a warm-up.
const RUN_VARIABLE: &str = "PERFWATCH_RUN";
const SIDE_VARIABLE: &str = "PERFWATCH_SIDE";
const WARMUP_VARIABLE: &str = "PERFWATCH_WARMUP";

/// The phase of the command, used if there are phases for steps.
const RUN: &str = "run";

/// The longest wait for a mark to be stored. It takes longer only if the disk does not respond.
const PATIENCE: Duration = Duration::from_secs(5);

/// The two steps.
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

    /// The option with its script.
    pub fn option(self) -> &'static str {
        match self {
            StepKind::Prepare => PREPARE,
            StepKind::Conclude => CONCLUDE,
        }
    }
}

/// The steps of a session.
pub(super) struct Steps {
    prepare: Option<String>,
    conclude: Option<String>,
    /// Environment variables of the scripts: the socket for marks, and the run of the series.
    variables: Vec<(&'static str, OsString)>,
    marks: Marks,
    notices: Notices,
}

/// A step that is running.
pub(super) struct Step {
    kind: StepKind,
    pid: u32,
    group: Group,
    running: Running,
    /// Registers the process as not part of the command.
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

    /// Starts a step, if it has a script, after the start of its phase is stored.
    ///
    /// # Errors
    /// When no process can be started.
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

    /// Call this when the command begins. Starts its phase if there are steps.
    pub async fn start_run(&self) {
        if self.prepare.is_some() || self.conclude.is_some() {
            self.mark(Kind::Start, RUN).await;
        }
    }

    /// Call this when the command has ended.
    pub async fn end_run(&self) {
        if self.prepare.is_some() || self.conclude.is_some() {
            self.mark(Kind::End, RUN).await;
        }
    }

    /// Sends a mark and waits until it is sampled and stored, at most [`PATIENCE`]. Meanwhile signals, notices and progress are
    /// handled.
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

/// The environment variables of steps. The command itself gets only the socket: the size of the environment changes the position
/// of the stack, so commands that are compared must have the same.
pub(super) fn variables(socket: Option<&OsStr>, run: Option<&SeriesRun>) -> Vec<(&'static str, OsString)> {
    let socket = socket.map(|path| (VARIABLE, path.to_os_string()));
    let number = run.map(|run| (RUN_VARIABLE, run.number.to_string().into()));
    let side = run.and_then(|run| run.side.as_ref()).map(|side| (SIDE_VARIABLE, side.into()));
    let warmup = run.filter(|run| run.warmup).map(|_| (WARMUP_VARIABLE, "1".into()));
    [socket, number, side, warmup].into_iter().flatten().collect()
}

impl Step {
    /// Waits for its end. The future may be dropped and this called again.
    pub async fn ended(&mut self) {
        while let Some(event) = self.running.events.recv().await {
            match event {
                Event::Ended(_) | Event::Failed(_) => return,
                Event::Stopped => self.group.stop_with(self.pid),
                Event::Begun => {}
            }
        }
    }

    /// Forwards a signal that the step did not receive itself.
    pub fn pass(&self, received: Received) {
        if !(received.by_kernel && self.group.hears(received.signal)) {
            self.group.send(self.pid, received.signal);
        }
    }

    /// Marks the end of its phase. Returns its exit status.
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

    /// While a mark is waited for, other tasks on the same thread continue.
    #[test]
    fn waiting_for_a_mark_does_not_block_the_thread() {
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
            // It was sent but not answered: polling returns.
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
