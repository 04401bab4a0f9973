//! Arguments → a directory, its collectors, a sampling thread; then waiting for the end of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{SecondsFormat, Utc};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::{Outcome, Usage};
use crate::catalog;
use crate::cli::record::RecordArgs;
use crate::cli::source::SourceArgs;
use crate::clock::{Stop, SystemClock};
use crate::collector::{Collector, Entry, Options, PerfOptions, Setup};
use crate::collectors::REGISTRY;
use crate::host::Host;
use crate::manifest::{CollectorFacts, FORMAT, Manifest, Session, State};
use crate::nearest::did_you_mean;
use crate::perf::cpus;
use crate::perf::event::split_list;
use crate::recorder::{Notice, Progress, Recorder};
use crate::recording::{Layout, Lock};
use crate::sink::seal::FileFacts;
use crate::sink::{Sealer, Sink, SinkOptions, Syncer};
use crate::source::Roots;
use crate::ui::{self, Line};

const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
/// perf itself warns below this.
const SHORTEST_PERF_DEFAULT: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);
/// `report` holds the lock for a moment, to see whether somebody does.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

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
    manifest.sessions.push(session(&args, &manifest, &host, facts));
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
    collectors: Vec<(&'static Entry, Box<dyn Collector>)>,
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
        Arc::new(move |why| drop(sealing.send(Message::Trouble(why)))),
    )
    .context("cannot start a thread")?;
    // A recorder that was killed left its journal.
    sealer.seal_below(first_journal);
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
        loop {
            tokio::select! {
                name = signals.next(), if reason.is_none() => {
                    reason = Some(name.to_string());
                    stop.stop();
                }
                _ = &mut finished => break,
                Some(message) = heard.recv() => line.suspend(|| problems.extend(say(tell, message))),
                _ = redraw.tick(), if line.is_shown() => line.draw(&progress),
            }
        }
        reason
    });
    line.clear();
    let left = sampler.join().map_err(|_| anyhow::anyhow!("the sampling thread failed; what it wrote is kept"))?;
    while let Ok(message) = heard.try_recv() {
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
    Ok(if ended.lost == 0 && ended.sealed { Outcome::Done } else { Outcome::Incomplete })
}

/// What reaches the terminal while recording.
#[derive(Debug)]
enum Message {
    Notice(Notice),
    /// A journal could not be sealed.
    Trouble(String),
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
        Message::Trouble(why) => (why, true),
    };
    tell.warn(&text);
    keep.then_some(text)
}

struct Signals {
    int: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
    /// None where it was ignored when we were started, which is what `nohup` is for.
    hup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn listen() -> Result<Signals> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Signals {
            int: listen(SignalKind::interrupt())?,
            term: listen(SignalKind::terminate())?,
            hup: if is_ignored(libc::SIGHUP) { None } else { Some(listen(SignalKind::hangup())?) },
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.int.recv() => "SIGINT",
            _ = self.term.recv() => "SIGTERM",
            Some(_) = async { self.hup.as_mut()?.recv().await } => "SIGHUP",
        }
    }
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: a null action asks only; the answer is a plain structure, for which zeros are a value.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
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

/// The names that `--collectors` leaves of the registry: all, the listed ones, or all with changes.
fn selection(list: Option<&str>) -> Result<BTreeSet<&'static str>, Usage> {
    let all: BTreeSet<&'static str> = REGISTRY.iter().map(|e| e.name).collect();
    let Some(list) = list else { return Ok(all) };
    let items: Vec<&str> = list.split(',').map(str::trim).filter(|i| !i.is_empty()).collect();
    if items.is_empty() {
        return Err(Usage("--collectors names none".into()));
    }
    let relative = items.iter().all(|i| i.starts_with(['+', '-']));
    let mut wanted = if relative { all.clone() } else { BTreeSet::new() };
    for item in items {
        let name = item.trim_start_matches(['+', '-']);
        let known = *all.get(name).ok_or_else(|| {
            let hint = did_you_mean(name, all.iter().copied());
            Usage(format!(
                "unknown collector `{name}`{hint}; there are: {}",
                all.iter().copied().collect::<Vec<_>>().join(", ")
            ))
        })?;
        if item.starts_with('-') {
            wanted.remove(known)
        } else {
            wanted.insert(known)
        };
    }
    if wanted.is_empty() {
        return Err(Usage(format!("--collectors {list}: that leaves none")));
    }
    Ok(wanted)
}

