//! The directory that is recorded into: may it be, is it in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Utc;

use crate::manifest::Manifest;
use crate::recording::{Layout, Lock, owner};
use crate::sink::output::FileFacts;

/// `report` holds the lock for a moment, to see whether somebody does.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// `perfwatch-20261120T070000Z` in the working directory.
pub fn default_directory() -> PathBuf {
    format!("perfwatch-{}", Utc::now().format("%Y%m%dT%H%M%SZ")).into()
}

/// Makes the directory that was chosen for want of another. Others may be begun in the same second: then it gets another
/// name.
///
/// # Errors
/// When it cannot be made.
pub fn make_default(root: &Path) -> Result<PathBuf> {
    const TRIES: u32 = 10_000;
    for n in 1..=TRIES {
        let path = if n == 1 { root.to_path_buf() } else { format!("{}-{n}", root.display()).into() };
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path).with_context(|| format!("cannot make {}", root.display())),
        }
    }
    bail!("there are too many directories like {}; name one with --output", root.display())
}

/// Reads the manifest of the recording that is to be continued. Refuses whatever else is there.
///
/// # Errors
/// When it holds something else, or cannot be read.
pub fn look(layout: &Layout, append: bool) -> Result<Option<Manifest>> {
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

/// Tries whether files can be made in a folder of the recording, which is made if need be.
///
/// # Errors
/// When none can.
pub fn may_write(folder: &Path) -> io::Result<()> {
    owner::make_folder(folder)?;
    let file = folder.join(format!("try-{}.tmp", std::process::id()));
    fs::File::create(&file)?;
    fs::remove_file(&file)
}

/// Takes the recording for this process alone.
///
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

/// What every Parquet file says of its recording: enough to know a stray one.
pub fn file_facts(manifest: &Manifest) -> FileFacts {
    let host = manifest.host.hostname.iter();
    host.map(|h| ("host".to_string(), h.clone())).collect()
}
