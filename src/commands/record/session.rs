//! A session: the sampling thread at work, and this one listening: to signals, to the recorded command, to what there is to
//! say.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::wrapped::{Finished, News, Wrapped};
use crate::cli::record::RecordArgs;
use crate::collect::catalog;
use crate::commands::directory::file_facts;
use crate::commands::signals::{Blocked, Signals};
use crate::commands::sources::Ready;
use crate::commands::space;
use crate::linux::clock::{Stop, SystemClock, wall_us};
use crate::linux::descriptors;
use crate::mark::place::Place;
use crate::mark::{self, Control};
use crate::record::recorder::{Notice, Progress, Recorder};
use crate::store::layout::Layout;
use crate::store::manifest::{Durable, Manifest};
use crate::store::write::retain::Retention;
use crate::store::write::{self, Sealer, Sink, SinkOptions, Syncer};
use crate::ui::{self, Line};

/// The end reason of a recording that stopped because the disk became too full.
pub const MIN_FREE: &str = "min-free";

/// What the session came to.
pub struct Ended {
    pub reason: String,
    pub ticks: u64,
    pub missed: u64,
    pub lost: u64,
    pub sync_failures: u64,
    pub marks: u64,
    pub problems: Vec<String>,
    /// Every journal became Parquet, and could be read to its end.
    pub sealed: bool,
    pub command: Option<Finished>,
}

/// Where a session hears from outside.
pub struct Doors {
    pub signals: Blocked,
    /// Of marks.
    pub socket: io::Result<Place>,
    pub wrapped: Option<Wrapped>,
}

/// Samples until it is time to stop; with a command, until that has ended.
pub fn run(
    args: &RecordArgs,
    layout: &Layout,
    manifest: &mut Manifest,
    collectors: Ready,
    doors: Doors,
    tell: &ui::Teller,
) -> Result<Ended> {
    let Doors { signals, socket, mut wrapped } = doors;
    let (notices, mut heard) = mpsc::unbounded_channel::<Message>();
    let sink = sink(args, layout, manifest, &notices)?;
    let progress = Arc::new(Progress::default());
    let stop = Stop::default();
    let (marks, marked) = mark::queue::queue(stop.clone());
    wrapped.iter_mut().for_each(|w| w.mark_with(marks.clone()));
    let control = socket.and_then(|socket| Control::open(layout, marks, socket));
    let notify = Box::new(move |notice| drop(notices.send(Message::Notice(notice))));
    let recorder = Recorder::new(args.interval, collectors, catalog::tables(), sink, progress.clone(), notify);

    descriptors::room_for_tokio().context("cannot start tokio")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start tokio")?;
    let (signals, children) = runtime.block_on(async {
        let children = wrapped.is_some().then(|| signal(SignalKind::child())).transpose();
        anyhow::Ok((signals.listen()?, children.context("cannot listen for signals")?))
    })?;
    let (sampler, finished) = sample(recorder.listen(marked), &stop, args.duration)?;

    let mut problems = Vec::new();
    match &control {
        Ok(control) => tell.detail(&format!("{}={}", mark::VARIABLE, control.socket().display())),
        Err(error) => problems.push(format!("no control socket, so no marks: {error}")),
    }
    problems.iter().for_each(|problem| tell.warn(problem));
    let line = progress_line(args, layout, manifest, wrapped.is_some(), tell);
    let mut watch = Watch { args, layout, manifest, tell, line, progress: &progress, stop, problems };
    let ears = Ears { signals, children, heard: &mut heard, finished };
    let reason = runtime.block_on(watch.until_over(ears, &mut wrapped));
    let Watch { line, mut problems, .. } = watch;
    line.clear();
    let command = wrapped.map(|wrapped| note_command(wrapped.finish(), manifest, layout));
    // Whatever happened to the recording, the caller asked about the command.
    let left = sampler.join().unwrap_or_else(|_| vec!["the sampling thread failed; what it wrote is kept".into()]);
    drop(control);
    while let Ok(message) = heard.try_recv() {
        note(manifest, layout, &message);
        keep(&mut problems, say(tell, message));
    }
    // These make the status: errors, however quiet it is to be.
    left.iter().for_each(|why| ui::complain(why));
    let sealed = left.is_empty();
    problems.extend(left);
    let reason = reason.unwrap_or_else(|| "duration".into());
    Ok(Ended::of(reason, &progress, problems, sealed, command))
}

/// What there is to hear while the other thread samples.
struct Ears<'a> {
    signals: Signals,
    /// Those of the recorded command.
    children: Option<Signal>,
    heard: &'a mut UnboundedReceiver<Message>,
    /// The sampling is over.
    finished: oneshot::Receiver<()>,
}

