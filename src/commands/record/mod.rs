//! Arguments → a directory, its collectors, a sampling thread; then waiting for the end of it.

pub mod checks;
mod session;
mod steps;
pub mod summary;
mod wrapped;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{SecondsFormat, Utc};

use super::directory::{default_directory, lock, look, make_default, reserve};
use super::signals::Blocked;
use super::sources::{open_collectors, selection, setup};
use super::tags::tags;
use super::{Outcome, input, space};
use crate::cli::hints;
use crate::cli::record::{OwnCgroup, RecordArgs};
use crate::collect::cgroup;
use crate::collect::collector::Setup;
use crate::collect::process::Processes;
use crate::facts::machine::Host;
use crate::facts::start::Start;
use crate::linux::cgroup::Hierarchies;
use crate::mark::place::Place;
use crate::store::layout::{Layout, Lock};
use crate::store::manifest::{Change, CollectorFacts, Durable, Manifest, Session};
use crate::text::words::quoted;
use crate::workload::command::Command;
use crate::workload::{self, Group, Held, Scope, Streams};
use crate::{mark, ui};
use session::{Doors, Ended, MIN_FREE};
use summary::{Summary, SummaryFile};
use wrapped::Wrapped;

/// Records, once.
///
/// # Errors
/// When it cannot begin, or cannot go on.
pub fn run(args: &RecordArgs) -> Result<Outcome> {
    if let Some(status) = not_there(args) {
        return Ok(Outcome::Status(status));
    }
    checks::all(args)?;
    let summary = args.summary.as_deref().map(SummaryFile::open).transpose()?;
    let tags = tags(&args.tags)?;
    args.stdin.iter().try_for_each(|path| input::take(path))?;
    let wanted = selection(args.collectors.as_deref())?;
    let mut setup = setup_with_defaults(args)?;
    let root = args.output.clone().unwrap_or_else(default_directory);
    // Once before the collectors are tried, which takes a moment and must not leave a directory if it fails; and once
    // when nobody else can change it any more.
    if args.output.is_some() {
        must_be_free(&Layout::new(&root), args.append)?;
    }
    let signals = Blocked::block(!args.command.is_empty())?;
    let socket = Place::take();
    // Before anything is opened or grows: the process is a copy of ours until it becomes the command.
    let wants_scope = !args.command.is_empty() && args.cgroup == OwnCgroup::Auto;
    let mut scope = if wants_scope { Scope::make(&Hierarchies::look(&setup.roots)) } else { Scope::default() };
    let held = hold(args, &scope, socket.as_ref().ok().map(Place::socket))?;
    // While the kernel puts it into its control group.
    let (host, start) = (Host::look(&setup.roots), Start::look(&setup.roots));
    if let Some(held) = &held {
        held.join();
        scope.check(held.pid);
    }
    setup.command = held.as_ref().map(|h| Arc::new(Command::new(h.pid, scope.own())));
    setup.command.iter().for_each(|command| workload::disown_all(command));
    let (collectors, facts) = open_collectors(&setup, |name| wanted.contains(name))?;
    let tell = ui::Teller { quiet: args.quiet, verbose: args.verbose };
    checks::without_effect(args, |name| wanted.contains(name)).iter().for_each(|text| tell.warn(text));
    if collectors.is_empty() {
        tell.about_collectors(&facts, |_| true);
        bail!("none of the collectors can record on this machine (see `perfwatch doctor`)");
    }
    if let Some(early) = signals.pending() {
        ui::complain(&format!("stopped by {} before the start", early.name()));
        return Ok(Outcome::Status(early.status()));
    }
    space::must_suffice(args.min_free, &root)?;
    let (layout, _lock, made) = take(args, root)?;
    if layout.is_open_to_all() {
        let (root, word) = (layout.root.display(), as_a_word(&layout.root));
        tell.warn(&format!("{root} can be changed by every user, and so what is recorded; try `chmod o-w {word}`"));
    }

    tell_of_missing(args, &facts, held.is_some(), &tell);
    let path = socket.as_ref().ok().map(|s| s.socket().as_os_str().to_os_string());
    let wrapped = held.zip(setup.command.clone()).map(|(held, command)| Wrapped::new(args, held, command, path));
    let command = wrapped.as_ref().map(|w| w.facts.clone());
    let begin = |manifest: &mut Manifest| {
        manifest.host = host;
        manifest.tags.extend(tags);
        manifest.run.clone_from(&args.run);
        manifest.sessions.push(Session { start, command, ..session(args, &setup, manifest, facts) });
    };
    let mut manifest = note_start(&layout, made, begin)?;
    if args.interval < Duration::from_millis(100) {
        tell.warn("below 100 ms the percentages of CPU time are coarse: the kernel counts in steps of 10 ms");
    }
    let ended = session::run(args, &layout, &mut manifest, collectors, Doors { signals, socket, wrapped }, &tell)?;
    if let Some(file) = summary
        && let Err(error) = file.write(&Summary::of(&layout, &ended))
    {
        ui::complain(&format!("{error:#}"));
    }
    finish(&layout, &mut manifest, ended, &tell)
}

