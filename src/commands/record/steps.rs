//! What is done before and after the command: recorded as phases of their own, and no part of what the command cost.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;

use crate::command::Helper;
use crate::commands::signals::Received;
use crate::mark::request::{Kind, Request};
use crate::mark::{Marks, VARIABLE};
use crate::run::{Event, Group, Held, Running};
use crate::ui;

pub const PREPARE: &str = "prepare";
pub const CONCLUDE: &str = "conclude";
/// The command's own phase, where there are others.
const RUN: &str = "run";

/// The steps that are asked for.
pub struct Steps {
    prepare: Option<String>,
    conclude: Option<String>,
    /// Where they can send marks.
    socket: Option<OsString>,
    pub marks: Option<Marks>,
}

/// A step that runs.
pub struct Step {
    phase: &'static str,
    pid: u32,
    group: Group,
    running: Running,
    /// It is no part of the command.
    _helper: Option<Helper>,
}

impl Steps {
    pub fn new(prepare: Option<String>, conclude: Option<String>, socket: Option<OsString>) -> Steps {
        Steps { prepare, conclude, socket, marks: None }
    }

    /// Starts the step of this phase, if there is one.
    ///
    /// # Errors
    /// When there can be no more processes.
    pub fn begin(&self, phase: &'static str, group: Group) -> io::Result<Option<Step>> {
        let Some(script) = (if phase == PREPARE { &self.prepare } else { &self.conclude }) else { return Ok(None) };
        let words: [OsString; 3] = ["sh".into(), "-c".into(), script.into()];
        self.mark(Kind::Start, phase);
        let start = || {
            let socket = self.socket.as_deref().map(|path| (OsStr::new(VARIABLE), path));
            let held = Held::start(&words, socket.as_slice(), group, Vec::new())?;
            let pid = held.pid;
            io::Result::Ok((held, Some(pid)))
        };
        let (held, helper) = Helper::start(start)?;
        Ok(Some(Step { phase, pid: held.pid, group, running: held.go(), _helper: helper }))
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

    /// Waits until the boundary is sampled and stored.
    fn mark(&self, kind: Kind, phase: &str) {
        let Some(marks) = &self.marks else { return };
        let request = Request::new(kind, phase, BTreeMap::new()).map_err(|mistake| mistake.to_string());
        if let Err(error) = request.and_then(|request| marks.send(request).wait()) {
            ui::complain(&format!("warning: phase {phase}: {error}"));
        }
    }
}

impl Step {
    pub async fn ended(&mut self) {
        while let Some(event) = self.running.events.recv().await {
            match event {
                Event::Ended | Event::Failed(_) => return,
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
        steps.mark(Kind::End, self.phase);
        end.map_or(u8::MAX, |end| end.status())
    }
}
