//! The program's own numbers: one line per name and labels. A gauge is shown by its level, a counter by its rate.

use super::entities::{cells, columns};
use super::{Group, Options, Section};
use crate::report::model::Table;
use crate::text::words;

/// More are hardly read; a histogram alone has a dozen.
const MOST: usize = 60;

pub fn section(table: &Table, options: Options<'_>) -> Section {
    let mut section = Section { title: table.table.into(), aside: table.source.into(), ..Section::default() };
    section.columns = columns(options, false);
    let mut group = Group::default();
    let mut silent = Vec::new();
    for entity in &table.entities {
        match entity.metrics.iter().find(|metric| metric.stats.count > 0) {
            Some(metric) => {
                group.rows.push((entity.name(), cells(entity, metric, options, false)));
                group.traces.push(metric.trace.clone());
            }
            None => silent.push(entity.name()),
        }
    }
    let hidden = if options.all { 0 } else { group.rows.len().saturating_sub(MOST) };
    group.rows.truncate(group.rows.len() - hidden);
    group.traces.truncate(group.rows.len());
    section.groups.push(group);
    section.notes.extend((hidden > 0).then(|| {
        let more = words::count(hidden as u64, "more number");
        format!("{more}; --table {} --all shows them", table.table)
    }));
    match silent.len() {
        0 => {}
        1..=MANY_SILENT => {
            section.notes.push(format!("no value, or a counter that was read once: {}", silent.join(", ")))
        }
        n => section.notes.push(format!("{n} numbers without a value, or counters that were read once")),
    }
    section
}

/// More names without a value would only fill the screen.
const MANY_SILENT: usize = 6;
