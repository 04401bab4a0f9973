//! A session: the sampling thread at work, and this one listening: to signals, to the recorded command, to what there is to
//! say.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::wrapped::{Finished, News, Wrapped};
use crate::catalog;
use crate::cli::record::RecordArgs;
use crate::clock::{Stop, SystemClock, wall_us};
use crate::commands::directory::file_facts;
use crate::commands::signals::Blocked;
use crate::commands::sources::Ready;
use crate::commands::space;
use crate::descriptors;
use crate::manifest::{Durable, Manifest};
use crate::mark::place::Place;
use crate::mark::{self, Control};
use crate::recorder::{Notice, Progress, Recorder};
use crate::recording::Layout;
use crate::sink::retain::Retention;
use crate::sink::{self, Sealer, Sink, SinkOptions, Syncer};
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
    let catalog = catalog::tables();
    let first_journal = 1 + layout
        .last_journal_number(catalog.iter().map(|t| t.name))
        .with_context(|| format!("cannot list {}", layout.root.display()))?;
    let (notices, mut heard) = mpsc::unbounded_channel::<Message>();
    let sealing = notices.clone();
    let sealer = Sealer::start(
        layout.clone(),
        catalog,
        file_facts(manifest),
        Arc::new(move |news| drop(sealing.send(Message::Sealer(news)))),
    )
    .context("cannot start a thread")?
    .keeping(Retention { age: args.retain, max_bytes: args.max_bytes });
    // A recorder that was killed left its journal.
    sealer.seal_below(first_journal, wall_us());
    let syncing = notices.clone();
    let syncer = Syncer::start_and_tell(args.sync, move |news| drop(syncing.send(Message::Sealer(news))))
        .context("cannot start a thread")?;
    let session = manifest.sessions.last().map_or(1, |session| session.number);
    let options = SinkOptions { rotate: args.rotate, session, first_journal };
    let sink = Sink::new(layout.clone(), catalog, options, syncer, sealer);

    let progress = Arc::new(Progress::default());
    let stop = Stop::default();
    let (marks, marked) = mark::queue::queue(stop.clone());
    wrapped.iter_mut().for_each(|w| w.mark_with(marks.clone()));
    let control = socket.and_then(|socket| Control::open(layout, marks, socket));
    let recorder = Recorder::new(
        args.interval,
        collectors,
        catalog,
        sink,
        progress.clone(),
        Box::new(move |notice| drop(notices.send(Message::Notice(notice)))),
    )
    .listen(marked);
    let mut clock = SystemClock::new(stop.clone());
    let duration = args.duration;
    let (done, mut finished) = oneshot::channel();

    descriptors::room_for_tokio().context("cannot start tokio")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start tokio")?;
    let (mut signals, mut children) = runtime.block_on(async {
        let children = wrapped.is_some().then(|| signal(SignalKind::child())).transpose();
        anyhow::Ok((signals.listen()?, children.context("cannot listen for signals")?))
    })?;
    let sampler = std::thread::Builder::new()
        .name("sample".into())
        .spawn(move || {
            SystemClock::wake_sharply();
            let sink = recorder.run(&mut clock, duration);
            let _ = done.send(());
            sink.finish()
        })
        .context("cannot start a thread")?;

    let mut problems = Vec::new();
    match &control {
        Ok(control) => tell.detail(&format!("{}={}", mark::VARIABLE, control.socket().display())),
        Err(error) => problems.push(format!("no control socket, so no marks: {error}")),
    }
    problems.iter().for_each(|problem| tell.warn(problem));
    let facts = manifest.sessions.last().map_or(&[][..], |s| &s.collectors);
    // A command has the terminal to itself.
    let line = if wrapped.is_some() { Line::hidden() } else { Line::new(tell, args.duration, facts) };
    if line.is_shown() {
        let how = if args.duration.is_some() { "stops by itself, or with Ctrl-C" } else { "Ctrl-C stops it" };
        tell.say(&format!("recording into {}; {how}", layout.root.display()));
    }
    let reason = runtime.block_on(async {
        let mut reason = None;
        let mut sampling = true;
        let mut redraw = tokio::time::interval(Duration::from_millis(250));
        let mut look_for_room = tokio::time::interval(space::EVERY);
        while sampling || wrapped.as_ref().is_some_and(Wrapped::is_alive) {
            tokio::select! {
                received = signals.next() => match &mut wrapped {
                    Some(wrapped) => wrapped.pass(received),
                    None if reason.is_none() => {
                        reason = Some(received.name());
                        stop.stop();
                    }
                    None => {}
                },
                news = news_of(&mut wrapped) => if let News::Ended(why) = news {
                    reason.get_or_insert(why);
                    stop.stop();
                },
                Some(()) = async { children.as_mut()?.recv().await } => wrapped.iter().for_each(Wrapped::reap),
                _ = &mut finished, if sampling => {
                    sampling = false;
                    // Whatever became of the sampling, the command is what the user wants.
                    wrapped.iter_mut().for_each(Wrapped::go_unseen);
                }
                Some(message) = heard.recv() => {
                    note_deleted(manifest, layout, &message);
                    if matches!(message, Message::Notice(Notice::Begun)) {
                        wrapped.iter_mut().for_each(Wrapped::go);
                    }
                    line.suspend(|| keep(&mut problems, say(tell, message)));
                }
                // A command goes on without its recording.
                _ = look_for_room.tick(), if args.min_free.is_some() && reason.is_none() => {
                    if let Some(why) = space::shortage(args.min_free, &layout.root) {
                        line.suspend(|| ui::complain(&format!("{why}: the recording stops")));
                        problems.push(why);
                        reason = Some(MIN_FREE.to_string());
                        stop.stop();
                    }
                }
                _ = redraw.tick(), if line.is_shown() => line.draw(&progress),
            }
            // Whatever it was that ended it, or kept it from beginning.
            if wrapped.as_ref().is_some_and(|w| !w.is_alive()) {
                reason.get_or_insert_with(|| "the command did not begin".into());
                stop.stop();
            }
        }
        reason
    });
    let command = wrapped.map(Wrapped::finish);
    line.clear();
    // Before the files are finished, which takes a moment in which we may be killed.
    if let (Some(command), Some(session)) = (&command, manifest.sessions.last_mut()) {
        session.command = Some(command.facts.clone());
        let _ = manifest.write_session(layout, Durable::Later);
    }
    // Whatever happened to the recording, the caller asked about the command.
    let left = sampler.join().unwrap_or_else(|_| vec!["the sampling thread failed; what it wrote is kept".into()]);
    drop(control);
    while let Ok(message) = heard.try_recv() {
        note_deleted(manifest, layout, &message);
        keep(&mut problems, say(tell, message));
    }
    let sealed = left.is_empty();
    for why in left {
        tell.warn(&why);
        problems.push(why);
    }
    Ok(Ended {
        reason: reason.unwrap_or_else(|| "duration".into()),
        ticks: progress.ticks.load(Relaxed),
        missed: progress.missed.load(Relaxed),
        lost: progress.lost.load(Relaxed),
        sync_failures: progress.sync_failures.load(Relaxed),
        marks: progress.marks.load(Relaxed),
        problems,
        sealed,
        command,
    })
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
    Sealer(sink::News),
}

/// A reader is to know why the start is missing, also if this recorder is killed.
fn note_deleted(manifest: &mut Manifest, layout: &Layout, message: &Message) {
    let Message::Sealer(sink::News::Deleted(deleted)) = message else { return };
    if let Some(session) = manifest.sessions.last_mut() {
        session.note_deleted(deleted.files, deleted.bytes, deleted.before.and_utc());
        // One that cannot be written now is at the end of the session, where it is said.
        let _ = manifest.write_session(layout, Durable::Later);
    }
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
            (format!("{error}; sampling goes on, and each tick tries again"), true)
        }
        Message::Notice(Notice::WritesAgain { lost }) => (format!("writing again; ticks lost: {lost}"), true),
        Message::Sealer(sink::News::Trouble(why)) => (why, true),
        Message::Sealer(sink::News::Deleted(deleted)) => {
            tell.say(&deleted.to_string());
            return None;
        }
    };
    tell.warn(&text);
    keep.then_some(text)
}
