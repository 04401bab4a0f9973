//! Arguments → a directory, its collectors, a sampling thread; then waiting for the end of it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{SecondsFormat, Utc};
use tokio::sync::{mpsc, oneshot};

use super::directory::{default_directory, file_facts, lock, look};
use super::signals::Signals;
use super::sources::{Ready, open_collectors, selection, setup};
use super::{Outcome, Usage, space};
use crate::catalog;
use crate::cli::record::RecordArgs;
use crate::clock::{Stop, SystemClock, wall_us};
use crate::collector::Setup;
use crate::host::Host;
use crate::manifest::{CollectorFacts, FORMAT, Manifest, Session};
use crate::perf::program::child;
use crate::recorder::{Notice, Progress, Recorder};
use crate::recording::{Layout, Lock, size};
use crate::sink::retain::Retention;
use crate::sink::{News, Sealer, Sink, SinkOptions, Syncer};
use crate::ui::{self, Line};

const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
const HOUR: Duration = Duration::from_secs(3600);

/// The end reason of a recording that stopped because the disk became too full.
const MIN_FREE: &str = "min-free";

pub fn run(args: RecordArgs) -> Result<Outcome> {
    check_times(&args)?;
    let tags = tags(&args.tags)?;
    let wanted = selection(args.collectors.as_deref())?;
    let setup = setup(&args.sources, args.interval)?;
    let root = args.output.clone().unwrap_or_else(default_directory);
    let layout = Layout::new(&root);
    // Once before the collectors are tried, which takes a moment and must not leave a directory if it fails; and once
    // when nobody else can change it any more.
    if let Err(error) = look(&layout, args.append) {
        // Another recorder may just have begun, and its manifest not be there yet.
        if Lock::is_held(&root) {
            drop(lock(&layout)?);
        }
        return Err(error);
    }
    let (collectors, facts) = open_collectors(&setup, |name| wanted.contains(name))?;
    let tell = ui::Teller { quiet: args.quiet, verbose: args.verbose };
    if collectors.is_empty() {
        tell.about_collectors(&facts);
        bail!("none of the collectors can record on this machine (see `perfwatch doctor`)");
    }
    space::must_suffice(args.min_free, &root)?;
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    let _lock = lock(&layout)?;
    let made = look(&layout, args.append)?;

    let host = Host::look(&setup.roots);
    let mut manifest = match made {
        Some(old) => Manifest { host: host.clone(), ..old },
        None => {
            Manifest { format: FORMAT, created: now(), tags: BTreeMap::new(), host: host.clone(), sessions: Vec::new() }
        }
    };
    manifest.tags.extend(tags);
    tell.about_collectors(&facts);
    manifest.sessions.push(session(&args, &setup, &manifest, facts));
    if let Err(error) = manifest.write(&layout) {
        // An empty directory may be recorded into later; one with leavings of ours may not.
        layout.sweep();
        return Err(error).with_context(|| format!("cannot write {}", layout.manifest().display()));
    }
    if args.interval < Duration::from_millis(100) {
        tell.warn("below 100 ms the percentages of CPU time are coarse: the kernel counts in steps of 10 ms");
    }
    let ended = session_loop(&args, &layout, &mut manifest, collectors, &tell)?;
    finish(&layout, &mut manifest, &ended, &tell)
}

/// What the session came to.
struct Ended {
    reason: String,
    ticks: u64,
    missed: u64,
    lost: u64,
    problems: Vec<String>,
    /// Every journal became Parquet, and could be read to its end.
    sealed: bool,
}

fn session_loop(
    args: &RecordArgs,
    layout: &Layout,
    manifest: &mut Manifest,
    collectors: Ready,
    tell: &ui::Teller,
) -> Result<Ended> {
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
    let syncer = Syncer::start(args.sync).context("cannot start a thread")?;
    let session = manifest.sessions.len() as u32;
    let options = SinkOptions { rotate: args.rotate, session, first_journal };
    let sink = Sink::new(layout.clone(), catalog, options, syncer, sealer);

    let progress = Arc::new(Progress::default());
    let stop = Stop::default();
    let recorder = Recorder::new(
        args.interval,
        collectors,
        catalog,
        sink,
        progress.clone(),
        Box::new(move |notice| drop(notices.send(Message::Notice(notice)))),
    );
    let mut clock = SystemClock::new(stop.clone());
    let duration = args.duration;
    let (done, mut finished) = oneshot::channel();

    child::room_for_tokio().context("cannot start tokio")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start tokio")?;
    // Listening before the first tick: a signal that comes early ends the recording as well.
    let mut signals = runtime.block_on(async { Signals::listen() })?;
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
    let facts = manifest.sessions.last().map_or(&[][..], |s| &s.collectors);
    let line = Line::new(tell, args.duration, facts);
    if line.is_shown() {
        let how = if args.duration.is_some() { "stops by itself, or with Ctrl-C" } else { "Ctrl-C stops it" };
        tell.say(&format!("recording into {}; {how}", layout.root.display()));
    }
    let reason = runtime.block_on(async {
        let mut reason = None;
        let mut redraw = tokio::time::interval(Duration::from_millis(250));
        let mut look_for_room = tokio::time::interval(space::EVERY);
        loop {
            tokio::select! {
                name = signals.next(), if reason.is_none() => {
                    reason = Some(name.to_string());
                    stop.stop();
                }
                _ = &mut finished => break,
                Some(message) = heard.recv() => {
                    note_deleted(manifest, layout, &message);
                    line.suspend(|| problems.extend(say(tell, message)));
                }
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
        }
        reason
    });
    line.clear();
    let left = sampler.join().map_err(|_| anyhow::anyhow!("the sampling thread failed; what it wrote is kept"))?;
    while let Ok(message) = heard.try_recv() {
        note_deleted(manifest, layout, &message);
        problems.extend(say(tell, message));
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
        problems,
        sealed,
    })
}

