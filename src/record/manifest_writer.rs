//! Writes changes of the manifest on a thread of its own, because each is synced to the disk and may have to wait for a change by
//! another process. Meanwhile signals and progress are handled.
//!
//! Changes are written in order. If several are waiting, only the last one is written, since each contains the whole session.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use crate::store::layout::Layout;
use crate::store::manifest::{Durable, Manifest, Session};

/// Writes the latest session of a manifest. The thread is started with the first change, because many recordings have none.
#[derive(Default)]
pub(super) struct ManifestWriter {
    thread: Option<(Sender<Session>, JoinHandle<()>)>,
}

impl ManifestWriter {
    /// Queues the latest session of this manifest for writing. Errors are not reported: the session is written again at its end,
    /// and errors are reported then.
    pub fn write(&mut self, manifest: &Manifest, layout: &Layout) {
        let Some(session) = manifest.sessions.last() else { return };
        if self.thread.is_none() {
            self.thread = start(manifest.clone(), layout.clone());
        }
        match &self.thread {
            Some((changes, _)) => drop(changes.send(session.clone())),
            // No thread can be started.
            None => drop(manifest.write_session(layout, Durable::Later)),
        }
    }

    /// Waits until everything is written.
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

    /// The manifest is locked until all changes are queued. If `write` waited for the lock, it would give up and write nothing.
    #[test]
    fn a_change_does_not_wait_and_the_last_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let mut manifest = Manifest::new("2026-11-20T07:00:00Z".into(), Host::default());
        manifest.sessions.push(Session { number: 1, ..Session::default() });
        manifest.write(&layout).unwrap();
        layout.make_folder(&layout.journal_folder()).unwrap();
        let held = Lock::take_at(&layout, &layout.manifest_lock()).unwrap();
        let mut writer = ManifestWriter::default();
        for files in 1..=3 {
            manifest.sessions[0].deleted_files = files;
            writer.write(&manifest, &layout);
        }
        assert_eq!(Manifest::read(&layout.root).unwrap().sessions[0].deleted_files, 0);
        drop(held);
        writer.finish();
        assert_eq!(Manifest::read(&layout.root).unwrap().sessions[0].deleted_files, 3);
    }
}