/// Listens, and answers.
struct Watch<'a> {
    args: &'a RecordArgs,
    layout: &'a Layout,
    manifest: &'a mut Manifest,
    tell: &'a ui::Teller,
    line: Line,
    progress: &'a Progress,
    stop: Stop,
    problems: Vec<String>,
}

impl Watch<'_> {
    /// Returns why it is over; nothing where that was to be so.
    async fn until_over(&mut self, ears: Ears<'_>, wrapped: &mut Option<Wrapped>) -> Option<String> {
        let Ears { mut signals, mut children, heard, mut finished } = ears;
        let mut reason = None;
        let mut sampling = true;
        let mut redraw = tokio::time::interval(Duration::from_millis(250));
        let mut look_for_room = tokio::time::interval(space::EVERY);
        while sampling || wrapped.as_ref().is_some_and(Wrapped::is_alive) {
            tokio::select! {
                received = signals.next() => match wrapped {
                    Some(wrapped) => wrapped.pass(received),
                    None if reason.is_none() => {
                        reason = Some(received.name());
                        self.stop.stop();
                    }
                    None => {}
                },
                news = news_of(wrapped) => if let News::Ended(why) = news {
                    reason.get_or_insert(why);
                    self.stop.stop();
                },
                Some(()) = async { children.as_mut()?.recv().await } => wrapped.iter().for_each(Wrapped::reap),
                _ = &mut finished, if sampling => {
                    sampling = false;
                    // Whatever became of the sampling, the command is what the user wants.
                    wrapped.iter_mut().for_each(Wrapped::go_unseen);
                }
                Some(message) = heard.recv() => {
                    if matches!(message, Message::Notice(Notice::Begun)) {
                        wrapped.iter_mut().for_each(Wrapped::go);
                    }
                    self.hear(message);
                }
                // A command goes on without its recording.
                _ = look_for_room.tick(), if self.args.min_free.is_some() && reason.is_none() => {
                    reason = self.is_too_full().then(|| MIN_FREE.to_string());
                }
                _ = redraw.tick(), if self.line.is_shown() => self.line.draw(self.progress),
            }
            // Whatever it was that ended it, or kept it from beginning.
            if wrapped.as_ref().is_some_and(|w| !w.is_alive()) {
                reason.get_or_insert_with(|| "the command did not begin".into());
                self.stop.stop();
            }
        }
        reason
    }

    fn hear(&mut self, message: Message) {
        note(self.manifest, self.layout, &message);
        self.line.suspend(|| keep(&mut self.problems, say(self.tell, message)));
    }

    /// Stops where the disk has less room than it is to keep.
    fn is_too_full(&mut self) -> bool {
        let Some(why) = space::shortage(self.args.min_free, &self.layout.root) else { return false };
        self.line.suspend(|| ui::complain(&format!("{why}: the recording stops")));
        self.problems.push(why);
        self.stop.stop();
        true
    }
}

/// Where the ticks go; and the two threads behind it, which begin with what a killed recorder left.
fn sink(
    args: &RecordArgs,
    layout: &Layout,
    manifest: &Manifest,
    notices: &UnboundedSender<Message>,
) -> Result<Sink<'static>> {
    let catalog = catalog::tables();
    let last_journal = layout
        .last_journal_number(catalog.iter().map(|t| t.name))
        .with_context(|| format!("cannot list {}", layout.root.display()))?;
    let first_journal = last_journal + 1;
    let tell = |notices: &UnboundedSender<Message>| {
        let notices = notices.clone();
        move |news| drop(notices.send(Message::Sealer(news)))
    };
    let before = manifest.sessions.iter().rev().nth(1).map(|session| session.uniform.clone());
    let facts = file_facts(manifest);
    let sealer = Sealer::start_knowing(before, layout.clone(), catalog, facts, Arc::new(tell(notices)))
        .context("cannot start a thread")?
        .keeping(Retention { age: args.retain, max_bytes: args.max_bytes });
    sealer.seal_below(first_journal, wall_us());
    let syncer = Syncer::start_and_tell(args.sync, tell(notices)).context("cannot start a thread")?;
    let session = manifest.sessions.last().map_or(1, |session| session.number);
    let options = SinkOptions { rotate: args.rotate, session, first_journal };
    Ok(Sink::new(layout.clone(), catalog, options, syncer, sealer))
}

/// Starts the thread that samples. It returns what could not be sealed; that the sampling is over is told before it seals.
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

