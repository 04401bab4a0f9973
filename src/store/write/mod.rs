//! Writes ticks: at once into the journal of the current window, and into Parquet files when the window is over.

mod background;
pub mod order;
pub mod output;
pub mod retain;
pub mod seal;
pub mod uniform;
mod widen;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::journal::codec::{Encoder, TickStamp, repeat_header};
use super::journal::frame::{HEAD, Kind};
use super::journal::{Header, Writer};
use super::layout::{Layout, Window};
use crate::table::TableDef;
use crate::table::sample::{Block, Cell, Sample};

pub use background::{News, Sealer, Syncer};

/// Maximum number of old texts to keep: about 1 MB for texts of usual length.
const MAX_TEXTS: usize = 10_000;

/// A tick could not be written. The next tick is tried again.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {} bytes to {}: {error}", bytes, path.display())]
pub struct WriteError {
    pub path: PathBuf,
    pub bytes: usize,
    pub error: io::Error,
}

/// Number of blocks per table that are repeated at the start of the next journal.
const KEPT_BLOCKS: usize = 3;

/// Options of a sink.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Length of the window of a journal: an hour or a divisor of it.
    pub rotate: Duration,
    /// Number of the session.
    pub session: u32,
    /// Number of the first journal.
    pub first_journal: u32,
}

/// Writes the ticks of one session.
pub struct Sink<'c> {
    layout: Layout,
    catalog: &'c [TableDef],
    options: SinkOptions,
    number: u32,
    open: Option<Open>,
    buffer: Vec<u8>,
    /// The last blocks per table, oldest first.
    last: Vec<Vec<LastBlock>>,
    /// Old texts are removed when this number is reached.
    most_texts: usize,
    last_us: i64,
    syncer: Syncer,
    sealer: Sealer,
}

struct Open {
    window: Window,
    writer: Writer,
    encoder: Encoder,
}

/// Needed for the rates of the first tick in a new journal: the last block, and earlier ones for counters that went
/// back and recover.
struct LastBlock {
    stamp: TickStamp,
    cells: Vec<Cell>,
}

impl<'c> Sink<'c> {
    pub fn new(
        layout: Layout,
        catalog: &'c [TableDef],
        options: SinkOptions,
        syncer: Syncer,
        sealer: Sealer,
    ) -> Sink<'c> {
        let number = options.first_journal;
        let last = catalog.iter().map(|_| Vec::new()).collect();
        Sink {
            layout,
            catalog,
            options,
            number,
            open: None,
            buffer: Vec::new(),
            last,
            most_texts: MAX_TEXTS,
            last_us: i64::MIN,
            syncer,
            sealer,
        }
    }

    /// Bytes of the open journal that are known to be on disk.
    pub fn synced_bytes(&self) -> u64 {
        self.syncer.synced_bytes()
    }

    /// Number of failed syncs of the journal.
    pub fn sync_failures(&self) -> u64 {
        self.syncer.failures()
    }

    /// Bytes in the open journal.
    pub fn journal_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |o| o.writer.len())
    }

    /// Writes one tick. When this returns, the tick survives the end of the process.
    ///
    /// # Errors
    /// When it could not be written. Only this tick is lost.
    pub fn write(&mut self, stamp: TickStamp, phase: Option<u32>, sample: &Sample) -> Result<(), WriteError> {
        let window = Window::of(stamp.ts_us, self.options.rotate);
        if self.open.as_ref().is_some_and(|o| o.window != window) {
            self.rotate(stamp.ts_us);
        }
        let result = self.append(window, stamp, phase, sample);
        if let Err(failed) = &result {
            if failed.error.kind() == io::ErrorKind::FileTooLarge {
                // A new journal has space again (`ulimit -f`).
                self.rotate(stamp.ts_us);
            } else if let Some(open) = &mut self.open {
                open.encoder.restart();
            }
        }
        self.remember(stamp, sample);
        self.last_us = stamp.ts_us;
        result
    }

    /// Removes old texts once there are many: every event has a different text, and a recording may run for weeks. The
    /// sample must be empty.
    pub fn forget_texts(&mut self, sample: &mut Sample) {
        if sample.texts.len() < self.most_texts {
            return;
        }
        let old = sample.take_texts();
        for cell in self.last.iter_mut().flatten().flat_map(|last| &mut last.cells) {
            if let Cell::Text(id) = cell {
                *id = sample.texts.intern(old.get(*id).unwrap_or_default());
            }
        }
        self.most_texts = sample.texts.len() + MAX_TEXTS;
        if let Some(open) = &mut self.open {
            open.encoder.restart();
        }
    }

    /// Closes the open journal and requests sealing.
    fn rotate(&mut self, now_us: i64) {
        if let Some(open) = self.open.take() {
            open.writer.close();
            self.syncer.follow(None);
            self.number += 1;
            self.sealer.seal_below(self.number, now_us);
        }
    }

    fn append(
        &mut self,
        window: Window,
        stamp: TickStamp,
        phase: Option<u32>,
        sample: &Sample,
    ) -> Result<(), WriteError> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let begun = begin(&self.layout, self.catalog, &self.options, self.number, window, &self.last, sample);
                let open = begun.inspect_err(|failed| {
                    // On a full disk, a file may exist that could neither be started nor removed. Use the next number.
                    if failed.error.kind() == io::ErrorKind::AlreadyExists {
                        self.number += 1;
                    }
                })?;
                self.syncer.follow_in(open.writer.handle().ok(), Some(self.layout.clone()));
                none.insert(open)
            }
        };
        self.buffer.clear();
        self.buffer.resize(HEAD, 0);
        open.encoder.encode(stamp, phase, sample, &mut self.buffer);
        let bytes = self.buffer.len();
        let failed = |error| WriteError { path: self.layout.journal(self.number), bytes, error };
        open.writer.append(Kind::Tick, &mut self.buffer).map_err(failed)?;
        self.syncer.wrote(open.writer.len());
        Ok(())
    }

    fn remember(&mut self, stamp: TickStamp, sample: &Sample) {
        for block in sample.blocks.iter().filter(|b| b.stamp.is_none()) {
            let last = &mut self.last[block.table];
            if last.len() < KEPT_BLOCKS {
                last.push(LastBlock { stamp, cells: Vec::new() });
            } else {
                last.rotate_left(1);
            }
            let Some(newest) = last.last_mut() else { continue };
            newest.stamp = stamp;
            newest.cells.clear();
            newest.cells.extend_from_slice(sample.cells_of(block));
        }
    }

    /// Closes the open journal and waits until everything is sealed. Returns messages about journals that could not be
    /// sealed.
    pub fn finish(mut self) -> Vec<String> {
        let now_us = self.last_us;
        // Not sealed by the low-priority thread, because the caller waits.
        let path = self.layout.journal(self.number);
        let is_gone = self.open.is_some() && !self.layout.has_file(&path);
        if let Some(open) = self.open.take() {
            open.writer.close();
        }
        self.syncer.follow(None);
        self.syncer.finish();
        let mut left = self.sealer.finish(now_us);
        if is_gone {
            left.push(format!("{} was removed while it was being written: its rows are lost", path.display()));
        }
        left
    }
}

