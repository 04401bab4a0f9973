//! Older sessions are stored in a separate file, and the manifest keeps their sums: a service that restarts every hour
//! has hundreds of sessions within weeks, and otherwise each start would read and write them all.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Change, Manifest, Session};
use crate::store::layout::Layout;

/// If the manifest has more than `MAX_SESSIONS` sessions, all except the latest `KEPT` are moved. An older perfwatch,
/// which does not know about moved sessions, numbers new sessions by their count; the gap between the two leaves
/// numbers for these.
const MAX_SESSIONS: usize = 60;
const KEPT: usize = 20;

const VERSION: u32 = 1;

/// Sums of the moved sessions, in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Past {
    pub sessions: u64,
    /// The highest number of a moved session.
    pub last_number: u32,
    pub ticks: u64,
    pub missed: u64,
    pub lost_ticks: u64,
    /// Sessions without an end.
    pub killed: u64,
    /// The latest value of the moved sessions.
    pub deleted_before: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Past {
    fn add(&mut self, session: &Session) {
        self.sessions = sum([self.sessions, 1]);
        self.last_number = self.last_number.max(session.number);
        self.ticks = sum([self.ticks, session.ticks]);
        self.missed = sum([self.missed, session.missed]);
        self.lost_ticks = sum([self.lost_ticks, session.lost_ticks]);
        self.killed = sum([self.killed, u64::from(session.ended.is_none())]);
        if session.deleted_before.is_some() {
            self.deleted_before.clone_from(&session.deleted_before);
        }
    }
}

/// Saturating, because numbers from a file can have any value.
fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

/// The file: sessions as they were in the manifest, oldest first.
#[derive(Debug, Serialize, Deserialize)]
struct Moved {
    version: u32,
    sessions: Vec<Value>,
}

impl Manifest {
    /// The number of the next session.
    pub fn next_number(&self) -> u32 {
        let numbers = self.sessions.iter().map(|session| session.number);
        let last = numbers.chain(self.past.iter().map(|past| past.last_number)).max().unwrap_or(0);
        // An older perfwatch numbers by the count of sessions that it sees.
        last.max(u32::try_from(self.sessions.len()).unwrap_or(0)).saturating_add(1)
    }

    /// Ticks of all sessions.
    pub fn ticks(&self) -> u64 {
        sum(self.sessions.iter().map(|s| s.ticks).chain(self.past.iter().map(|past| past.ticks)))
    }

    /// Ticks of all sessions that could not be written.
    pub fn lost_ticks(&self) -> u64 {
        sum(self.sessions.iter().map(|s| s.lost_ticks).chain(self.past.iter().map(|past| past.lost_ticks)))
    }

    /// The manifest with all sessions, including the moved ones.
    ///
    /// # Errors
    /// When the file of the moved sessions cannot be read.
    pub fn with_past(mut self, layout: &Layout) -> io::Result<Manifest> {
        if self.past.take().is_none() {
            return Ok(self);
        }
        let mut all = Vec::new();
        for value in read(layout)?.sessions {
            all.push(serde_json::from_value::<Session>(value)?);
        }
        // A session in both files was being moved when the power failed.
        all.retain(|old| !self.sessions.iter().any(|s| (s.number, &s.started) == (old.number, &old.started)));
        all.append(&mut self.sessions);
        self.sessions = all;
        Ok(self)
    }
}

impl Change {
    /// Moves older sessions to their file if there are many. If the file cannot be written, they stay.
    pub fn move_old_sessions(&mut self) {
        let count = self.manifest.sessions.len();
        let Some(Value::Array(raw)) = self.raw.get_mut("sessions").filter(|_| count > MAX_SESSIONS) else { return };
        let old = count - KEPT;
        if raw.len() != count || add(&self.layout, &raw[..old]).is_err() {
            return;
        }
        raw.drain(..old);
        let past = self.manifest.past.get_or_insert_default();
        self.manifest.sessions.drain(..old).for_each(|session| past.add(&session));
    }
}

fn read(layout: &Layout) -> io::Result<Moved> {
    match layout.read(&layout.past_sessions()) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Moved { version: VERSION, sessions: Vec::new() }),
        Err(error) => Err(error),
    }
}

