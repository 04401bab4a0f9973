//! What of a table is drawn. A page with every series of a large machine would be too large to open, so it has the
//! columns that the table declares as its most important ones, and of many entities the largest and the one that
//! changed most. The page says what it left out.

use std::collections::HashMap;

use super::data::Wanted;
use super::shown::mean;
use crate::query::number::Number;
use crate::report::model::{Entity, Metric, Table};
use crate::table::{Chart, Charts, Form, Kind, TableDef, chart_of};

/// The most lines in a chart, as many as there are colours.
pub const MOST_LINES: usize = 6;
/// The most rows of a table of entities.
pub const MOST_ROWS: usize = 60;
/// A table with more entities has no statistics of every metric and entity.
pub const FEW_ENTITIES: usize = 8;
/// The charts of a table that declares none.
const DEFAULT_CHARTS: usize = 6;

/// How much is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Amount {
    #[default]
    Headline,
    /// Every metric, and every entity.
    All,
}

/// The charts of a table: those that it declares, else one for each of its first metrics. `All`: also one for each
/// metric that is in none of them.
pub fn charts(table: &Table, def: &TableDef, amount: Amount) -> Vec<Chart> {
    let declared = crate::collect::catalog::table(table.table).unwrap_or(def).charts;
    let mut charts = declared.all().to_vec();
    // A column may be missing in the recording of another build.
    charts.retain(|chart| chart.columns.iter().any(|name| def.stored.iter().any(|c| c.name == *name)));
    let is_drawn = |charts: &[Chart], name: &str| charts.iter().any(|chart| chart.columns.contains(&name));
    let is_unknown = matches!(declared, Charts::Unknown);
    if is_unknown || amount == Amount::All && !matches!(declared, Charts::Not(_)) {
        let most = if amount == Amount::All { usize::MAX } else { DEFAULT_CHARTS };
        let first = table.entities.first();
        let more = first.iter().flat_map(|e| &e.metrics).filter(|m| !m.has_derived && !is_drawn(&charts, m.name));
        let more: Vec<Chart> = more.map(|m| chart_of(m.name)).take(most).collect();
        charts.extend(more);
    }
    charts
}

/// The entities, those with the largest mean of this metric first. Those without a value come last, in their order.
pub fn ranked(table: &Table, metric: &str) -> Vec<usize> {
    let size = |entity: &Entity| entity.metric(metric).and_then(mean).unwrap_or(f64::NEG_INFINITY);
    let mut ranked: Vec<(f64, usize)> = table.entities.iter().enumerate().map(|(n, e)| (size(e), n)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, n)| n).collect()
}

/// The entities with a line of their own: all if they fit; else the largest, and the one that changed most. One place
/// is left for the others.
fn lines(table: &Table, metric: &str, amount: Amount) -> Vec<usize> {
    let ranked = ranked(table, metric);
    if ranked.len() <= MOST_LINES || amount == Amount::All {
        return ranked;
    }
    let change = |n: &usize| {
        let stats = table.entities.get(*n).and_then(|e| e.metric(metric)).map(|m| &m.stats)?;
        Some(stats.max.map(Number::as_f64)? - stats.min.map(Number::as_f64)?)
    };
    let (largest, others) = ranked.split_at(MOST_LINES - 2);
    let changed = others.iter().filter_map(|n| Some((change(n)?, *n))).max_by(|a, b| a.0.total_cmp(&b.0));
    let changed = changed.map(|(_, n)| n).or_else(|| others.first().copied());
    largest.iter().copied().chain(changed).collect()
}

/// All values that the charts, tables and the summary of the page need.
pub fn wanted(table: &Table, charts: &[Chart], amount: Amount) -> Wanted {
    let mut wanted = Wanted { is_heat: charts.iter().any(|c| c.form == Form::Heat), ..Wanted::default() };
    let all: Vec<usize> = (0..table.entities.len()).collect();
    let is_choice = charts.iter().any(|c| c.form == Form::Choice);
    let mut columns: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for name in charts.iter().flat_map(|c| c.columns.iter().copied()) {
        let lines = if is_choice { all.clone() } else { lines(table, name, amount) };
        columns.insert(name, lines);
    }
    if table.entities.len() <= FEW_ENTITIES {
        let metrics = table.entities.iter().flat_map(|e| &e.metrics).filter(|m| is_listed(m));
        for metric in metrics {
            columns.entry(metric.name).or_insert_with(|| all.clone());
        }
    }
    let first = charts.first().and_then(|c| c.columns.first());
    wanted.sparks = match first {
        Some(first) => ranked(table, first).into_iter().take(MOST_ROWS).collect(),
        None => Vec::new(),
    };
    wanted.columns = columns;
    wanted
}

/// Has a row in the table of statistics: not a counter whose rate or share has one.
pub fn is_listed(metric: &Metric) -> bool {
    metric.stats.count > 0 && (metric.kind != Kind::Counter || !metric.has_derived)
}
