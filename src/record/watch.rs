//! The session's own loop: it waits for whatever happens while the other thread samples, and answers.

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
use super::problems::Problems;
use super::progress::Progress;
use super::recording::Recording;
use super::reins::Reins;
use super::result::Finished;
use super::settings::Settings;
use super::signals::{Received, Signals};
use super::space;
use super::workload::Workload;
use crate::linux::clock::Stop;

/// How often the progress is shown.
const REDRAW_EVERY: Duration = Duration::from_millis(250);

/// What there is to hear while the other thread samples, besides notices and the workload.
pub(super) struct Ears {
    pub signals: Signals,
    /// Children that ended, where there is a recorded command.
    pub children: Option<Signal>,
    /// The sampling is over.
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
    /// The sampling ended before the command did.
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

    /// Notes what there is to note, and says what there is to say.
    pub fn hear(&mut self, notice: Notice) {
        if let Notice::Store(news) = &notice {
            self.recording.note(news);
        }
        self.problems.keep(&notice);
        if notice.is_said() {
            self.listener.hear(&notice);
        }
    }

    /// Hears what has been sent so far.
    pub fn hear_the_rest(&mut self) {
        while let Ok(notice) = self.heard.try_recv() {
            self.hear(notice);
        }
    }

    /// The sampling begins.
    pub fn begin(&mut self) {
        let facts = self.recording.manifest.sessions.last().map_or(&[][..], |session| &session.collectors);
        self.listener.sampling(&self.recording.layout.root, facts);
    }

    /// Returns why the session is over; nothing where its time was up.
    pub async fn until_over(
        &mut self,
        ears: Ears,
        workload: Option<&mut Workload>,
        reins: Option<&Reins>,
    ) -> Option<String> {
        let Ears { mut signals, mut children, mut finished } = ears;
        let mut following = pin!(follow(workload));
        let (mut is_sampling, mut is_alive) = (true, reins.is_some());
        let (mut redraw, mut look_for_room) = (interval(REDRAW_EVERY), interval(space::EVERY));
        while is_sampling || is_alive {
            tokio::select! {
                // Signals first: of a key that ends the command, the command is to know that it was a key.
                biased;
                received = signals.next() => self.answer(received, reins),
                why = &mut following, if is_alive => {
                    is_alive = false;
                    self.reason.get_or_insert(why);
                    self.stop.stop();
                }
                Some(()) = next(&mut children) => reins.iter().for_each(|reins| reins.reap()),
                _ = &mut finished, if is_sampling => {
                    is_sampling = false;
                    // Whatever became of the sampling, the command is what the user wants.
                    self.is_unseen = is_alive;
                    reins.iter().for_each(|reins| reins.go());
                }
                Some(notice) = self.heard.recv() => {
                    if matches!(notice, Notice::Sampling(SamplingEvent::Begun)) {
                        reins.iter().for_each(|reins| reins.go());
                    }
                    self.hear(notice);
                }
                // A command goes on without its recording.
                _ = look_for_room.tick(), if self.settings.min_free.is_some() && self.reason.is_none() => {
                    self.check_room();
                }
                _ = redraw.tick(), if self.listener.shows_progress() => self.listener.progress(self.progress),
            }
        }
        self.reason.take()
    }

    /// A signal is the command's, or else ends the session.
    fn answer(&mut self, received: Received, reins: Option<&Reins>) {
        match reins {
            Some(reins) => reins.pass(received),
            None if self.reason.is_none() => {
                self.reason = Some(received.name());
                self.stop.stop();
            }
            None => {}
        }
    }

    /// Stops where the disk has less room than it is to keep.
    fn check_room(&mut self) {
        let Some(why) = space::shortage(self.settings.min_free, &self.recording.layout.root) else { return };
        self.hear(Notice::TooFull(why));
        self.reason = Some(MIN_FREE.into());
        self.stop.stop();
    }

    /// Did the recording end before the command?
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

/// Returns why the command is over; without a command never.
async fn follow(workload: Option<&mut Workload>) -> String {
    match workload {
        Some(workload) => workload.follow().await,
        None => pending().await,
    }
}

/// Waits for the next signal of this kind; `None`: there will be none.
async fn next(signal: &mut Option<Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}
