//! The sink appends each tick to the open journal, and has a journal sealed when its window is over.

use std::io;

use super::error::WriteError;
use super::opening::{LastBlock, Open, SinkOptions, begin};
use super::outlet::{Outlet, Tick};
use super::{Sealer, Syncer};
use crate::store::journal::codec::TickStamp;
use crate::store::journal::frame::{FrameKind, HEAD};
use crate::store::layout::{JournalWindow, Layout};
use crate::table::TableDef;
use crate::table::sample::{Cell, Sample};

/// The largest number of old texts that are kept: about 1 MB at ordinary lengths.
const MOST_TEXTS: usize = 10_000;

/// This many blocks of a table are repeated at the start of the next journal.
const KEPT_BLOCKS: usize = 3;

/// Writes the ticks of one session.
pub struct Sink<'c> {
    layout: Layout,
    catalog: &'c [TableDef],
    options: SinkOptions,
    number: u32,
    open: Option<Open>,
    buffer: Vec<u8>,
    /// Last blocks per table, oldest first.
    last: Vec<Vec<LastBlock>>,
    /// Old texts are dropped when there are this many.
    most_texts: usize,
    last_us: i64,
    syncer: Syncer,
    sealer: Sealer,
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
            most_texts: MOST_TEXTS,
            last_us: i64::MIN,
            syncer,
            sealer,
        }
    }

    /// Bytes of the open journal that are known to be on the disk.
    pub fn synced_bytes(&self) -> u64 {
        self.syncer.synced_bytes()
    }

    /// How often the journal could not be synced.
    pub fn sync_failures(&self) -> u64 {
        self.syncer.failures()
    }

    /// Bytes in the open journal.
    pub fn journal_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |o| o.writer.len())
    }

    /// Writes one tick. After this returns, the tick survives the end of the process.
    ///
    /// # Errors
    /// When it could not be written. It is lost, but earlier ticks are not.
    pub fn write(&mut self, stamp: TickStamp, phase: Option<u32>, sample: &Sample) -> Result<(), WriteError> {
        let window = JournalWindow::containing(stamp.ts_us, self.options.rotate);
        if self.open.as_ref().is_some_and(|o| o.window != window) {
            self.rotate(stamp.ts_us);
        }
        let result = self.append(window, stamp, phase, sample);
        if let Err(failed) = &result {
            if failed.error.kind() == io::ErrorKind::FileTooLarge {
                // The limit (`ulimit -f`) is per file, so the next journal has room.
                self.rotate(stamp.ts_us);
            } else if let Some(open) = &mut self.open {
                open.encoder.restart();
            }
        }
        self.remember(stamp, sample);
        self.last_us = stamp.ts_us;
        result
    }

    /// Drops old texts when there are many of them: each event has a different text, and a recording may take weeks. The sample is
    /// empty afterwards.
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
        self.most_texts = sample.texts.len() + MOST_TEXTS;
        if let Some(open) = &mut self.open {
            open.encoder.restart();
        }
    }

    /// Closes the open journal and has it sealed.
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
        window: JournalWindow,
        stamp: TickStamp,
        phase: Option<u32>,
        sample: &Sample,
    ) -> Result<(), WriteError> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let begun = begin(&self.layout, self.catalog, &self.options, self.number, window, &self.last, sample);
                let open = begun.inspect_err(|failed| {
                    // On a full disk it may be impossible to fill a new journal and also to remove it: use the next number.
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
        open.writer.append(FrameKind::Tick, &mut self.buffer).map_err(failed)?;
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

    /// Closes the open journal, and waits until everything is sealed. Returns what could not be sealed, and why.
    pub fn finish(mut self) -> Vec<String> {
        let now_us = self.last_us;
        // Not by the sealing thread with its low priority, since the user waits for this one.
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

impl Outlet for Sink<'_> {
    type Error = WriteError;

    /// Writes one tick: see [`Sink::write`].
    fn tick(&mut self, Tick { stamp, phase, sample }: Tick<'_>) -> Result<(), WriteError> {
        self.write(stamp, phase, sample)
    }
}