fn finish(layout: &Layout, manifest: &mut Manifest, ended: &Ended, tell: &ui::Teller) -> Result<Outcome> {
    if let Some(session) = manifest.sessions.last_mut() {
        session.ended = Some(now());
        session.end_reason = Some(ended.reason.clone());
        session.ticks = ended.ticks;
        session.missed = ended.missed;
        session.lost_ticks = ended.lost;
        session.problems.clone_from(&ended.problems);
    }
    let written = manifest.write(layout);
    layout.sweep();
    let (files, bytes) = size(&layout.root);
    tell.say(&format!(
        "{}{}{} in {}: {files} files, {}{}",
        ui::ticks(ended.ticks),
        if ended.missed > 0 { format!(" ({} missed)", ended.missed) } else { String::new() },
        if ended.lost > 0 { format!(" ({} lost)", ended.lost) } else { String::new() },
        layout.root.display(),
        indicatif::BinaryBytes(bytes),
        if tell.has_reader() { format!("; see `perfwatch report {}`", layout.root.display()) } else { String::new() },
    ));
    written.with_context(|| format!("cannot write {}", layout.manifest().display()))?;
    Ok(if ended.lost == 0 && ended.sealed && ended.reason != MIN_FREE { Outcome::Done } else { Outcome::Incomplete })
}

/// What reaches the terminal while recording.
#[derive(Debug)]
enum Message {
    Notice(Notice),
    Sealer(News),
}

/// A reader is to know why the start is missing, also if this recorder is killed.
fn note_deleted(manifest: &mut Manifest, layout: &Layout, message: &Message) {
    let Message::Sealer(News::Deleted(deleted)) = message else { return };
    if let Some(session) = manifest.sessions.last_mut() {
        session.note_deleted(deleted.files, deleted.bytes, deleted.before.and_utc());
        // One that cannot be written now is at the end of the session, where it is said.
        let _ = manifest.write(layout);
    }
}

/// Says it, and returns what belongs into the manifest.
fn say(tell: &ui::Teller, message: Message) -> Option<String> {
    let (text, keep) = match message {
        Message::Notice(Notice::Incomplete { collector, warning }) => (format!("{collector}: {warning}"), true),
        Message::Notice(Notice::Failing { collector, error }) => (format!("{collector}: {error}"), true),
        Message::Notice(Notice::Recovered { collector }) => (format!("{collector}: works again"), false),
        Message::Notice(Notice::CannotWrite(error)) => {
            (format!("{error}; sampling goes on, and each tick tries again"), true)
        }
        Message::Notice(Notice::WritesAgain { lost }) => (format!("writing again; {lost} ticks were lost"), true),
        Message::Sealer(News::Trouble(why)) => (why, true),
        Message::Sealer(News::Deleted(deleted)) => {
            tell.say(&deleted.to_string());
            return None;
        }
    };
    tell.warn(&text);
    keep.then_some(text)
}

fn check_times(args: &RecordArgs) -> Result<(), Usage> {
    let usage = |text: String| Err(Usage(text));
    let show = humantime::format_duration;
    if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&args.interval) {
        return usage(format!("--interval {}: it can be 10ms to 1h", show(args.interval)));
    }
    if args.duration.is_some_and(|d| d.is_zero()) {
        return usage("--duration 0s: nothing could be recorded in no time".into());
    }
    if args.sync < Duration::from_millis(100) {
        return usage(format!("--sync {}: it can be 100ms or more", show(args.sync)));
    }
    if let Some(retain) = args.retain.filter(|r| *r < HOUR) {
        return usage(format!("--retain {}: it can be 1h or more", show(retain)));
    }
    let minutes = args.rotate.as_secs() / 60;
    if args.rotate != Duration::from_secs(minutes * 60)
        || minutes == 0
        || !HOUR.as_secs().is_multiple_of(args.rotate.as_secs())
    {
        return usage(format!(
            "--rotate {}: it can be 1h or a part of it in whole minutes that divides it (1m, 5m, 10m, 15m, 30m)",
            show(args.rotate)
        ));
    }
    if args.sources.perf_interval.is_some_and(|i| !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&i)) {
        return usage("--perf-interval: it can be 10ms to 1h".into());
    }
    Ok(())
}

fn tags(given: &[String]) -> Result<BTreeMap<String, String>, Usage> {
    given
        .iter()
        .map(|tag| match tag.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
            _ => Err(Usage(format!("--tag {tag}: a tag is written KEY=VALUE"))),
        })
        .collect()
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn session(args: &RecordArgs, setup: &Setup, manifest: &Manifest, collectors: Vec<CollectorFacts>) -> Session {
    Session {
        number: manifest.sessions.len() as u32 + 1,
        perfwatch: env!("CARGO_PKG_VERSION").to_string(),
        pid: std::process::id(),
        argv: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
        started: now(),
        boot_id: manifest.host.boot_id.clone(),
        interval_s: args.interval.as_secs_f64(),
        rotate_s: args.rotate.as_secs_f64(),
        sync_s: args.sync.as_secs_f64(),
        options: setup.into(),
        collectors,
        ..Session::default()
    }
}