/// Appends these to the file, atomically.
fn add(layout: &Layout, sessions: &[Value]) -> io::Result<()> {
    let mut moved = read(layout)?;
    let key = |session: &Value| (session["number"].clone(), session["started"].clone());
    moved.sessions.retain(|old| !sessions.iter().any(|new| key(new) == key(old)));
    moved.sessions.extend_from_slice(sessions);
    let target = layout.past_sessions();
    let temporary = target.with_extension("json.tmp");
    let write = || {
        let mut file = layout.create_anew(&temporary)?;
        file.write_all(&serde_json::to_vec(&moved)?)?;
        layout.make_like(&file, &target)?;
        file.sync_all()?;
        layout.rename(&temporary, &target)
    };
    write().inspect_err(|_| drop(layout.remove(&temporary)))?;
    layout.sync_folder(&layout.root)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::facts::machine::Host;

    fn session(number: u32) -> Session {
        let mut session = Session { number, started: format!("start {number}"), ticks: 10, ..Session::default() };
        session.ended = (number != 3).then(|| "end".to_string());
        session.deleted_before = (number == 5).then(|| "then".to_string());
        session.other.insert("later".into(), number.into());
        session
    }

    /// A recording with this many sessions, added one by one.
    fn recording(sessions: u32) -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        Manifest::new("2026-11-20T07:00:00Z".into(), Host::default()).write(&layout).unwrap();
        for _ in 0..sessions {
            begin(&layout);
        }
        (dir, layout)
    }

    fn begin(layout: &Layout) {
        let mut change = Change::begin(layout).unwrap();
        change.move_old_sessions();
        let number = change.manifest.next_number();
        change.manifest.sessions.push(session(number));
        change.write().unwrap();
    }

    fn numbers(manifest: &Manifest) -> Vec<u32> {
        manifest.sessions.iter().map(|session| session.number).collect()
    }

    #[test]
    fn old_sessions_move_and_none_is_lost() {
        let (_dir, layout) = recording(61);
        let manifest = Manifest::read(&layout.root).unwrap();
        assert_eq!((numbers(&manifest), &manifest.past), ((1..=61).collect(), &None));
        for _ in 0..100 {
            begin(&layout);
        }
        let manifest = Manifest::read(&layout.root).unwrap();
        assert!(manifest.sessions.len() <= MAX_SESSIONS + 1 && manifest.next_number() == 162);
        let past = manifest.past.as_ref().unwrap();
        assert_eq!((past.sessions as usize, past.killed), (161 - manifest.sessions.len(), 1));
        assert_eq!((manifest.ticks(), manifest.deleted_before()), (1610, Some("then")));
        let all = manifest.with_past(&layout).unwrap();
        assert_eq!(all.sessions, (1..=161).map(session).collect::<Vec<_>>());
    }

    #[test]
    fn large_numbers_saturate() {
        let (_dir, layout) = recording(61);
        let mut change = Change::begin(&layout).unwrap();
        let first = &mut change.manifest.sessions[0];
        (first.ticks, first.lost_ticks, first.missed, first.number) = (u64::MAX, u64::MAX, u64::MAX, u32::MAX);
        let manifest = change.write().unwrap();
        assert_eq!((manifest.ticks(), manifest.lost_ticks(), manifest.next_number()), (u64::MAX, u64::MAX, u32::MAX));
        begin(&layout);
        let manifest = Manifest::read(&layout.root).unwrap();
        assert_eq!((manifest.past.as_ref().unwrap().missed, manifest.ticks()), (u64::MAX, u64::MAX));
    }

    #[test]
    fn killed_between_the_two_files() {
        let (_dir, layout) = recording(61);
        let before = fs::read(layout.manifest()).unwrap();
        begin(&layout);
        fs::write(layout.manifest(), before).unwrap();
        begin(&layout);
        let manifest = Manifest::read(&layout.root).unwrap();
        assert_eq!(numbers(&manifest.with_past(&layout).unwrap()), (1..=62).collect::<Vec<_>>());
    }

    #[test]
    fn sessions_that_cannot_be_moved_stay() {
        let (_dir, layout) = recording(61);
        fs::write(layout.past_sessions(), "{").unwrap();
        begin(&layout);
        begin(&layout);
        let manifest = Manifest::read(&layout.root).unwrap();
        assert_eq!((manifest.sessions.len(), manifest.past), (63, None));
    }
}
