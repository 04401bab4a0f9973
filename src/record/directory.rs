//! The directory to record into: creating, checking and locking it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Utc;
use rustix::fs::FallocateFlags;

use crate::store::layout::{Layout, Lock};
use crate::store::manifest::Manifest;
use crate::store::write::output::FileFacts;

/// Other commands take the lock for a moment to check whether a recorder holds it.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// `perfwatch-20261120T070000Z` in the working directory.
pub fn default_directory() -> PathBuf {
    format!("perfwatch-{}", Utc::now().format("%Y%m%dT%H%M%SZ")).into()
}

/// Creates the default directory. If another recording has started in the same second, it gets another name.
///
/// # Errors
/// When it cannot be created.
pub fn make_default(root: &Path) -> Result<PathBuf> {
    const TRIES: u32 = 10_000;
    for n in 1..=TRIES {
        let path = if n == 1 { root.to_path_buf() } else { format!("{}-{n}", root.display()).into() };
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path).with_context(|| format!("cannot create {}", root.display())),
        }
    }
    bail!("too many directories named like {}; choose one with --output", root.display())
}

/// Reads the manifest of the recording to continue; None for a new recording. Refuses a directory with other contents.
///
/// # Errors
/// When the directory has other contents or cannot be read.
pub fn check(layout: &Layout, append: bool) -> Result<Option<Manifest>> {
    let root = &layout.root;
    let is_empty = match layout.is_empty() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        is_empty => is_empty.with_context(|| format!("cannot list {}", root.display()))?,
    };
    if layout.has_file(&layout.manifest()) {
        if append {
            return Ok(Some(Manifest::read(root)?));
        }
        bail!(
            "{} already contains a recording: continue it with --append, or choose another directory",
            root.display()
        );
    }
    if !is_empty {
        bail!("{} is not empty and is not a recording: choose a new directory", root.display());
    }
    Ok(None)
}

/// Space that is reserved for the final manifest: twice its usual size.
const RESERVE_BYTES: u64 = 32 * 1024;

/// Checks that files can be created in the journal folder, and reserves some space there so that the manifest can be written at
/// the end even if the disk is full. If there is no space now, nothing is reserved.
///
/// # Errors
/// When no file can be created there.
pub fn reserve(layout: &Layout) -> io::Result<()> {
    layout.make_folder(&layout.journal_folder())?;
    let file = layout.create_anew(&layout.reserve())?;
    let _ = rustix::fs::fallocate(file, FallocateFlags::empty(), 0, RESERVE_BYTES);
    Ok(())
}

/// Locks the recording for this process.
///
/// # Errors
/// When another process is writing to the recording.
pub fn lock(layout: &Layout) -> Result<Lock> {
    let mut taken = Lock::take(layout);
    for _ in 0..LOCK_TRIES {
        if !taken.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock) {
            break;
        }
        std::thread::sleep(LOCK_PAUSE);
        taken = Lock::take(layout);
    }
    match taken {
        Ok(lock) => Ok(lock),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let by = Manifest::read(&layout.root).ok().and_then(|m| Some(m.sessions.last()?.pid));
            let by = by.map_or_else(String::new, |pid| format!(" (process {pid})"));
            bail!(
                "a recorder is already writing to {}{by}: stop it first, or choose another directory",
                layout.root.display()
            )
        }
        Err(error) => Err(error).with_context(|| format!("cannot write to {}", layout.recorder_lock().display())),
    }
}

/// The facts in every Parquet file about its recording: enough to identify a stray file.
pub fn file_facts(manifest: &Manifest) -> FileFacts {
    let host = manifest.host.hostname.iter();
    host.map(|h| ("host".to_string(), h.clone())).collect()
}
