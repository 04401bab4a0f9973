//! A recording by its phases. A phase contains those inside it, as with `--phase`, so a row can count in several columns.

use super::{Cell, Matrix, MatrixEntity, MatrixRatio, MatrixRow, MatrixTable};
use crate::query::index::Part;
use crate::query::read::BadPiece;
use crate::query::select::chosen;
use crate::query::sums::{Sum, Sums, wider};
use crate::query::{By, Query, View};
use crate::report::model::Ratio;
use crate::report::order::place;
use crate::report::perf::{is_perf, units};
use crate::report::phases::Phase;
use crate::report::ratios::{self, EVENT};
use crate::report::summary::{Request, has_rate, sorted_by_label};
use crate::store::read::piece::{ReadError, Source};
use crate::table::phase::SEPARATOR;
use crate::table::{Kind, StoredColumn};

/// What the column of rows outside all phases is called.
pub const OUTSIDE: &str = "(outside)";

/// The columns: these phases in their order, and what is outside of all phases.
pub fn by_phase(
    source: &dyn Source,
    phases: &[Phase],
    request: &Request<'_>,
    problems: &mut Vec<ReadError>,
    step: &mut dyn FnMut(&str),
) -> Matrix {
    let query = Query::of([source])
        .window(request.rows.window)
        .phase(request.rows.phase)
        .choice(request.choice)
        .threads(request.threads)
        .group(By::Phase);
    let mut columns: Vec<Option<&str>> = phases.iter().map(|phase| Some(phase.phase.as_str())).collect();
    columns.push(None);
    let mut tables: Vec<MatrixTable> = Vec::new();
    for table in chosen(source, request.choice).0 {
        let found =
            query.table(source, table, problems, |view| of_table(view, &query, request, &columns, step).map(Some));
        tables.extend(found);
    }
    tables.sort_by_key(|table| place(table.table));
    let mut matrix =
        Matrix { columns: columns.iter().map(|path| path.unwrap_or(OUTSIDE).to_string()).collect(), tables };
    if !matrix.has_values(columns.len() - 1) {
        matrix.remove_last();
    }
    matrix
}

fn of_table(
    view: &View<'_>,
    query: &Query<'_>,
    request: &Request<'_>,
    phases: &[Option<&str>],
    step: &mut dyn FnMut(&str),
) -> Result<MatrixTable, BadPiece> {
    let table = view.table;
    let units = units(view)?;
    let columns = query.columns(table);
    let results = view.fold(&columns, &Sums { percentiles: false }, &mut || step(table.name))?;
    let index = &view.index;
    // The groups of each entity in each column.
    let mut groups: Vec<Vec<Vec<usize>>> = vec![vec![Vec::new(); phases.len()]; index.entities.len()];
    for (n, group) in index.groups.iter().enumerate().filter(|(_, group)| group.rows > 0) {
        for (column, _) in phases.iter().enumerate().filter(|(_, phase)| is_in(&group.part, **phase)) {
            groups[group.entity][column].push(n);
        }
    }
    let row = |(column, sums): (&&'static StoredColumn, &Vec<Sum>), groups: &[Vec<usize>]| {
        let event_unit = units.iter().enumerate().filter(|(n, _)| groups.iter().any(|of| of.contains(n)));
        let mut event_unit = event_unit.filter_map(|(_, unit)| unit.clone()).filter(|_| column.kind == Kind::Amount);
        let cell = |groups: &Vec<usize>| {
            let of: Vec<&Sum> = groups.iter().filter_map(|group| sums.get(*group)).collect();
            (!of.is_empty()).then(|| cell(column, &of))
        };
        MatrixRow {
            name: column.name,
            kind: column.kind,
            unit: column.unit,
            event_unit: event_unit.next(),
            has_derived: has_rate(table, column),
            values: groups.iter().map(cell).collect(),
            changes: Vec::new(),
        }
    };
    let of_entity = |(labels, groups): (&Vec<_>, &Vec<Vec<usize>>)| MatrixEntity {
        labels: labels.clone(),
        metrics: columns.iter().zip(&results).map(|column| row(column, groups)).collect(),
    };
    let has_rows = |entity: &MatrixEntity| entity.metrics.iter().any(|row| row.values.iter().any(Option::is_some));
    let mut entities: Vec<MatrixEntity> = index.entities.iter().zip(&groups).map(of_entity).filter(has_rows).collect();
    sorted_by_label(&mut entities, |entity| &entity.labels);
    let mut ratios = Vec::new();
    if is_perf(table) {
        let of_event = |entity: &MatrixEntity| entity.labels.iter().find(|l| l.name == EVENT)?.value.clone();
        entities.retain(|entity| request.events.has_event(&of_event(entity).unwrap_or_default()));
        if request.choice.metrics.is_empty() || request.events.is_limited() {
            let counts = ratios::counts(index, view.pieces)?;
            let columns: Vec<Vec<Ratio>> =
                phases.iter().map(|phase| counts.ratios(|part| is_in(part, *phase))).collect();
            ratios = joined(&columns);
            ratios.retain(|ratio| request.events.has_ratio(ratio.ratio));
        }
    }
    Ok(MatrixTable { table: table.name, source: table.source, entities, ratios })
}

