//! Changes the manifest of a recording that other processes may also change: `annotate` at any time, or a recorder that
//! starts or ends a session.
//!
//! Each process reads the manifest, changes its part and replaces the whole file, under a lock, so that no change is
//! lost.

use std::io;
use std::time::Duration;

use serde_json::Value;

use super::{Durable, Manifest, ManifestError, Room, Session, put_in_place};
use crate::linux::clock;
use crate::store::layout::{Layout, Lock};

/// A change takes milliseconds. A process that holds the lock for longer is stopped, or waits for a disk that does not
/// answer.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(5);

/// The locked manifest: no other process changes it until this is dropped.
#[derive(Debug)]
pub struct Change {
    /// As read from disk; [`Change::write`] writes the changed version.
    pub manifest: Manifest,
    /// The same with all keys that a later perfwatch may have written, at any depth.
    pub(super) raw: Value,
    pub(super) layout: Layout,
    /// None if there was no space for the lock file.
    _lock: Option<Lock>,
}

impl Change {
    /// Locks and reads the manifest.
    ///
    /// # Errors
    /// When there is no readable manifest, or another process holds the lock for too long.
    pub fn begin(layout: &Layout) -> Result<Change, ManifestError> {
        let path = layout.manifest();
        // Without a manifest, no lock file is created.
        Manifest::read_in(layout)?;
        let lock = lock(layout).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ManifestError::Busy { path: path.clone() },
            _ => ManifestError::Write { path: layout.manifest_lock(), error },
        })?;
        Change::read(layout, Some(lock))
    }

    fn read(layout: &Layout, lock: Option<Lock>) -> Result<Change, ManifestError> {
        let path = layout.manifest();
        let manifest = Manifest::read_in(layout)?;
        let text = layout.read(&path).map_err(|error| ManifestError::Io { path: path.clone(), error })?;
        let raw = serde_json::from_slice(&text).map_err(|error| ManifestError::Damaged { path, error })?;
        Ok(Change { manifest, raw, layout: layout.clone(), _lock: lock })
    }

    /// Writes the changed manifest.
    ///
    /// # Errors
    /// When it cannot be written; the old manifest is then kept.
    pub fn write(self) -> Result<Manifest, ManifestError> {
        self.write_with(Room::Free, Durable::Now)
    }

    fn write_with(self, room: Room, durable: Durable) -> Result<Manifest, ManifestError> {
        let write = || {
            let before: Manifest = serde_json::from_value(self.raw.clone())?;
            let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(&self.manifest)?);
            let all = changed(self.raw, &before, after.clone());
            // In the order of the declaration, if there are no other keys.
            if all == after {
                put_in_place(&self.manifest, &self.layout, room, durable)
            } else {
                put_in_place(&all, &self.layout, room, durable)
            }
        };
        let path = self.layout.manifest();
        write().map_err(|error: io::Error| ManifestError::Write { path, error })?;
        Ok(self.manifest)
    }
}

/// `raw`, in which `before` (the part that we know) is replaced by `after`. Everything else stays as it was, including
/// unknown keys.
fn changed(raw: Value, before: &Value, after: Value) -> Value {
    match (raw, before, after) {
        (raw, before, after) if *before == after => raw,
        (Value::Object(mut raw), Value::Object(before), Value::Object(after)) => {
            // Keys that we know and that were removed.
            raw.retain(|key, _| !before.contains_key(key) || after.contains_key(key));
            for (key, after) in after {
                let value = match (raw.remove(&key), before.get(&key)) {
                    (Some(raw), Some(before)) => changed(raw, before, after),
                    _ => after,
                };
                raw.insert(key, value);
            }
            Value::Object(raw)
        }
        (Value::Array(raw), Value::Array(before), Value::Array(after)) if after.len() >= raw.len() => {
            let mut known = raw.into_iter().zip(before);
            let each = after.into_iter().map(|after| match known.next() {
                Some((raw, before)) => changed(raw, before, after),
                None => after,
            });
            Value::Array(each.collect())
        }
        (_, _, after) => after,
    }
}

impl Manifest {
    /// Writes the latest session of this manifest into the manifest on disk, which may have newer tags and notes. If
    /// that manifest is missing or damaged, this one replaces it.
    ///
    /// # Errors
    /// When it cannot be written, or the manifest on disk exists and cannot be read.
    pub fn write_session(&self, layout: &Layout, durable: Durable) -> Result<(), ManifestError> {
        let Some(session) = self.sessions.last() else { return Ok(()) };
        let begun = match Change::begin(layout) {
            // On a full disk there may be no space for the lock file. Changes by others are still kept.
            Err(ManifestError::Write { .. }) => Change::read(layout, None),
            begun => begun,
        };
        match begun {
            Ok(mut change) => {
                put(&mut change.manifest.sessions, session);
                change.write_with(Room::Reserve, durable).map(|_| ())
            }
            Err(ManifestError::Missing { .. } | ManifestError::Absent { .. } | ManifestError::Damaged { .. }) => {
                self.write(layout).map_err(|error| ManifestError::Write { path: layout.manifest(), error })
            }
            // A manifest that exists but cannot be read now may contain tags and notes that ours lacks.
            Err(error) => Err(error),
        }
    }
}

