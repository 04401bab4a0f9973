//! The event loop of the session's thread, while the other thread samples.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::interval;

use super::ended::MIN_FREE;
use super::event::SamplingEvent;
use super::notice::{Listener, Notice};
use super::orders::Orders;
use super::problems::Problems;
use super::progress::Progress;
use super::recording::Recording;
use super::result::Finished;
use super::settings::Settings;
use super::signals::{Received, Signals};
use super::space;
use super::workload::Workload;
use crate::linux::clock::Stop;

/// How often the progress is shown.
const REDRAW_EVERY: Duration = Duration::from_millis(250);

/// Events to wait for, in addition to notices and those of the workload.
pub(super) struct Events {
    pub signals: Signals,
    /// Children that ended, if there is a recorded command.
    pub children: Option<Signal>,
    /// Sampling is over.
    pub finished: oneshot::Receiver<()>,
}

pub(super) struct Watch<'a> {
    settings: &'a Settings,
    recording: &'a mut Recording,
    listener: &'a mut dyn Listener,
    progress: &'a Progress,
    stop: Stop,
    heard: UnboundedReceiver<Notice>,
    problems: Problems,
    /// Why the session ends.
    reason: Option<String>,
    /// Sampling ended before the command.
    is_unseen: bool,
}

impl<'a> Watch<'a> {
    pub fn new(
        settings: &'a Settings,
        recording: &'a mut Recording,
        listener: &'a mut dyn Listener,
        progress: &'a Progress,
        stop: Stop,
        heard: UnboundedReceiver<Notice>,
    ) -> Watch<'a> {
        let problems = Problems::default();
        Watch { settings, recording, listener, progress, stop, heard, problems, reason: None, is_unseen: false }
    }

    /// Handles a notice: passes it to the listener, and to the manifest if necessary.
    pub fn hear(&mut self, notice: Notice) {
        if let Notice::Store(news) = &notice {
            self.recording.note(news);
        }
        self.problems.keep(&notice);
        if notice.has_text() {
            self.listener.hear(&notice);
        }
    }

    /// Handles the notices that have been sent so far.
    pub fn hear_the_rest(&mut self) {
        while let Ok(notice) = self.heard.try_recv() {
            self.hear(notice);
        }
    }

    /// Call this when sampling begins.
    pub fn begin(&mut self) {
        let facts = self.recording.manifest.sessions.last().map_or(&[][..], |session| &session.collectors);
        self.listener.sampling(&self.recording.layout.root, facts);
    }

    /// Waits until the session is over. Returns the reason; `None` if its duration is over.
    pub async fn until_over(
        &mut self,
        events: Events,
        workload: Option<&mut Workload>,
        orders: Option<&Orders>,
    ) -> Option<String> {
        let Events { mut signals, mut children, mut finished } = events;
        let mut following = pin!(follow(workload));
        let (mut is_sampling, mut is_alive) = (true, orders.is_some());
        let (mut redraw, mut check_space) = (interval(REDRAW_EVERY), interval(space::EVERY));
        while is_sampling || is_alive {
            tokio::select! {
                // Signals first: if a key ends the command, its signal must be seen before the end of the command.
                biased;
                received = signals.next() => self.handle_signal(received, orders),
                why = &mut following, if is_alive => {
                    is_alive = false;
                    self.reason.get_or_insert(why);
                    self.stop.stop();
                }
                Some(()) = next(&mut children) => orders.iter().for_each(|orders| orders.reap()),
                _ = &mut finished, if is_sampling => {
                    is_sampling = false;
                    // The command runs even if sampling failed.
                    self.is_unseen = is_alive;
                    orders.iter().for_each(|orders| orders.go());
                }
                Some(notice) = self.heard.recv() => {
                    if matches!(notice, Notice::Sampling(SamplingEvent::Begun)) {
                        orders.iter().for_each(|orders| orders.go());
                    }
                    self.hear(notice);
                }
                // A command continues without its recording.
                _ = check_space.tick(), if self.settings.min_free.is_some() && self.reason.is_none() => {
                    self.check_space();
                }
                _ = redraw.tick(), if self.listener.shows_progress() => self.listener.progress(self.progress),
            }
        }
        self.reason.take()
    }

    /// Forwards a signal to the command. Without a command it ends the session.
    fn handle_signal(&mut self, received: Received, orders: Option<&Orders>) {
        match orders {
            Some(orders) => orders.pass(received),
            None if self.reason.is_none() => {
                self.reason = Some(received.name());
                self.stop.stop();
            }
            None => {}
        }
    }

    /// Stops the session if the disk has too little free space.
    fn check_space(&mut self) {
        let Some(why) = space::shortage(self.settings.min_free, &self.recording.layout.root) else { return };
        self.hear(Notice::TooFull(why));
        self.reason = Some(MIN_FREE.into());
        self.stop.stop();
    }

    /// Did sampling end before the command?
    pub fn is_unseen(&self) -> bool {
        self.is_unseen
    }

    /// There is no more progress to show.
    pub fn end(&mut self) {
        self.listener.over();
        self.hear_the_rest();
    }

    pub fn note_command(&mut self, command: &Finished) {
        self.recording.note_command(&command.facts);
    }

    pub fn into_problems(self) -> Vec<String> {
        self.problems.into_sentences()
    }
}

/// Returns why the command is over. Without a command it never returns.
async fn follow(workload: Option<&mut Workload>) -> String {
    match workload {
        Some(workload) => workload.follow().await,
        None => pending().await,
    }
}

/// Waits for the next signal of this kind; `None` if there will be none.
async fn next(signal: &mut Option<Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}
