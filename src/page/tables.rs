//! Tables of a page. Each number has its value with six digits beside it (`data-v`), by which a script sorts.

use std::fmt::Write;

use super::choose::is_listed;
use super::data::TableSeries;
use super::shown::{amount, mean, mean_text, rate};
use crate::chart::escape::escape;
use crate::chart::spark;
use crate::query::number::Number;
use crate::report::model::{Entity, Metric, Table};
use crate::table::Kind;
use crate::table::human::scaled;

/// A table of HTML. Rows are complete before they are added.
pub struct Grid {
    out: String,
}

impl Grid {
    /// `heads`: the title of each column, and whether it has numbers.
    pub fn new(caption: &str, heads: &[(String, bool)]) -> Grid {
        let mut out = String::from("<div class=\"wide\" tabindex=\"0\"><table cellpadding=\"3\">");
        if !caption.is_empty() {
            let _ = write!(out, "<caption align=left>{}</caption>", escape(caption));
        }
        out += "<thead><tr>";
        for (head, is_number) in heads {
            let align = if *is_number { " align=right" } else { " align=left" };
            let _ = write!(out, "<th scope=col{align}>{}</th>", escape(head));
        }
        out += "</tr></thead><tbody>\n";
        Grid { out }
    }

    pub fn row(&mut self, cells: &[String]) {
        self.out += "<tr>";
        cells.iter().for_each(|cell| self.out += cell);
        self.out += "</tr>\n";
    }

    /// A row that begins a group.
    pub fn group(&mut self, title: &str, columns: usize) {
        let _ = writeln!(
            self.out,
            "<tr class=\"group\"><th scope=\"colgroup\" align=left colspan=\"{columns}\">{}</th></tr>",
            escape(title)
        );
    }

    pub fn done(self) -> String {
        self.out + "</tbody></table></div>\n"
    }
}

/// The first cell of a row.
pub fn head(text: &str) -> String {
    format!("<th scope=row align=left>{}</th>", escape(text))
}

pub fn text(text: &str) -> String {
    format!("<td>{}</td>", escape(text))
}

/// A number: its exact value, and as it is written.
pub fn number(value: Option<(f64, String)>) -> String {
    match value {
        Some((v, shown)) => {
            format!("<td align=right data-v={}>{}</td>", six_digits(v), unbroken(&shown))
        }
        None => "<td></td>".into(),
    }
}

/// Six significant digits, in few bytes.
fn six_digits(v: f64) -> String {
    let rounded: f64 = format!("{v:.5e}").parse().unwrap_or(v);
    let (plain, short) = (rounded.to_string(), format!("{rounded:e}"));
    if short.len() < plain.len() { short } else { plain }
}

/// A number that stays on one line with its unit.
pub fn unbroken(text: &str) -> String {
    escape(text).replace(' ', "\u{a0}")
}

pub fn picture(svg: String) -> String {
    format!("<td>{svg}</td>")
}

/// All statistics of the listed metrics, entity by entity. Empty if there are none.
pub fn statistics(table: &Table, series: &TableSeries, span: (i64, i64)) -> String {
    const HEADS: [&str; 8] = ["metric", "over time", "mean", "p50", "p95", "p99", "max", "total"];
    let heads: Vec<(String, bool)> =
        HEADS.iter().map(|h| (h.to_string(), !["metric", "over time"].contains(h))).collect();
    let mut grid = Grid::new("", &heads);
    let mut notes = Vec::new();
    let mut rows = 0;
    for (n, entity) in table.entities.iter().enumerate() {
        let listed = || entity.metrics.iter().filter(|m| is_listed(m));
        let zero: Vec<&str> = listed().filter(|m| is_zero(m)).map(|m| m.name).collect();
        let shown: Vec<&Metric> = listed().filter(|m| !is_zero(m)).collect();
        let name = entity.name();
        if !name.is_empty() && !shown.is_empty() {
            grid.group(&name, HEADS.len());
        }
        for metric in shown {
            grid.row(&row(metric, series, n, span));
            rows += 1;
        }
        if !zero.is_empty() {
            let of = if name.is_empty() { String::new() } else { format!("{name}: ") };
            notes.push(format!("{of}always 0: {}", zero.join(", ")));
        }
    }
    let mut out = if rows > 0 { grid.done() } else { String::new() };
    for note in notes {
        let _ = write!(out, "<p class=\"note\"><small>{}</small></p>", escape(&note));
    }
    out
}