/// The collectors' settings. Who names a collector wants some of it, and has said nothing about which.
fn setup_with_defaults(args: &RecordArgs) -> Result<Setup> {
    let mut setup = setup(&args.sources, args.interval)?;
    let names = |name: &str| is_listed(args, name) && args.command.is_empty();
    if names("process") && args.sources.perf.pids.is_empty() {
        setup.options.process.processes.get_or_insert(Processes::DEFAULT);
    }
    if names("cgroup") && setup.options.cgroup.cgroups.is_empty() {
        setup.options.cgroup.cgroups.push(cgroup::SELF.into());
    }
    Ok(setup)
}

/// Refuses a directory in which something else is, or that somebody records into.
fn must_be_free(layout: &Layout, append: bool) -> Result<()> {
    if let Err(error) = look(layout, append) {
        // Another recorder may just have begun, and its manifest not be there yet.
        if Lock::is_held(layout) {
            drop(lock(layout)?);
        }
        return Err(error);
    }
    Ok(())
}

/// Says what this machine does not have. A command's own words should not have to be looked for among ours.
fn tell_of_missing(args: &RecordArgs, facts: &[CollectorFacts], has_command: bool, tell: &ui::Teller) {
    let is_asked = |name: &str| match name {
        "perf" if args.sources.perf.asks_for_events() => true,
        "process" if args.sources.process.processes.is_some() => !has_command,
        "cgroup" if !args.sources.cgroup.cgroups.is_empty() => !has_command,
        name => !has_command && is_listed(args, name),
    };
    let is_told = |fact: &CollectorFacts| !has_command || args.verbose || is_asked(&fact.name);
    tell.about_collectors(&facts.iter().filter(|fact| is_told(fact)).cloned().collect::<Vec<_>>(), is_asked);
}

/// Is the collector named in `--collectors`?
fn is_listed(args: &RecordArgs, name: &str) -> bool {
    let mut names = args.collectors.iter().flat_map(|list| list.split(','));
    names.any(|n| n.trim().trim_start_matches('+') == name)
}

/// Makes the directory, unless it is there, and takes it for this process alone. Returns the manifest of a recording that is
/// to be continued.
fn take(args: &RecordArgs, root: PathBuf) -> Result<(Layout, Lock, Option<Manifest>)> {
    let root = match &args.output {
        Some(_) => {
            fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display())).map(|()| root)?
        }
        None => make_default(&root)?,
    };
    let layout = Layout::new(root);
    let lock = lock(&layout)?;
    let made = look(&layout, args.append)?;
    let refused = || format!("cannot write to {}", layout.journal_folder().display());
    reserve(&layout).inspect_err(|_| layout.sweep()).with_context(refused)?;
    Ok((layout, lock, made))
}

/// Writes into the manifest, or a new one, that a session begins.
fn note_start(layout: &Layout, made: Option<Manifest>, begin: impl FnOnce(&mut Manifest)) -> Result<Manifest> {
    if made.is_some() {
        let mut change = Change::begin(layout)?;
        change.move_old_sessions();
        begin(&mut change.manifest);
        return Ok(change.write().inspect_err(|_| layout.sweep())?);
    }
    let mut manifest = Manifest::new(now(), Host::default());
    begin(&mut manifest);
    let written = manifest.write(layout).inspect_err(|_| layout.sweep());
    written.with_context(|| format!("cannot write {}", layout.manifest().display()))?;
    Ok(manifest)
}

