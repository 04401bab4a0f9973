//! The recording that a session writes: its directory, locked for this process, and its manifest.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::{SecondsFormat, Utc};

use super::directory::{self, default_directory, make_default, reserve};
use super::ended::Ended;
use super::manifest_writer::ManifestWriter;
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
    writer: ManifestWriter,
    _lock: Lock,
}

/// A directory that is locked for this process. The manifest does not mention the session yet.
pub(super) struct LockedDirectory {
    pub layout: Layout,
    lock: Lock,
    /// The manifest of the recording that is continued.
    continued: Option<Manifest>,
}

/// Facts about the start of a session, for the manifest.
pub(super) struct Begin {
    pub host: Host,
    pub start: Start,
    pub collectors: Vec<CollectorFacts>,
    pub command: Option<CommandFacts>,
}

/// The current time as RFC 3339 in UTC.
pub(super) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The directory to record into, which may not exist yet.
pub(super) fn root(settings: &Settings) -> PathBuf {
    settings.output.clone().unwrap_or_else(default_directory)
}

/// Refuses a directory that has other contents or is in use by another recorder.
pub(super) fn must_be_free(layout: &Layout, append: bool) -> Result<()> {
    if let Err(error) = directory::check(layout, append) {
        // If another recorder has just started, its manifest may not exist yet.
        if Lock::is_held(layout) {
            drop(directory::lock(layout)?);
        }
        return Err(error);
    }
    Ok(())
}

impl LockedDirectory {
    /// Creates the directory if necessary, and locks it for this process.
    pub fn take(settings: &Settings, root: PathBuf) -> Result<LockedDirectory> {
        let root = match &settings.output {
            Some(_) => {
                fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display())).map(|()| root)?
            }
            None => make_default(&root)?,
        };
        let layout = Layout::new(root);
        let lock = directory::lock(&layout)?;
        let continued = directory::check(&layout, settings.append)?;
        let refused = || format!("cannot write to {}", layout.journal_folder().display());
        reserve(&layout).inspect_err(|_| layout.sweep()).with_context(refused)?;
        Ok(LockedDirectory { layout, lock, continued })
    }

    /// Writes the start of a session to the manifest, which is new unless a recording is continued.
    pub fn begin(self, settings: &Settings, begin: Begin) -> Result<Recording> {
        let LockedDirectory { layout, lock, continued } = self;
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
        Ok(Recording { layout, manifest, writer: ManifestWriter::default(), _lock: lock })
    }
}

/// The manifest's entry for a session that begins now.
fn entry(settings: &Settings, manifest: &Manifest) -> manifest::Session {
    manifest::Session {
        number: manifest.next_number(),
        perfwatch: env!("CARGO_PKG_VERSION").to_string(),
        pid: std::process::id(),
        argv: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
        started: now(),
        boot_id: manifest.host.boot_id.clone(),
        interval_s: settings.interval.as_secs_f64(),
        bursts: settings.bursts.iter().map(|rule| rule.text.clone()).collect(),
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
    /// Writes what must be known even if this recorder is killed: deleted files, so that readers know why the beginning
    /// is missing, and the columns of the files, for the next recorder.
    pub(super) fn note(&mut self, news: &News) {
        let Some(session) = self.manifest.sessions.last_mut() else { return };
        match news {
            News::Deleted(deleted) => session.note_deleted(deleted.files, deleted.bytes, deleted.before.and_utc()),
            News::Uniform(uniform, widened) => {
                session.uniform.clone_from(uniform);
                if *widened == 0 {
                    // It can wait for the next change of the manifest.
                    return;
                }
            }
            News::Problem(_) => return,
        }
        self.writer.write(&self.manifest, &self.layout);
    }

    /// Writes how the command ended before the files are finished, since we may be killed while that is done.
    pub(super) fn note_command(&mut self, command: &CommandFacts) {
        if let Some(session) = self.manifest.sessions.last_mut() {
            session.command = Some(command.clone());
            self.writer.write(&self.manifest, &self.layout);
        }
    }

    /// Writes how the session ended, and removes temporary files.
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
        self.writer.finish();
        let written = self.manifest.write_session(&self.layout, Durable::Now);
        self.layout.sweep();
        written
    }
}
