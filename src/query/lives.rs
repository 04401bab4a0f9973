//! The rows whose counters do not continue from the entity's previous row: the entity began during the recording, so
//! they began at zero; or it had another name until now (a process that executed another program).

use std::collections::HashMap;

use super::entities::Label;
use super::index::RowIndex;
use super::patterns::Selection;
use super::read::{BadPiece, flags, integers, timestamps};
use super::select::{By, Rows};
use crate::store::read::piece::Piece;
use crate::table::TableDef;

/// The value from which the counters of a row grew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Zero, in this time.
    Zero {
        seconds: f64,
    },
    /// The values in the last row of this entity.
    Continues {
        from: usize,
    },
    Unknown,
}

/// The rows whose counters do not continue from the previous row, in order.
#[derive(Debug, Default, PartialEq)]
pub struct Lives {
    starts: Vec<(usize, Start)>,
}

/// Twice the precision of process start times, which is 10 ms.
const STEPS_US: i64 = 20_000;

impl Lives {
    /// Empty for a table that does not mark new entities.
    ///
    /// # Errors
    /// When a piece cannot be read.
    pub fn find(
        table: &TableDef,
        index: &RowIndex,
        pieces: &[Box<dyn Piece + '_>],
        rows: Rows<'_>,
        by: By,
    ) -> Result<Lives, BadPiece> {
        let Some(is_new) = table.life.is_new else { return Ok(Lives::default()) };
        // Growth belongs to a phase only if it is of the interval of the row.
        let within_interval = rows.phase.is_some() || by == By::Phase;
        let earliest_us = if within_interval { i64::MAX } else { rows.window.from_us };
        let mut finder = Finder {
            bearers: bearers(index, table.life.may_change),
            entity_of: HashMap::new(),
            bearer_of: vec![None; index.entities.len()],
            starts: Vec::new(),
        };
        let mut rows_of_all = index.rows().enumerate();
        for (n, piece) in pieces.iter().enumerate() {
            let bad = |error| BadPiece { piece: n, error };
            let flags = flags(piece.as_ref(), is_new).map_err(bad)?;
            let stamps = timestamps(piece.as_ref()).map_err(bad)?;
            let began = match table.life.began {
                Some(name) => integers(piece.as_ref(), name).map_err(bad)?,
                None => vec![None; flags.len()],
            };
            for ((is_new, ts_us), began_ms) in flags.into_iter().zip(stamps).zip(began) {
                let Some((row, (group, selection))) = rows_of_all.next() else { break };
                let Some(group) = index.groups.get(group as usize).filter(|_| selection != Selection::Skipped) else {
                    continue;
                };
                let begins = is_new == Some(true);
                let seconds = begins.then(|| lived(earliest_us, index.elapsed_s(row), ts_us, began_ms)).flatten();
                finder.row(row, group.entity, is_new, began_ms, seconds);
            }
        }
        Ok(Lives { starts: finder.starts })
    }

    /// The row of the nth start.
    #[inline]
    pub fn row(&self, n: usize) -> Option<usize> {
        self.starts.get(n).map(|(row, _)| *row)
    }

    pub fn start(&self, n: usize) -> Option<Start> {
        self.starts.get(n).map(|(_, start)| *start)
    }
}

/// The seconds in which a row's counters grew from zero; `None` if part of that time is before both its interval and
/// `earliest_us`.
fn lived(earliest_us: i64, elapsed_s: f64, ts_us: i64, began_ms: Option<i64>) -> Option<f64> {
    let elapsed_s = elapsed_s.max(0.0);
    let Some(began_us) = began_ms.map(|ms| ms.saturating_mul(1000)) else { return Some(elapsed_s) };
    let earliest_us = ts_us.saturating_sub((elapsed_s * 1e6) as i64).min(earliest_us);
    (began_us.saturating_add(STEPS_US) >= earliest_us)
        .then(|| elapsed_s.max(ts_us.saturating_sub(began_us) as f64 / 1e6))
}

/// The bearer of each entity's counters: entities that differ only in the column that may change have the same bearer.
fn bearers(index: &RowIndex, may_change: Option<&str>) -> Vec<usize> {
    let mut known: HashMap<Vec<Option<String>>, usize> = HashMap::new();
    let lasting = |labels: &Vec<Label>| -> Vec<Option<String>> {
        labels.iter().filter(|l| Some(l.name) != may_change).map(|l| l.value.clone()).collect()
    };
    let number = |labels: &Vec<Label>| {
        let next = known.len();
        *known.entry(lasting(labels)).or_insert(next)
    };
    index.entities.iter().map(number).collect()
}

/// A bearer, and when it began.
type Bearer = (usize, Option<i64>);

struct Finder {
    /// Of each entity.
    bearers: Vec<usize>,
    /// The last entity of each bearer.
    entity_of: HashMap<Bearer, usize>,
    /// The last bearer of each entity.
    bearer_of: Vec<Option<Bearer>>,
    starts: Vec<(usize, Start)>,
}

impl Finder {
    fn row(&mut self, row: usize, entity: usize, is_new: Option<bool>, began_ms: Option<i64>, seconds: Option<f64>) {
        let Some(last) = self.bearer_of.get_mut(entity) else { return };
        let bearer = (self.bearers.get(entity).copied().unwrap_or(0), began_ms);
        let before = last.replace(bearer);
        let start = match is_new {
            Some(true) => Some(seconds.map_or(Start::Unknown, |seconds| Start::Zero { seconds })),
            // Most rows.
            Some(false) if before == Some(bearer) && self.entity_of.get(&bearer) == Some(&entity) => return,
            Some(false) => match self.entity_of.get(&bearer) {
                Some(from) => Some(Start::Continues { from: *from }),
                None => before.map(|_| Start::Unknown),
            },
            // Older recordings do not mark new entities: the counters continue.
            None => None,
        };
        self.entity_of.insert(bearer, entity);
        self.starts.extend(start.map(|start| (row, start)));
    }
}