fn put(sessions: &mut Vec<Session>, session: &Session) {
    match sessions.iter_mut().find(|s| s.number == session.number) {
        Some(old) => old.clone_from(session),
        None => sessions.push(session.clone()),
    }
}

fn lock(layout: &Layout) -> io::Result<Lock> {
    let began = clock::instant();
    loop {
        match Lock::take_at(layout, &layout.manifest_lock()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && began.elapsed() <= PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::facts::machine::Host;

    fn recording() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let mut manifest = Manifest::new("2026-11-20T07:00:00Z".into(), Host::default());
        manifest.sessions.push(Session { number: 1, ..Session::default() });
        manifest.write(&layout).unwrap();
        (dir, layout)
    }

    #[test]
    fn no_change_is_lost() {
        let (_dir, layout) = recording();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let layout = layout.clone();
                scope.spawn(move || {
                    for n in 0..10 {
                        let mut change = Change::begin(&layout).unwrap();
                        change.manifest.tags.insert(format!("{writer}.{n}"), "x".into());
                        change.write().unwrap();
                    }
                });
            }
            let mut ours = Manifest::read(&layout.root).unwrap();
            for ticks in 1..=10 {
                ours.sessions[0].ticks = ticks;
                ours.write_session(&layout, Durable::Now).unwrap();
            }
        });
        let manifest = Manifest::read(&layout.root).unwrap();
        assert_eq!((manifest.tags.len(), manifest.sessions.len(), manifest.sessions[0].ticks), (40, 1, 10));
        assert_eq!(fs::read_dir(&layout.root).unwrap().count(), 1, "no other file is left");
    }

    #[test]
    fn a_lost_manifest_is_written_again() {
        let (_dir, layout) = recording();
        let ours = Manifest::read(&layout.root).unwrap();
        for damage in [None, Some("{")] {
            match damage {
                None => fs::remove_file(layout.manifest()).unwrap(),
                Some(text) => fs::write(layout.manifest(), text).unwrap(),
            }
            assert!(Change::begin(&layout).is_err());
            ours.write_session(&layout, Durable::Now).unwrap();
            assert_eq!(Manifest::read(&layout.root).unwrap(), ours);
        }
    }

    /// A manifest that exists and cannot be read is not overwritten: it may contain acknowledged notes.
    #[test]
    fn an_unreadable_manifest_is_kept() {
        let (_dir, layout) = recording();
        let ours = Manifest::read(&layout.root).unwrap();
        let later = fs::read_to_string(layout.manifest()).unwrap().replacen("\"format\": ", "\"format\": 9", 1);
        fs::write(layout.manifest(), &later).unwrap();
        assert!(matches!(ours.write_session(&layout, Durable::Now), Err(ManifestError::Format { .. })));
        assert_eq!(fs::read_to_string(layout.manifest()).unwrap(), later);
    }

    /// On a full disk there may be no space for the lock file.
    #[test]
    fn notes_are_kept_if_locking_fails() {
        let (_dir, layout) = recording();
        let ours = Manifest::read(&layout.root).unwrap();
        let mut change = Change::begin(&layout).unwrap();
        change.manifest.tags.insert("a".into(), "b".into());
        change.write().unwrap();
        // The name of the lock's folder is taken by a file.
        fs::write(layout.journal_folder(), "").unwrap();
        assert!(matches!(Change::begin(&layout), Err(ManifestError::Write { .. })));
        ours.write_session(&layout, Durable::Now).unwrap();
        assert_eq!(Manifest::read(&layout.root).unwrap().tags["a"], "b");
    }

    #[test]
    fn keys_of_a_later_version_are_kept() {
        let (_dir, layout) = recording();
        let mut json: serde_json::Value = serde_json::from_slice(&fs::read(layout.manifest()).unwrap()).unwrap();
        json["later"] = serde_json::json!({"a": [1, 2.5, null]});
        json["sessions"][0]["later"] = "b".into();
        json["sessions"][0]["options"]["later"] = true.into();
        json["sessions"][0]["collectors"] =
            serde_json::json!([{"name": "cpu", "state": "recorded", "later": {"c": 1}}]);
        json["host"]["later"] = 7.into();
        json["host"]["cpu"]["later"] = 8.into();
        json["sessions"][0]["git"] = serde_json::json!({"later": 9});
        fs::write(layout.manifest(), json.to_string()).unwrap();
        Change::begin(&layout).unwrap().write().unwrap();
        let read = || serde_json::from_slice::<Value>(&fs::read(layout.manifest()).unwrap()).unwrap();
        assert_eq!(read(), json);
        // Changes are written, and removed keys are gone.
        let mut change = Change::begin(&layout).unwrap();
        change.manifest.tags.insert("a".into(), "b".into());
        change.manifest.sessions[0].ticks = 5;
        change.write().unwrap();
        json["tags"] = serde_json::json!({"a": "b"});
        json["sessions"][0]["ticks"] = 5.into();
        assert_eq!(read(), json);
        let mut change = Change::begin(&layout).unwrap();
        change.manifest.tags.clear();
        change.manifest.sessions.push(Session { number: 2, ..Session::default() });
        change.write().unwrap();
        let after = read();
        assert_eq!((&after["tags"], &after["sessions"][0]), (&serde_json::json!({}), &json["sessions"][0]));
        assert_eq!((&after["sessions"][1]["number"], &after["host"]), (&Value::from(2), &json["host"]));
    }
}
