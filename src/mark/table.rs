//! Table `mark`.

use super::request::{MarkKind, Request};
use crate::table::Unit::Nanoseconds;
use crate::table::{Charts, Table, label, label_int};

/// One mark.
#[derive(Debug)]
pub struct Row {
    pub request: Request,
    /// `CLOCK_MONOTONIC` when it was received.
    pub mono_ns: u64,
    /// As JSON.
    pub tags: Option<String>,
}

impl Row {
    pub fn new(request: Request, mono_ns: u64) -> Row {
        Row { tags: request.tags(), request, mono_ns }
    }

    fn text(&self, is_event: bool) -> Option<&str> {
        ((self.request.kind() == MarkKind::Event) == is_event).then(|| self.request.text())
    }
}

pub static TABLE: Table<Row> = Table {
    name: "mark",
    source: "perfwatch mark",
    doc: "Notes about the work: one row per mark, at the time when it was received. `phase` is the phase \
          before it.",
    charts: Charts::Not("marks are drawn as bands and lines in all charts, and listed"),
    columns: &[
        label("kind", "`start` and `end` of a phase, or `event`.", |r: &Row| r.request.kind().word().into()),
        label("name", "The phase's name; null for an event.", |r: &Row| r.text(false).into()),
        label("text", "What happened; null for a phase.", |r: &Row| r.text(true).into()),
        label("tags", "The mark's tags as a JSON object of strings; null if there are none.", |r: &Row| {
            r.tags.as_deref().into()
        }),
        label_int(
            "mono_ns",
            Nanoseconds,
            "CLOCK_MONOTONIC when the mark was received, to the microsecond, as in `tick.mono_ns`.",
            |r: &Row| (r.mono_ns / 1000 * 1000).into(),
        ),
    ],
};
