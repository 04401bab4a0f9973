//! Several recordings next to each other, and how each differs from the first.

use super::phases::joined;
use super::{Cell, Change, Matrix, MatrixEntity, MatrixRow, MatrixTable};
use crate::query::number::Number;
use crate::report::model::{Entity, Metric, Ratio, Recording, Table};
use crate::report::order::place;
use crate::report::summary::sorted_by_label;

/// One column per recording. Metrics with the same table, labels and name are in one row.
pub fn side_by_side(recordings: &[Recording]) -> Matrix {
    let mut names: Vec<(&'static str, &'static str)> = Vec::new();
    for table in recordings.iter().flat_map(|recording| &recording.tables) {
        if !names.iter().any(|(name, _)| *name == table.table) {
            names.push((table.table, table.source));
        }
    }
    names.sort_by_key(|(name, _)| place(name));
    let table = |(name, source): (&'static str, &'static str)| {
        let of: Vec<Option<&Table>> =
            recordings.iter().map(|recording| recording.tables.iter().find(|table| table.table == name)).collect();
        of_table(name, source, &of)
    };
    Matrix {
        columns: recordings.iter().map(|recording| recording.path.clone()).collect(),
        tables: names.into_iter().map(table).collect(),
    }
}

fn of_table(table: &'static str, source: &'static str, of: &[Option<&Table>]) -> MatrixTable {
    let mut entities: Vec<MatrixEntity> = Vec::new();
    for (column, entity) in
        of.iter().enumerate().flat_map(|(n, t)| t.iter().flat_map(move |t| t.entities.iter().map(move |e| (n, e))))
    {
        add(&mut entities, entity, column, of.len());
    }
    sorted_by_label(&mut entities, |entity| &entity.labels);
    for row in entities.iter_mut().flat_map(|entity| &mut entity.metrics) {
        let shown: Vec<Option<f64>> = row.shown().collect();
        row.changes = changes(&shown);
    }
    let columns: Vec<Vec<Ratio>> =
        of.iter().map(|table| table.map_or_else(Vec::new, |table| table.ratios.clone())).collect();
    let mut ratios = joined(&columns);
    for ratio in &mut ratios {
        ratio.changes = changes(&ratio.values);
    }
    MatrixTable { table, source, entities, ratios }
}

/// Adds the metrics of an entity to its rows.
fn add(entities: &mut Vec<MatrixEntity>, entity: &Entity, column: usize, columns: usize) {
    let at = entities.iter().position(|own| own.labels == entity.labels).unwrap_or_else(|| {
        entities.push(MatrixEntity { labels: entity.labels.clone(), metrics: Vec::new() });
        entities.len() - 1
    });
    let rows = &mut entities[at].metrics;
    for metric in &entity.metrics {
        let at = rows.iter().position(|row| row.name == metric.name).unwrap_or_else(|| {
            rows.push(MatrixRow {
                name: metric.name,
                kind: metric.kind,
                unit: metric.unit,
                event_unit: metric.event_unit.clone(),
                has_derived: metric.has_derived,
                values: vec![None; columns],
                changes: Vec::new(),
            });
            rows.len() - 1
        });
        rows[at].values[column] = Some(cell(metric));
    }
}

fn cell(metric: &Metric) -> Cell {
    let stats = &metric.stats;
    Cell { count: stats.count, mean: stats.mean, total: stats.total.map(Number::as_f64), per_sec: stats.per_sec }
}

/// Of each figure to the first; none where one of both is missing.
fn changes(shown: &[Option<f64>]) -> Vec<Option<Change>> {
    let first = shown.first().copied().flatten();
    let change = |(n, new): (usize, &Option<f64>)| Some(Change::of(first?, (*new).filter(|_| n > 0)?));
    shown.iter().enumerate().map(change).collect()
}