/// The collectors' settings from the arguments.
///
/// # Errors
/// When a root is not there, or a list is none.
pub fn setup(args: &SourceArgs, interval: Duration) -> Result<Setup, Usage> {
    for root in [&args.proc_root, &args.sys_root] {
        if !root.is_dir() {
            return Err(Usage(format!("{} is not a directory", root.display())));
        }
    }
    if let Some(list) = args.cpus.as_deref().filter(|list| cpus::parse(list).is_none()) {
        return Err(Usage(format!("--cpus {list}: a list of CPUs is written like 0-3,8")));
    }
    let options = Options {
        interval,
        all_interfaces: args.all_interfaces,
        all_disks: args.all_disks,
        all_filesystems: args.all_filesystems,
        perf: PerfOptions {
            path: args.perf_path.clone(),
            events: args.perf_events.iter().flat_map(|list| split_list(list)).collect(),
            interval: args.perf_interval.unwrap_or(interval.max(SHORTEST_PERF_DEFAULT)),
            cpus: args.cpus.clone(),
        },
    };
    Ok(Setup::new(Roots { proc: args.proc_root.clone(), sys: args.sys_root.clone() }, options))
}

type Ready = Vec<(&'static Entry, Box<dyn Collector>)>;

/// Opens the wanted collectors; what became of each, wanted or not, is in the facts.
///
/// # Errors
/// When something was asked for that no machine has.
pub fn open_collectors(setup: &Setup, wanted: impl Fn(&str) -> bool) -> Result<(Ready, Vec<CollectorFacts>), Usage> {
    let mut ready = Vec::new();
    let mut facts = Vec::new();
    for entry in REGISTRY {
        let fact = |state, notes, advice| CollectorFacts { name: entry.name.to_string(), state, notes, advice };
        if !wanted(entry.name) {
            facts.push(fact(State::Disabled, Vec::new(), None));
            continue;
        }
        facts.push(match (entry.open)(setup) {
            Ok(opened) => {
                ready.push((entry, opened.collector));
                let state = if opened.notes.is_empty() { State::Recorded } else { State::Partial };
                fact(state, opened.notes, None)
            }
            Err(why) if why.is_mistake => {
                let advice = why.advice.map_or_else(String::new, |a| format!(" ({a})"));
                return Err(Usage(format!("{}: {}{advice}", entry.name, why.reason)));
            }
            Err(why) => fact(State::Unavailable, vec![why.reason], why.advice),
        });
    }
    Ok((ready, facts))
}

fn default_directory() -> PathBuf {
    format!("perfwatch-{}", Utc::now().format("%Y%m%dT%H%M%SZ")).into()
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads the manifest of the recording that is to be continued. Refuses whatever else is there.
fn look(layout: &Layout, append: bool) -> Result<Option<Manifest>> {
    let root = &layout.root;
    let mut entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", root.display())),
    };
    if layout.manifest().exists() {
        if append {
            return Ok(Some(Manifest::read(root)?));
        }
        bail!("{} holds a recording already: continue it with --append, or choose another directory", root.display());
    }
    if entries.next().is_some() {
        bail!("{} is not empty, and no recording: choose a new directory", root.display());
    }
    Ok(None)
}

/// # Errors
/// When another process is writing to the recording.
pub fn lock(layout: &Layout) -> Result<Lock> {
    let mut taken = Lock::take(&layout.root);
    for _ in 0..LOCK_TRIES {
        if !taken.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock) {
            break;
        }
        std::thread::sleep(LOCK_PAUSE);
        taken = Lock::take(&layout.root);
    }
    match taken {
        Ok(lock) => Ok(lock),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let by = Manifest::read(&layout.root).ok().and_then(|m| Some(m.sessions.last()?.pid));
            let by = by.map_or_else(String::new, |pid| format!(" (by process {pid})"));
            bail!("{} is being recorded{by}: stop that first, or record elsewhere", layout.root.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", layout.root.display())),
    }
}

fn session(args: &RecordArgs, manifest: &Manifest, host: &Host, collectors: Vec<CollectorFacts>) -> Session {
    Session {
        number: manifest.sessions.len() as u32 + 1,
        perfwatch: env!("CARGO_PKG_VERSION").to_string(),
        pid: std::process::id(),
        argv: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
        started: now(),
        boot_id: host.boot_id.clone(),
        interval_s: args.interval.as_secs_f64(),
        rotate_s: args.rotate.as_secs_f64(),
        sync_s: args.sync.as_secs_f64(),
        collectors,
        ..Session::default()
    }
}

/// What every Parquet file says of its recording: enough to know a stray one.
pub fn file_facts(manifest: &Manifest) -> FileFacts {
    let host = manifest.host.hostname.iter();
    host.map(|h| ("host".to_string(), h.clone())).collect()
}

/// Files and bytes below a directory.
fn size(root: &Path) -> (u64, u64) {
    let Ok(entries) = fs::read_dir(root) else { return (0, 0) };
    entries.flatten().fold((0, 0), |(files, bytes), entry| match entry.metadata() {
        Ok(m) if m.is_dir() => {
            let (f, b) = size(&entry.path());
            (files + f, bytes + b)
        }
        Ok(m) => (files + 1, bytes + m.len()),
        Err(_) => (files, bytes),
    })
}