/// Says so where the command is not there, and with which status. `--prepare` may be what makes it.
pub fn not_there(args: &RecordArgs) -> Option<u8> {
    let name = args.command.first().filter(|_| args.prepare.is_none())?;
    let error = workload::find(name, std::env::var_os("PATH").as_deref()).err()?;
    let words: Vec<String> = args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let hint = hints::script(&words).map_or_else(String::new, |hint| format!("; {hint}"));
    ui::complain(&format!("{error}{hint}"));
    Some(error.status())
}

/// A process that is to be the command, and waits.
fn hold(args: &RecordArgs, scope: &Scope, socket: Option<&Path>) -> Result<Option<Held>> {
    if args.command.is_empty() {
        return Ok(None);
    }
    workload::adopt();
    let socket = socket.map(|path| (OsStr::new(mark::VARIABLE), path.as_os_str()));
    let held = Held::start(&args.command, socket.as_slice(), Group::here(), Streams::Ours, scope.doors());
    let name = args.command.first().map_or(OsStr::new(""), |n| n);
    held.map(Some).with_context(|| format!("cannot start {}", name.to_string_lossy()))
}

fn finish(layout: &Layout, manifest: &mut Manifest, ended: Ended, tell: &ui::Teller) -> Result<Outcome> {
    if let Some(session) = manifest.sessions.last_mut() {
        session.ended = Some(now());
        session.end_reason = Some(ended.reason.clone());
        session.ticks = ended.ticks;
        session.missed = ended.missed;
        session.lost_ticks = ended.lost;
        session.sync_failures = ended.sync_failures;
        session.marks = ended.marks;
        session.problems.clone_from(&ended.problems);
        if let Some(command) = &ended.command {
            session.command = Some(command.facts.clone());
        }
    }
    let written = manifest.write_session(layout, Durable::Now);
    layout.sweep();
    let command = ended.command.as_ref().map_or_else(String::new, |c| format!("{}; ", c.in_words()));
    if layout.root.is_dir() {
        let (files, bytes) = layout.size();
        tell.result(&format!(
            "{command}{}{}{} in {}: {}, {}{}",
            crate::text::words::ticks(ended.ticks),
            if ended.missed > 0 { format!(" ({} missed)", ended.missed) } else { String::new() },
            if ended.lost > 0 { format!(" ({} lost)", ended.lost) } else { String::new() },
            layout.root.display(),
            crate::text::words::count(files, "file"),
            indicatif::BinaryBytes(bytes),
            if tell.has_reader() {
                format!("; see `perfwatch report {}`", as_a_word(&layout.root))
            } else {
                String::new()
            },
        ));
    } else {
        tell.result(&format!(
            "{command}the recording is not there any more: {} was moved or removed",
            layout.root.display()
        ));
    }
    if let Some(command) = ended.command {
        // Whatever became of the recording, it is the command that the caller asked about.
        if let Err(error) = written
            && layout.root.is_dir()
        {
            ui::complain(&format!("{error:#}"));
        }
        return Ok(command.key.map_or(Outcome::Status(command.status), Outcome::Key));
    }
    written?;
    Ok(if ended.lost == 0 && ended.sealed && ended.reason != MIN_FREE { Outcome::Done } else { Outcome::Incomplete })
}

/// A directory as it is typed into a shell.
fn as_a_word(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// RFC 3339, UTC.
fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn session(args: &RecordArgs, setup: &Setup, manifest: &Manifest, collectors: Vec<CollectorFacts>) -> Session {
    Session {
        number: manifest.next_number(),
        perfwatch: env!("CARGO_PKG_VERSION").to_string(),
        pid: std::process::id(),
        argv: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
        started: now(),
        boot_id: manifest.host.boot_id.clone(),
        interval_s: args.interval.as_secs_f64(),
        rotate_s: args.rotate.as_secs_f64(),
        sync_s: args.sync.as_secs_f64(),
        retain_s: args.retain.map(|time| time.as_secs_f64()),
        max_bytes: args.max_bytes,
        min_free: args.min_free.map(|floor| floor.to_string()),
        options: setup.options.facts(),
        collectors,
        ..Session::default()
    }
}