pub fn is_zero(metric: &Metric) -> bool {
    metric.stats.max.or(metric.stats.total).is_none_or(|v| v.as_f64() == 0.0)
}

fn row(metric: &Metric, series: &TableSeries, entity: usize, span: (i64, i64)) -> Vec<String> {
    let stats = &metric.stats;
    let of = |v: Option<f64>| number(v.map(|v| (v, level(v, metric))));
    let spread = match &metric.rates {
        // Events: per second.
        Some(rates) => [rates.p50, rates.p95, rates.p99, rates.max].map(|v| number(Some((v, rate(v, metric))))),
        None => [stats.p50, stats.p95, stats.p99, stats.max].map(|v| of(v.map(Number::as_f64))),
    };
    let mut cells = vec![head(metric.name), picture(sparkline(series, metric.name, entity, span))];
    cells.push(number(mean(metric).zip(mean_text(metric))));
    cells.extend(spread);
    let total = stats.total.map(Number::as_f64);
    cells.push(number(total.map(|v| (v, amount(v, metric)))));
    cells
}

fn level(v: f64, metric: &Metric) -> String {
    scaled(v, metric.unit)
}

/// The line of a metric of an entity, if its values were read.
pub fn sparkline(series: &TableSeries, metric: &str, entity: usize, span: (i64, i64)) -> String {
    let Some(column) = series.column(metric) else { return String::new() };
    match (column.sparks.get(&entity), column.lines.get(&entity)) {
        (Some(values), _) => spark::line(values),
        (None, Some(points)) => spark::line(&super::data::thin(points, span)),
        (None, None) => String::new(),
    }
}

/// One row per entity, in this order: means of these metrics, and the largest value of the first.
pub fn entities(
    table: &Table,
    order: &[usize],
    metrics: &[&'static str],
    series: &TableSeries,
    span: (i64, i64),
) -> String {
    let Some(first) = table.entities.first() else { return String::new() };
    let mut heads: Vec<(String, bool)> = first.labels.iter().map(|l| (l.name.to_string(), false)).collect();
    let key = metrics.first().copied().unwrap_or("");
    heads.push((format!("{key} over time"), false));
    for metric in metrics {
        heads.push((metric.to_string(), true));
        if *metric == key {
            heads.push(("max".into(), true));
        }
    }
    let mut grid = Grid::new("", &heads);
    for n in order {
        let Some(entity) = table.entities.get(*n) else { continue };
        let mut cells = names(entity);
        cells.push(picture(sparkline(series, key, *n, span)));
        for name in metrics {
            let metric = entity.metric(name);
            cells.push(number(metric.and_then(|m| Some((mean(m)?, mean_text(m)?)))));
            if *name == key {
                let max = metric.and_then(|m| Some((m.stats.max?.as_f64(), m)));
                cells.push(number(max.map(|(v, m)| (v, level(v, m)))));
            }
        }
        grid.row(&cells);
    }
    grid.done()
}

fn names(entity: &Entity) -> Vec<String> {
    let mut cells: Vec<String> = Vec::new();
    for (n, label) in entity.labels.iter().enumerate() {
        let value = label.value.as_deref().unwrap_or("");
        cells.push(if n == 0 { head(value) } else { text(value) });
    }
    cells
}

/// Is the metric worth a column in a table of entities?
pub fn has_values(table: &Table, metric: &str) -> bool {
    table.entities.iter().filter_map(|e| e.metric(metric)).any(|m| m.kind != Kind::Label && m.stats.count > 0)
}