fn progress_line(
    args: &RecordArgs,
    layout: &Layout,
    manifest: &Manifest,
    has_command: bool,
    tell: &ui::Teller,
) -> Line {
    let facts = manifest.sessions.last().map_or(&[][..], |s| &s.collectors);
    // A command has the terminal to itself.
    let line = if has_command { Line::hidden() } else { Line::new(tell, args.duration, facts) };
    if line.is_shown() {
        let how = if args.duration.is_some() { "stops by itself, or with Ctrl-C" } else { "Ctrl-C stops it" };
        tell.say(&format!("recording into {}; {how}", layout.root.display()));
    }
    line
}

/// Notes how the command ended, before the files are finished: that takes a moment in which we may be killed.
fn note_command(command: Finished, manifest: &mut Manifest, layout: &Layout) -> Finished {
    if let Some(session) = manifest.sessions.last_mut() {
        session.command = Some(command.facts.clone());
        let _ = manifest.write_session(layout, Durable::Later);
    }
    command
}

impl Ended {
    fn of(
        reason: String,
        progress: &Progress,
        problems: Vec<String>,
        sealed: bool,
        command: Option<Finished>,
    ) -> Ended {
        Ended {
            reason,
            ticks: progress.ticks.load(Relaxed),
            missed: progress.missed.load(Relaxed),
            lost: progress.lost.load(Relaxed),
            sync_failures: progress.sync_failures.load(Relaxed),
            marks: progress.marks.load(Relaxed),
            problems,
            sealed,
            command,
        }
    }
}

/// Waits for something to happen to the command; without one for ever.
async fn news_of(wrapped: &mut Option<Wrapped>) -> News {
    match wrapped {
        Some(wrapped) => wrapped.news().await,
        None => std::future::pending().await,
    }
}

/// What reaches the terminal while recording.
#[derive(Debug)]
enum Message {
    Notice(Notice),
    Sealer(write::News),
}

/// What is to be known also if this recorder is killed: to a reader why the start is missing, to the next recorder what the files are.
fn note(manifest: &mut Manifest, layout: &Layout, message: &Message) {
    let Some(session) = manifest.sessions.last_mut() else { return };
    match message {
        Message::Sealer(write::News::Deleted(deleted)) => {
            session.note_deleted(deleted.files, deleted.bytes, deleted.before.and_utc());
        }
        Message::Sealer(write::News::Uniform(uniform, widened)) => {
            session.uniform.clone_from(uniform);
            if *widened == 0 {
                // That they were looked at can be told later.
                return;
            }
        }
        _ => return,
    }
    // One that cannot be written now is at the end of the session, where it is said.
    let _ = manifest.write_session(layout, Durable::Later);
}

/// Sentences about troubles that the manifest keeps; a collector may fail and recover for weeks.
const MOST_PROBLEMS: usize = 100;

/// Keeps it with the others, if there are not too many already.
fn keep(problems: &mut Vec<String>, problem: Option<String>) {
    match problems.len() {
        0..MOST_PROBLEMS => problems.extend(problem),
        MOST_PROBLEMS => problems.extend(problem.map(|_| "and more, which were said and not noted".to_string())),
        _ => {}
    }
}

/// Says it, and returns what belongs into the manifest.
fn say(tell: &ui::Teller, message: Message) -> Option<String> {
    let (text, keep) = match message {
        Message::Notice(Notice::Begun) => return None,
        Message::Notice(Notice::Incomplete { collector, warning }) => (format!("{collector}: {warning}"), true),
        Message::Notice(Notice::Failing { collector, error }) => (format!("{collector}: {error}"), true),
        Message::Notice(Notice::Recovered { collector }) => (format!("{collector}: works again"), false),
        Message::Notice(Notice::CannotWrite(error)) => {
            let text = format!("{error}; sampling goes on, and each tick tries again");
            // What is lost by it makes the status.
            ui::complain(&text);
            return Some(text);
        }
        Message::Notice(Notice::WritesAgain { lost }) => (format!("writing again; ticks lost: {lost}"), true),
        Message::Sealer(write::News::Trouble(why)) => (why, true),
        Message::Sealer(write::News::Deleted(deleted)) => {
            tell.say(&deleted.to_string());
            return None;
        }
        Message::Sealer(write::News::Uniform(_, 0)) => return None,
        Message::Sealer(write::News::Uniform(_, widened)) => {
            tell.say(&format!(
                "{} of an earlier perfwatch got the columns of this one",
                crate::text::words::count(widened as u64, "file")
            ));
            return None;
        }
    };
    tell.warn(&text);
    keep.then_some(text)
}