/// Are the rows of this part in the phase, or in one inside it? None: outside of all.
fn is_in(part: &Part, phase: Option<&str>) -> bool {
    let Part::Phase(path) = part else { return false };
    match (path.as_deref(), phase) {
        (Some(path), Some(phase)) => {
            path.strip_prefix(phase).is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
        }
        (None, None) => true,
        _ => false,
    }
}

/// The sums of several groups together.
fn cell(column: &StoredColumn, of: &[&Sum]) -> Cell {
    let mut all = Sum::default();
    // Values without an interval count only if there are no others.
    let has_time = of.iter().any(|sum| sum.seconds > 0.0);
    let is_level = column.weight == crate::table::Weight::Row;
    for sum in of {
        all.count += sum.count;
        all.total = match (all.total, sum.total) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        all.seconds += sum.seconds;
        all.range = wider(all.range, sum.range);
        if is_level || !has_time || sum.seconds > 0.0 {
            all.product += sum.product;
            all.weight += sum.weight;
        }
    }
    let per_sec = all.total.filter(|_| all.seconds > 0.0).map(|total| total / all.seconds);
    let mean = (all.weight > 0.0 && column.kind != Kind::Counter).then(|| all.product / all.weight);
    // Rounding must not move the mean outside the measured range.
    let mean = mean.zip(all.range).map(|(mean, (least, most))| mean.clamp(least, most));
    Cell { count: all.count, mean, total: all.total, per_sec }
}

/// The ratios of all columns, each once.
pub(super) fn joined(columns: &[Vec<Ratio>]) -> Vec<MatrixRatio> {
    let mut all: Vec<MatrixRatio> = Vec::new();
    for (column, ratios) in columns.iter().enumerate() {
        for Ratio { ratio, labels, value, unit, .. } in ratios {
            let at = all.iter().position(|own| own.ratio == *ratio && own.labels == *labels).unwrap_or_else(|| {
                let values = vec![None; columns.len()];
                all.push(MatrixRatio { ratio, labels: labels.clone(), unit, values, changes: Vec::new() });
                all.len() - 1
            });
            all[at].values[column] = Some(*value);
        }
    }
    all.sort_by_key(|own| ratios::names().position(|name| name == own.ratio));
    all
}

impl Matrix {
    fn has_values(&self, column: usize) -> bool {
        let mut rows = self.tables.iter().flat_map(|table| &table.entities).flat_map(|entity| &entity.metrics);
        rows.any(|row| row.values.get(column).is_some_and(Option::is_some))
    }

    fn remove_last(&mut self) {
        self.columns.pop();
        let rest = self.columns.len();
        for table in &mut self.tables {
            for row in table.entities.iter_mut().flat_map(|entity| &mut entity.metrics) {
                row.values.truncate(rest);
            }
            table.ratios.iter_mut().for_each(|ratio| ratio.values.truncate(rest));
        }
    }
}