/// Starts a journal: its header, and the baseline of its first tick. If this fails, the file is removed.
fn begin(
    layout: &Layout,
    catalog: &[TableDef],
    options: &SinkOptions,
    number: u32,
    window: Window,
    last: &[Vec<LastBlock>],
    sample: &Sample,
) -> Result<Open, WriteError> {
    let path = layout.journal(number);
    let bare = Header::new(window.name(), options.session, catalog);
    let again = serde_json::to_string(&bare).unwrap_or_default();
    let header = serde_json::to_string(&bare.declaring(catalog)).unwrap_or_default();
    let failed = |error| WriteError { path: path.clone(), bytes: header.len(), error };
    let start = || {
        layout.make_folder(&layout.journal_folder())?;
        let mut writer = Writer::new(layout.create(&path)?);
        let mut encoder = Encoder::new(catalog).repeating(again.clone());
        let fill = |writer: &mut Writer, encoder: &mut Encoder| {
            let mut buffer = vec![0; HEAD];
            buffer.extend_from_slice(header.as_bytes());
            writer.append(Kind::Header, &mut buffer)?;
            // The header is repeated here, because without it nothing of the hour could be read.
            buffer.truncate(HEAD);
            repeat_header(&again, &mut buffer);
            writer.append(Kind::Baseline, &mut buffer)?;
            for (stamp, sample) in baseline(last, sample) {
                buffer.clear();
                buffer.resize(HEAD, 0);
                encoder.encode(stamp, None, &sample, &mut buffer);
                writer.append(Kind::Baseline, &mut buffer)?;
            }
            Ok::<_, io::Error>(())
        };
        match fill(&mut writer, &mut encoder) {
            Ok(()) => Ok(Open { window, writer, encoder }),
            Err(error) => {
                let _ = layout.remove(&path);
                Err(error)
            }
        }
    };
    start().map_err(failed)
}

/// The last blocks grouped by tick, oldest first.
fn baseline<'c>(last: &[Vec<LastBlock>], sample: &Sample<'c>) -> Vec<(TickStamp, Sample<'c>)> {
    let mut stamps: Vec<TickStamp> = last.iter().flatten().map(|l| l.stamp).collect();
    stamps.sort_by_key(|s| s.mono_ns);
    stamps.dedup();
    let of = |stamp: TickStamp| {
        let mut of = sample.empty_with_texts();
        for (table, last) in last.iter().enumerate() {
            for last in last.iter().filter(|l| l.stamp == stamp) {
                let width = sample.width(table);
                let start = of.cells.len();
                of.cells.extend_from_slice(&last.cells);
                of.blocks.push(Block { table, stamp: None, rows: last.cells.len() / width, start });
            }
        }
        (stamp, of)
    };
    stamps.into_iter().map(of).collect()
}
