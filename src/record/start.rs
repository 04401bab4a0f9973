//! The start of a session: everything before the first sample, in an order that matters.
//!
//! The command's process is created before anything is opened or memory grows, because it is a copy of this process until it
//! executes the command. Signals are blocked before there is a second thread. The collectors are opened before the directory is
//! created, so that no directory remains if that fails.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::collectors::{NothingToRecord, open_collectors};
use super::notice::{Listener, Notice};
use super::recording::{Begin, Taken, must_be_free, root};
use super::session::Session;
use super::settings::{Settings, WorkloadSettings};
use super::signals::{Blocked, Received};
use super::space;
use super::waiting::Waiting;
use crate::collect::collector::Setup;
use crate::facts::machine::Host;
use crate::facts::start::Start;
use crate::linux::cgroup::Hierarchies;
use crate::mark;
use crate::mark::place::Place;
use crate::store::layout::Layout;
use crate::workload::command::Command;
use crate::workload::{self, Group, Held, Scope, Streams};

/// Below this, CPU percentages are coarse.
const COARSE: Duration = Duration::from_millis(100);

/// How the start of a session went.
pub enum Started<'s> {
    Ready(Box<Session<'s>>),
    /// This signal arrived before anything was recorded.
    Stopped(Received),
}

/// Opens everything that a session needs, and writes its start to the manifest. Call this while the process has one thread.
///
/// # Errors
/// When the session cannot begin. [`Mistake`](super::collectors::Mistake) and [`NothingToRecord`] are among them.
pub fn start<'s>(settings: &'s Settings, listener: &mut dyn Listener) -> Result<Started<'s>> {
    let root = root(settings);
    // Checked here for an early error, and again under the lock.
    if settings.output.is_some() {
        must_be_free(&Layout::new(&root), settings.append)?;
    }
    let signals = Blocked::block(settings.workload.is_some())?;
    let socket = Place::take();
    let mut setup =
        Setup { interval: settings.interval, ..Setup::new(settings.options.roots(), settings.options.clone()) };
    let socket_path = socket.as_ref().ok().map(Place::socket);
    let mut scope = make_scope(settings, &setup);
    let held = settings.workload.as_ref().map(|asked| hold(asked, &scope, socket_path)).transpose()?;
    // Meanwhile the kernel moves the process into its control group.
    let (host, start) = (Host::detect(&setup.roots), Start::detect(&setup.roots));
    if let Some(held) = &held {
        held.join();
        scope.check(held.pid);
    }
    setup.command = held.as_ref().map(|held| Arc::new(Command::new(held.pid, scope.own())));
    setup.command.iter().for_each(|command| workload::disown_all(command));
    let (collectors, facts) = open_collectors(&setup, |name| settings.collectors.contains(name))?;
    listener.opened();
    if collectors.is_empty() {
        return Err(NothingToRecord(facts).into());
    }
    if let Some(early) = signals.pending() {
        return Ok(Started::Stopped(early));
    }
    space::must_suffice(settings.min_free, &root)?;
    let taken = Taken::take(settings, root)?;
    if taken.layout.is_open_to_all() {
        listener.hear(&Notice::OpenToAll(taken.layout.root.clone()));
    }
    listener.taken(&facts);
    let waiting = settings.workload.as_ref().zip(held).zip(setup.command.clone()).map(|((asked, held), command)| {
        Waiting::new(asked, held, command, settings.run.as_ref(), socket_path.map(Path::as_os_str))
    });
    let command = waiting.as_ref().map(|waiting| waiting.facts.clone());
    let recording = taken.begin(settings, Begin { host, start, collectors: facts, command })?;
    if settings.interval < COARSE {
        listener.hear(&Notice::CoarseInterval);
    }
    Ok(Started::Ready(Box::new(Session { settings, recording, collectors, signals, socket, waiting, scope })))
}

/// A control group for the command, if it should have its own.
fn make_scope(settings: &Settings, setup: &Setup) -> Scope {
    match &settings.workload {
        Some(asked) if asked.own_cgroup => Scope::make(&Hierarchies::read(&setup.roots)),
        _ => Scope::default(),
    }
}

/// Starts the process that will execute the command. It waits until then.
fn hold(asked: &WorkloadSettings, scope: &Scope, socket: Option<&Path>) -> Result<Held> {
    workload::adopt();
    let socket = socket.map(|path| (OsStr::new(mark::VARIABLE), path.as_os_str()));
    let held = Held::start(&asked.argv, socket.as_slice(), Group::here(), Streams::Ours, scope.doors());
    let name = asked.argv.first().map_or(OsStr::new(""), |n| n);
    held.with_context(|| format!("cannot start {}", name.to_string_lossy()))
}
