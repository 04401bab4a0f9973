//! Figures next to each other as CSV: one line per metric and column, in the units of the files, unscaled.

use std::fmt::Write;

use super::{Cell, Change, Matrix, MatrixRatio, MatrixRow};
use crate::report::csv::field;
use crate::report::model::{Report, joined};

/// The recordings by phase.
pub fn by_phase(report: &Report) -> String {
    let mut out = String::from("recording,phase,table,entity,metric,unit,kind,count,mean,total,per_sec\n");
    for recording in &report.recordings {
        let Some(matrix) = &recording.by_phase else { continue };
        let path = field(&recording.path);
        matrix.each(|line| {
            let _ = writeln!(out, "{path},{},{},{}", line.column, line.metric, figures(line.cell));
        });
    }
    out
}

/// The recordings next to each other.
pub fn side_by_side(report: &Report) -> String {
    let mut out = String::from(
        "recording,table,entity,metric,unit,kind,count,mean,total,per_sec,difference,difference_percent\n",
    );
    if let Some(matrix) = &report.side_by_side {
        matrix.each(|line| {
            let change = line.change.map_or_else(
                || ",".into(),
                |Change { difference, percent }| format!("{difference},{}", number(percent)),
            );
            let _ = writeln!(out, "{},{},{},{change}", line.column, line.metric, figures(line.cell));
        });
    }
    out
}

/// A figure of one column.
struct Line<'a> {
    column: &'a str,
    /// Table, entity, metric, unit and kind.
    metric: &'a str,
    cell: &'a Cell,
    change: Option<Change>,
}

fn figures(cell: &Cell) -> String {
    format!("{},{},{},{}", cell.count, number(cell.mean), number(cell.total), number(cell.per_sec))
}

fn number(v: Option<f64>) -> String {
    v.map(|v| v.to_string()).unwrap_or_default()
}

impl Matrix {
    /// Calls `f` for every figure, row by row.
    fn each(&self, mut f: impl FnMut(Line<'_>)) {
        let columns: Vec<String> = self.columns.iter().map(|name| field(name)).collect();
        let mut row = |metric: String, values: &[Option<Cell>], changes: &[Option<Change>]| {
            for (n, (column, cell)) in columns.iter().zip(values).enumerate() {
                let Some(cell) = cell else { continue };
                f(Line { column, metric: &metric, cell, change: changes.get(n).copied().flatten() });
            }
        };
        for table in &self.tables {
            for entity in &table.entities {
                let who = field(&joined(&entity.labels, ";"));
                for own in &entity.metrics {
                    let MatrixRow { name, kind, values, changes, .. } = own;
                    let metric = format!("{},{who},{name},{},{kind}", table.table, field(own.unit_word()));
                    row(metric, values, changes);
                }
            }
            for MatrixRatio { ratio, labels, unit, values, changes } in &table.ratios {
                let who = field(&joined(labels, ";"));
                let cell = |value: &Option<f64>| value.map(|value| Cell { mean: Some(value), ..Cell::default() });
                let cells: Vec<Option<Cell>> = values.iter().map(cell).collect();
                row(format!("{},{who},{ratio},{unit},ratio", table.table), &cells, changes);
            }
        }
    }
}
