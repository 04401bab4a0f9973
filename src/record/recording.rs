//! The recording that a session writes: its directory, held by this process alone, and its manifest.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::{SecondsFormat, Utc};

use super::directory::{self, default_directory, make_default, reserve};
use super::ended::Ended;
use super::noting::Noting;
use super::settings::Settings;
use crate::facts::machine::Host;
use crate::facts::start::Start;
use crate::store::layout::{Layout, Lock};
use crate::store::manifest::{self, Change, CollectorFacts, CommandFacts, Durable, Manifest, ManifestError};
use crate::store::write::News;

/// A recording that this session writes to.
pub struct Recording {
    pub layout: Layout,
    pub manifest: Manifest,
    noting: Noting,
    _lock: Lock,
}

/// A directory that belongs to this process, before the manifest says so.
pub(super) struct Taken {
    pub layout: Layout,
    lock: Lock,
    /// Of the recording that is continued.
    continued: Option<Manifest>,
}

/// What the manifest says about the start of a session.
pub(super) struct Begin {
    pub host: Host,
    pub start: Start,
    pub collectors: Vec<CollectorFacts>,
    pub command: Option<CommandFacts>,
}

/// RFC 3339, UTC.
pub(super) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The directory to record into, which may not be there yet.
pub(super) fn root(settings: &Settings) -> PathBuf {
    settings.output.clone().unwrap_or_else(default_directory)
}

/// Refuses a directory that holds something else, or that another process records into.
pub(super) fn must_be_free(layout: &Layout, append: bool) -> Result<()> {
    if let Err(error) = directory::check(layout, append) {
        // Another recorder may just have begun, and its manifest may not be there yet.
        if Lock::is_held(layout) {
            drop(directory::lock(layout)?);
        }
        return Err(error);
    }
    Ok(())
}

impl Taken {
    /// Makes the directory, unless it is there, and takes it for this process alone.
    pub fn take(settings: &Settings, root: PathBuf) -> Result<Taken> {
        let root = match &settings.output {
            Some(_) => {
                fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display())).map(|()| root)?
            }
            None => make_default(&root)?,
        };
        let layout = Layout::new(root);
        let lock = directory::lock(&layout)?;
        let continued = directory::check(&layout, settings.append)?;
        let refused = || format!("cannot write to {}", layout.journal_folder().display());
        reserve(&layout).inspect_err(|_| layout.sweep()).with_context(refused)?;
        Ok(Taken { layout, lock, continued })
    }

    /// Writes into the manifest, or into a new one, that a session begins.
    pub fn begin(self, settings: &Settings, begin: Begin) -> Result<Recording> {
        let Taken { layout, lock, continued } = self;
        let fill = |manifest: &mut Manifest| {
            manifest.host = begin.host;
            manifest.tags.extend(settings.tags.clone());
            manifest.run.clone_from(&settings.run);
            let Begin { start, collectors, command, .. } = begin;
            manifest.sessions.push(manifest::Session { start, collectors, command, ..entry(settings, manifest) });
        };
        let manifest = if continued.is_some() {
            let mut change = Change::begin(&layout)?;
            change.move_old_sessions();
            fill(&mut change.manifest);
            change.write().inspect_err(|_| layout.sweep())?
        } else {
            let mut manifest = Manifest::new(now(), Host::default());
            fill(&mut manifest);
            let written = manifest.write(&layout).inspect_err(|_| layout.sweep());
            written.with_context(|| format!("cannot write {}", layout.manifest().display()))?;
            manifest
        };
        Ok(Recording { layout, manifest, noting: Noting::default(), _lock: lock })
    }
}

/// A session that begins now, in the manifest.
fn entry(settings: &Settings, manifest: &Manifest) -> manifest::Session {
    manifest::Session {
        number: manifest.next_number(),
        perfwatch: env!("CARGO_PKG_VERSION").to_string(),
        pid: std::process::id(),
        argv: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
        started: now(),
        boot_id: manifest.host.boot_id.clone(),
        interval_s: settings.interval.as_secs_f64(),
        rotate_s: settings.rotate.as_secs_f64(),
        sync_s: settings.sync.as_secs_f64(),
        retain_s: settings.retention.age.map(|time| time.as_secs_f64()),
        max_bytes: settings.retention.max_bytes,
        min_free: settings.min_free.map(|floor| floor.to_string()),
        options: settings.options.facts(),
        ..manifest::Session::default()
    }
}

impl Recording {
    /// Notes what must be known even if this recorder is killed: a reader wants to know why the beginning is missing, the next
    /// recorder what columns the files have.
    pub(super) fn note(&mut self, news: &News) {
        let Some(session) = self.manifest.sessions.last_mut() else { return };
        match news {
            News::Deleted(deleted) => session.note_deleted(deleted.files, deleted.bytes, deleted.before.and_utc()),
            News::Uniform(uniform, widened) => {
                session.uniform.clone_from(uniform);
                if *widened == 0 {
                    // The next change of the manifest says it too.
                    return;
                }
            }
            News::Trouble(_) => return,
        }
        self.noting.note(&self.manifest, &self.layout);
    }

    /// Notes how the command ended, before the files are finished: that takes a moment in which we may be killed.
    pub(super) fn note_command(&mut self, command: &CommandFacts) {
        if let Some(session) = self.manifest.sessions.last_mut() {
            session.command = Some(command.clone());
            self.noting.note(&self.manifest, &self.layout);
        }
    }

    /// Notes how the session ended, and tidies up.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub fn end(&mut self, ended: &Ended) -> Result<(), ManifestError> {
        if let Some(session) = self.manifest.sessions.last_mut() {
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
        self.noting.finish();
        let written = self.manifest.write_session(&self.layout, Durable::Now);
        self.layout.sweep();
        written
    }
}
