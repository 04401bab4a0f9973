//! A session: one thread samples, while this one handles signals, the recorded command and notices.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;

use super::collectors::OpenCollectors;
use super::ended::Ended;
use super::notice::{Listener, Notice, Notices};
use super::progress::Progress;
use super::recorder::Recorder;
use super::recording::Recording;
use super::settings::Settings;
use super::signals::Blocked;
use super::waiting::Waiting;
use super::watch::{Events, Watch};
use super::writing::open_sink;
use crate::collect::catalog;
use crate::linux::clock::{Stop, SystemClock};
use crate::linux::descriptors;
use crate::mark::queue::queue;
use crate::mark::socket::ControlSocket;
use crate::mark::{Control, Marks};
use crate::store::layout::Layout;
use crate::store::manifest::ManifestError;
use crate::workload::Scope;

/// A session that is ready to sample.
pub struct Session<'s> {
    pub(super) settings: &'s Settings,
    pub(super) recording: Recording,
    pub(super) collectors: OpenCollectors,
    pub(super) signals: Blocked,
    /// The control socket.
    pub(super) socket: io::Result<ControlSocket>,
    pub(super) waiting: Option<Waiting>,
    /// The command's control group, which is removed when this is dropped.
    pub(super) scope: Scope,
}

/// A session whose last sample is stored. Its end is not in the manifest yet.
pub struct Sampled {
    pub ended: Ended,
    recording: Recording,
    _scope: Scope,
}

impl Session<'_> {
    /// Samples until it is time to stop, or until the command has ended. Then seals what was recorded.
    ///
    /// # Errors
    /// When a thread or the runtime cannot be started.
    pub fn run(self, listener: &mut dyn Listener) -> Result<Sampled> {
        let Session { settings, mut recording, collectors, signals, socket, waiting, scope } = self;
        let (send, received) = unbounded_channel();
        let notices: Notices = Arc::new(move |notice| drop(send.send(notice)));
        let sink = open_sink(settings, &recording, notices.clone())?;
        let progress = Arc::new(Progress::default());
        let stop = Stop::default();
        let (marks, marked) = queue(stop.clone());
        let (mut workload, orders) = waiting.map(|waiting| waiting.join(marks.clone(), notices.clone())).unzip();
        let control = open_control(socket, marks, &recording);
        let notify = Box::new(move |event| notices(Notice::Sampling(event)));
        let recorder = Recorder::new(settings.interval, collectors, catalog::tables(), sink, progress.clone(), notify)
            .with_bursts(settings.bursts.clone());

        let runtime = start_tokio()?;
        let (signals, children) = runtime.block_on(async {
            let children = workload.is_some().then(|| signal(SignalKind::child())).transpose();
            anyhow::Ok((signals.listen()?, children.context("cannot listen for signals")?))
        })?;
        let (sampler, finished) = sample(recorder.listen(marked), &stop, settings.duration)?;

        let mut watch = Watch::new(settings, &mut recording, listener, &progress, stop, received);
        watch.handle(match &control {
            Ok(control) => Notice::Control(control.socket().to_path_buf()),
            Err(error) => Notice::NoControl(error.to_string()),
        });
        watch.begin();
        let events = Events { signals, children, finished };
        let reason = runtime.block_on(watch.until_over(events, workload.as_mut(), orders.as_ref()));
        let is_unseen = watch.is_unseen();
        watch.end();
        let command = workload.map(|workload| workload.finish(is_unseen));
        command.iter().for_each(|command| watch.note_command(command));
        // If sampling failed, the caller still gets the result of the command.
        let left = sampler.join().unwrap_or_else(|_| vec!["the sampling thread failed; what it wrote is kept".into()]);
        drop(control);
        watch.handle_pending();
        let is_sealed = left.is_empty();
        left.into_iter().for_each(|why| watch.handle(Notice::Unfinished(why)));
        let reason = reason.unwrap_or_else(|| "duration".into());
        let ended = Ended { is_sealed, command, ..Ended::new(reason, &progress, watch.into_problems()) };
        Ok(Sampled { ended, recording, _scope: scope })
    }
}

impl Sampled {
    pub fn layout(&self) -> &Layout {
        &self.recording.layout
    }

    /// Writes how the session ended to the manifest, and removes temporary files.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub fn close(&mut self) -> Result<(), ManifestError> {
        self.recording.end(&self.ended)
    }
}

fn open_control(socket: io::Result<ControlSocket>, marks: Marks, recording: &Recording) -> io::Result<Control> {
    socket.and_then(|socket| Control::open(&recording.layout, marks, socket))
}

fn start_tokio() -> Result<Runtime> {
    descriptors::room_for_tokio().context("cannot start tokio")?;
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start tokio")
}

/// Starts the thread that samples, which returns what could not be sealed. The receiver is notified when sampling is
/// over, before the sealing.
fn sample(
    recorder: Recorder<'static>,
    stop: &Stop,
    duration: Option<Duration>,
) -> Result<(JoinHandle<Vec<String>>, oneshot::Receiver<()>)> {
    let mut clock = SystemClock::new(stop.clone());
    let (done, finished) = oneshot::channel();
    let work = move || {
        SystemClock::wake_sharply();
        let sink = recorder.run(&mut clock, duration);
        let _ = done.send(());
        sink.finish()
    };
    let thread = std::thread::Builder::new().name("sample".into()).spawn(work).context("cannot start a thread")?;
    Ok((thread, finished))
}
