//! The results of a fold for a table of a recording.

use super::entities::Label;
use super::index::{Group, Part};
use super::select::By;
use crate::table::{StoredColumn, TableDef};

/// Longer series have no empty buckets. There would be millions of them if the clock was once set to another decade.
pub const MAX_BUCKETS: i64 = 1 << 20;

/// A table, folded.
#[derive(Clone, Debug)]
pub struct Folded<T> {
    pub table: &'static TableDef,
    /// The number of chosen rows.
    pub rows: usize,
    /// The labels of every entity, in order of appearance.
    pub entities: Vec<Vec<Label>>,
    pub groups: Vec<Group>,
    /// Every column with one result per group.
    pub columns: Vec<(&'static StoredColumn, Vec<T>)>,
    pub by: By,
}

impl<T> Folded<T> {
    /// The results of one column, one per group; `None` if it was not folded.
    pub fn column(&self, name: &str) -> Option<&[T]> {
        self.columns.iter().find(|(column, _)| column.name == name).map(|(_, results)| results.as_slice())
    }

    /// The time buckets of an entity in order: the start of each, in microseconds since the epoch, and the result of a column.
    /// They go from the first bucket of the table to the last, so that all entities have the same buckets. A bucket without rows
    /// of this entity has no result. If the table spans more than [`MAX_BUCKETS`], buckets without rows are left out.
    ///
    /// Empty if rows were not grouped by time bucket.
    pub fn series(&self, entity: usize, column: &str) -> Vec<(i64, Option<&T>)> {
        let By::Bucket { width_us } = self.by else { return Vec::new() };
        let start = |group: &Group| match group.part {
            Part::Bucket { start_us } if group.rows > 0 => Some(start_us),
            _ => None,
        };
        let all = || self.groups.iter().filter_map(start);
        let (Some(first), Some(last)) = (all().min(), all().max()) else { return Vec::new() };
        let width = width_us.max(1);
        let results = self.groups.iter().zip(self.column(column).unwrap_or_default());
        let results = results.filter(|(group, _)| group.entity == entity);
        let span = last.saturating_sub(first) / width;
        if span >= MAX_BUCKETS {
            let mut series: Vec<_> =
                results.filter_map(|(group, result)| Some((start(group)?, Some(result)))).collect();
            series.sort_by_key(|(start_us, _)| *start_us);
            return series;
        }
        let place = |start_us: i64| usize::try_from((start_us - first) / width).ok();
        let mut series: Vec<_> = (0..=span).map(|n| (first + n * width, None)).collect();
        for (group, result) in results {
            if let Some(slot) = start(group).and_then(place).and_then(|place| series.get_mut(place)) {
                slot.1 = Some(result);
            }
        }
        series
    }
}
