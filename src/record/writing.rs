//! Creates the sink of a session and its two threads, which seal and sync.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::directory::file_facts;
use super::notice::{Notice, Notices};
use super::recording::Recording;
use super::settings::Settings;
use crate::collect::catalog;
use crate::linux::clock::wall_us;
use crate::store::write::{News, Sealer, Sink, SinkOptions, Syncer};

/// Creates the sink. Its threads begin by sealing what a killed recorder left.
pub(super) fn open_sink(settings: &Settings, recording: &Recording, notices: Notices) -> Result<Sink<'static>> {
    let Recording { layout, manifest, .. } = recording;
    let catalog = catalog::tables();
    let last_journal = layout
        .last_journal_number(catalog.iter().map(|t| t.name))
        .with_context(|| format!("cannot list {}", layout.root.display()))?;
    let first_journal = last_journal + 1;
    let tell = move |news: News| notices(Notice::Store(news));
    let before = manifest.sessions.iter().rev().nth(1).map(|session| session.uniform.clone());
    let sealer = Sealer::start_knowing(before, layout.clone(), catalog, file_facts(manifest), Arc::new(tell.clone()))
        .context("cannot start a thread")?
        .keeping(settings.retention);
    sealer.seal_below(first_journal, wall_us());
    let syncer = Syncer::start_and_tell(settings.sync, tell).context("cannot start a thread")?;
    let session = manifest.sessions.last().map_or(1, |session| session.number);
    let options = SinkOptions { rotate: settings.rotate, session, first_journal };
    Ok(Sink::new(layout.clone(), catalog, options, syncer, sealer))
}
