//! The group and the interval of each row of a table: found once per table and used for all of its columns.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;

use super::entities::{Entities, Label};
use super::intervals::Intervals;
use super::patterns::{Block, Patterns, Selection};
use super::read::{BadPiece, in_phase, in_window, texts, timestamps, wrong};
use super::select::{By, Rows};
use super::walk::{Span, Walk};
use crate::store::read::piece::{Piece, ReadError};
use crate::table::{ELAPSED_S, PHASE, TableDef};

/// What distinguishes a group from the others of its entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    #[default]
    Whole,
    /// The time bucket that begins here, in microseconds since the epoch.
    Bucket { start_us: i64 },
    /// The innermost phase.
    Phase(Option<String>),
}

/// Rows that are folded into one result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its index in the entities.
    pub entity: usize,
    pub part: Part,
    /// The number of its chosen rows.
    pub rows: usize,
}

/// The rows of one piece.
#[derive(Debug, Default)]
pub struct PieceRows {
    pub blocks: Range<usize>,
    /// The groups with chosen rows, and their number.
    pub groups: Vec<(u32, usize)>,
    /// The number of all chosen rows.
    pub chosen: usize,
}

/// The rows of a group in one piece. `start` is the index of the first when the rows of the piece are ordered by group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub piece: usize,
    pub start: usize,
    pub rows: usize,
}

#[derive(Debug, Default)]
pub struct RowIndex {
    /// The labels of every entity, in order of appearance.
    pub entities: Vec<Vec<Label>>,
    /// In order of appearance; for [`By::Entity`] in the order of the entities.
    pub groups: Vec<Group>,
    pub pieces: Vec<PieceRows>,
    pub patterns: Patterns,
    pub spans: Vec<Span>,
    /// Those of all groups, ordered by group, and the index after the last of each group.
    shares: Vec<Share>,
    share_ends: Vec<usize>,
    intervals: OnceLock<Intervals>,
}

impl RowIndex {
    /// # Errors
    /// When a piece cannot be read. The caller tries again without it.
    pub fn build(table: &TableDef, pieces: &[Box<dyn Piece + '_>], rows: Rows<'_>, by: By) -> Result<Self, BadPiece> {
        let mut builder = Builder {
            index: RowIndex::default(),
            entities: Entities::new(table.entities().map(|c| c.name).collect()),
            by_part: HashMap::new(),
            counts: Vec::new(),
        };
        for (n, piece) in pieces.iter().enumerate() {
            builder.add(piece.as_ref(), rows, by).map_err(|error| BadPiece { piece: n, error })?;
        }
        Ok(builder.finish(by))
    }

    /// The number of chosen rows.
    pub fn chosen(&self) -> usize {
        self.pieces.iter().map(|piece| piece.chosen).sum()
    }

    /// The index of the first row of each group when the chosen rows are ordered by group.
    pub fn starts(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().scan(0, |next, group| {
            let start = *next;
            *next += group.rows;
            Some(start)
        })
    }

    /// The rows of a group, piece by piece.
    pub fn shares(&self, group: usize) -> &[Share] {
        let start = group.checked_sub(1).map_or(Some(&0), |before| self.share_ends.get(before));
        let range = start.zip(self.share_ends.get(group)).and_then(|(start, end)| self.shares.get(*start..*end));
        range.unwrap_or_default()
    }

    pub fn intervals(&self) -> &Intervals {
        self.intervals.get_or_init(|| Intervals::new(self.walk(), self.groups.len()))
    }

    /// The length of a row's interval; NaN if it has none.
    pub fn elapsed_s(&self, row: usize) -> f64 {
        let span = self.spans.partition_point(|span| span.end <= row);
        self.spans.get(span).map_or(f64::NAN, |span| span.elapsed_s)
    }

    /// The group of every row, in order, with its selection.
    pub fn rows(&self) -> impl Iterator<Item = (u32, Selection)> {
        let of = |block: &Block| {
            let (pattern, selection) = (self.patterns.pattern(block), block.selection);
            std::iter::repeat_n(pattern, block.times).flatten().map(move |group| (*group, selection))
        };
        self.patterns.blocks.iter().flat_map(of)
    }

    /// The group of every row, in order; `None` for rows that are not chosen.
    pub fn chosen_rows(&self) -> impl Iterator<Item = Option<usize>> {
        self.rows().map(|(group, selection)| (selection == Selection::Chosen).then_some(group as usize))
    }

    pub fn walk(&self) -> Walk<'_> {
        Walk::new(&self.patterns, &self.spans)
    }
}

struct Builder {
    index: RowIndex,
    entities: Entities,
    by_part: HashMap<(u32, Part), u32>,
    /// The number of rows of each group in the current piece.
    counts: Vec<usize>,
}

