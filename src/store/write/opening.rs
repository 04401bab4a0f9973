//! Opening a journal: its header, and what the rates of its first tick need.

use std::io;
use std::time::Duration;

use super::error::WriteError;
use crate::store::journal::codec::{Encoder, TickStamp, repeat_header};
use crate::store::journal::frame::{FrameKind, HEAD};
use crate::store::journal::{Header, Writer};
use crate::store::layout::{JournalWindow, Layout};
use crate::table::TableDef;
use crate::table::sample::{Block, Cell, Sample};

/// Settings of a sink.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Length of the wall-clock window that a journal covers: an hour, or a divisor of it.
    pub rotate: Duration,
    /// The session that writes.
    pub session: u32,
    /// The number of its first journal.
    pub first_journal: u32,
}

pub(super) struct Open {
    pub window: JournalWindow,
    pub writer: Writer,
    pub encoder: Encoder,
}

/// Needed for the rates of a new journal's first tick: the last block, and earlier ones for counters that went back and return.
pub(super) struct LastBlock {
    pub stamp: TickStamp,
    pub cells: Vec<Cell>,
}

/// Opens a journal and writes its header and the baseline of its first tick. If that fails, the file is removed.
pub(super) fn begin(
    layout: &Layout,
    catalog: &[TableDef],
    options: &SinkOptions,
    number: u32,
    window: JournalWindow,
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
            writer.append(FrameKind::Header, &mut buffer)?;
            // A second copy immediately, because without a header nothing in the journal can be read.
            buffer.truncate(HEAD);
            repeat_header(&again, &mut buffer);
            writer.append(FrameKind::Baseline, &mut buffer)?;
            for (stamp, sample) in baseline(last, sample) {
                buffer.clear();
                buffer.resize(HEAD, 0);
                encoder.encode(stamp, None, &sample, &mut buffer);
                writer.append(FrameKind::Baseline, &mut buffer)?;
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

/// The last blocks, grouped by tick, oldest first.
fn baseline<'c>(last: &[Vec<LastBlock>], sample: &Sample<'c>) -> Vec<(TickStamp, Sample<'c>)> {
    let mut stamps: Vec<TickStamp> = last.iter().flatten().map(|l| l.stamp).collect();
    stamps.sort_by_key(|s| s.mono_ns);
    stamps.dedup();
    let tick = |stamp: TickStamp| {
        let mut tick = sample.empty_with_texts();
        for (table, last) in last.iter().enumerate() {
            for last in last.iter().filter(|l| l.stamp == stamp) {
                let width = sample.width(table);
                let start = tick.cells.len();
                tick.cells.extend_from_slice(&last.cells);
                tick.blocks.push(Block { table, stamp: None, rows: last.cells.len() / width, start });
            }
        }
        (stamp, tick)
    };
    stamps.into_iter().map(tick).collect()
}
