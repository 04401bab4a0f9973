//! Writes changes of the manifest on a thread of their own: each is synced to the disk, and may wait for somebody else's change. Signals
//! and the progress are served meanwhile.
//!
//! Changes are written in the order in which they were made. Of several that wait only the last is written, since each has all of
//! the session.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use crate::store::layout::Layout;
use crate::store::manifest::{Durable, Manifest, Session};

/// Writes the latest session of a manifest. The thread is started with the first change: many recordings have none.
#[derive(Default)]
pub(super) struct Noting {
    thread: Option<(Sender<Session>, JoinHandle<()>)>,
}

impl Noting {
    /// Has the latest session of this manifest written, soon. One that cannot be written is not said: the end of the session
    /// writes it again, and says it.
    pub fn note(&mut self, manifest: &Manifest, layout: &Layout) {
        let Some(session) = manifest.sessions.last() else { return };
        if self.thread.is_none() {
            self.thread = start(manifest.clone(), layout.clone());
        }
        match &self.thread {
            Some((changes, _)) => drop(changes.send(session.clone())),
            // There can be no more threads.
            None => drop(manifest.write_session(layout, Durable::Later)),
        }
    }

    /// Waits until all is written.
    pub fn finish(&mut self) {
        if let Some((changes, thread)) = self.thread.take() {
            drop(changes);
            let _ = thread.join();
        }
    }
}

fn start(manifest: Manifest, layout: Layout) -> Option<(Sender<Session>, JoinHandle<()>)> {
    let (changes, changed) = channel();
    let work = move || write_all(&changed, manifest, &layout);
    let thread = Builder::new().name("manifest".into()).spawn(work).ok()?;
    Some((changes, thread))
}

fn write_all(changed: &Receiver<Session>, mut manifest: Manifest, layout: &Layout) {
    while let Ok(session) = changed.recv() {
        let latest = changed.try_iter().last().unwrap_or(session);
        if let Some(last) = manifest.sessions.last_mut() {
            *last = latest;
        }
        let _ = manifest.write_session(layout, Durable::Later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::machine::Host;
    use crate::store::layout::Lock;

    /// Somebody else holds the manifest, and lets it go only after the notes are made. If a note waited for that, it would
    /// give up, and not be written.
    #[test]
    fn a_note_does_not_wait_and_the_last_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let mut manifest = Manifest::new("2026-11-20T07:00:00Z".into(), Host::default());
        manifest.sessions.push(Session { number: 1, ..Session::default() });
        manifest.write(&layout).unwrap();
        layout.make_folder(&layout.journal_folder()).unwrap();
        let held = Lock::take_at(&layout, &layout.manifest_lock()).unwrap();
        let mut noting = Noting::default();
        for files in 1..=3 {
            manifest.sessions[0].deleted_files = files;
            noting.note(&manifest, &layout);
        }
        assert_eq!(Manifest::read(&layout.root).unwrap().sessions[0].deleted_files, 0);
        drop(held);
        noting.finish();
        assert_eq!(Manifest::read(&layout.root).unwrap().sessions[0].deleted_files, 3);
    }
}