impl Builder {
    fn add(&mut self, piece: &dyn Piece, rows: Rows<'_>, by: By) -> Result<(), ReadError> {
        for chunk in piece.column(ELAPSED_S)? {
            let elapsed = chunk.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong(piece, ELAPSED_S))?;
            match elapsed.nulls().filter(|nulls| nulls.null_count() > 0) {
                None => elapsed.values().iter().for_each(|v| self.push_span(*v)),
                Some(_) => elapsed.iter().for_each(|v| self.push_span(v.unwrap_or(f64::NAN))),
            }
        }
        let in_window = in_window(piece, rows.window)?;
        let in_phase = in_phase(piece, rows.phase)?;
        let parts = parts(piece, by)?;
        let is_out = |of: &Option<Vec<bool>>, row: usize| of.as_ref().is_some_and(|of| of.get(row) != Some(&true));
        let Builder { index, entities, by_part, .. } = self;
        let first = index.patterns.blocks.len();
        // Also for rows that are not chosen, since the entity of the next row is guessed from the one before.
        entities.add_piece(piece, |row, entity| {
            let selection = match () {
                () if is_out(&in_window, row) => Selection::Skipped,
                () if is_out(&in_phase, row) => Selection::OutOfPhase,
                () => Selection::Chosen,
            };
            let group = match &parts {
                None => entity,
                Some(parts) => find_group(entity, parts.at(row), by_part, &mut index.groups),
            };
            index.patterns.push(group, selection);
        })?;
        index.patterns.close();
        let blocks = first..index.patterns.blocks.len();
        self.count(blocks);
        Ok(())
    }

    /// Counts the rows of each group in a piece with these blocks.
    fn count(&mut self, blocks: Range<usize>) {
        let mut rows = PieceRows { blocks: blocks.clone(), ..PieceRows::default() };
        let mut met = Vec::new();
        for block in self.index.patterns.blocks.get(blocks).unwrap_or_default() {
            for group in self.index.patterns.pattern(block).iter().filter(|_| block.selection == Selection::Chosen) {
                let at = *group as usize;
                if at >= self.counts.len() {
                    self.counts.resize(at + 1, 0);
                }
                if let Some(count) = self.counts.get_mut(at) {
                    if *count == 0 {
                        met.push(*group);
                    }
                    *count += block.times;
                }
            }
        }
        for group in met {
            let count = self.counts.get_mut(group as usize).map(std::mem::take).unwrap_or_default();
            rows.groups.push((group, count));
            rows.chosen += count;
        }
        self.index.pieces.push(rows);
    }

    #[inline]
    fn push_span(&mut self, elapsed_s: f64) {
        let spans = &mut self.index.spans;
        let end = spans.last().map_or(0, |r| r.end) + 1;
        match spans.last_mut() {
            Some(span) if span.elapsed_s.to_bits() == elapsed_s.to_bits() => span.end = end,
            _ => spans.push(Span { end, elapsed_s }),
        }
    }

    fn finish(self, by: By) -> RowIndex {
        let Builder { mut index, entities, .. } = self;
        index.entities = entities.labels();
        if by == By::Entity {
            let whole = |entity| Group { entity, part: Part::Whole, rows: 0 };
            index.groups = (0..entities.count()).map(whole).collect();
        }
        let mut ends = vec![0; index.groups.len()];
        for (group, rows) in index.pieces.iter().flat_map(|piece| &piece.groups) {
            if let (Some(group), Some(end)) = (index.groups.get_mut(*group as usize), ends.get_mut(*group as usize)) {
                group.rows += rows;
                *end += 1;
            }
        }
        let mut next: Vec<usize> = Vec::with_capacity(ends.len());
        let mut total = 0;
        for end in &mut ends {
            next.push(total);
            total += *end;
            *end = total;
        }
        index.shares = vec![Share { piece: 0, start: 0, rows: 0 }; total];
        for (n, piece) in index.pieces.iter().enumerate() {
            let mut start = 0;
            for (group, rows) in &piece.groups {
                if let Some(next) = next.get_mut(*group as usize)
                    && let Some(share) = index.shares.get_mut(*next)
                {
                    *share = Share { piece: n, start, rows: *rows };
                    *next += 1;
                }
                start += rows;
            }
        }
        index.share_ends = ends;
        index
    }
}

fn find_group(entity: u32, part: Part, by_part: &mut HashMap<(u32, Part), u32>, groups: &mut Vec<Group>) -> u32 {
    *by_part.entry((entity, part)).or_insert_with_key(|(entity, part)| {
        groups.push(Group { entity: *entity as usize, part: part.clone(), rows: 0 });
        groups.len() as u32 - 1
    })
}

/// The part to which each row of a piece belongs.
enum Parts {
    Buckets { stamps: Vec<i64>, width_us: i64 },
    Phases(Vec<Option<String>>),
}

fn parts(piece: &dyn Piece, by: By) -> Result<Option<Parts>, ReadError> {
    Ok(match by {
        By::Entity => None,
        By::Bucket { width_us } => Some(Parts::Buckets { stamps: timestamps(piece)?, width_us: width_us.max(1) }),
        By::Phase => Some(Parts::Phases(texts(piece, PHASE)?)),
    })
}

impl Parts {
    fn at(&self, row: usize) -> Part {
        match self {
            Parts::Buckets { stamps, width_us } => {
                let ts_us = stamps.get(row).copied().unwrap_or_default();
                Part::Bucket { start_us: ts_us.saturating_sub(ts_us.rem_euclid(*width_us)) }
            }
            Parts::Phases(phases) => Part::Phase(phases.get(row).cloned().flatten()),
        }
    }
}
