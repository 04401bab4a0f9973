//! Performance counters and the program's own numbers: a grid of events or numbers, each of which opens its chart. Without a script, opening one closes the
//! others where the browser knows how.

use std::fmt::Write;

use super::figure::{Figure, Line};
use super::section::{Section, details};
use super::shown::{amount, drawn_unit, mean, mean_text, rate};
use super::tables::{self, Grid};
use crate::chart::colour::ink;
use crate::chart::escape::escape;
use crate::chart::series::Point;
use crate::chart::time::TimeAxis;
use crate::query::number::Number;
use crate::report::model::{Entity, Metric, joined};
use crate::report::ratios::{BYTES_PER_SEC, PERCENT, ratio_value};
use crate::table::human::{digits, scaled};
use crate::table::{Chart, Kind};

/// At most this many events have a chart; the others are in the table.
const MOST_EVENTS: usize = 48;

/// The chart of each event, with its index.
pub fn figures(section: &Section<'_>, chart: &Chart, time: &TimeAxis) -> Vec<(usize, Figure)> {
    let mut figures = Vec::new();
    for (n, entity) in section.table.entities.iter().enumerate().take(MOST_EVENTS) {
        let Some(metric) = drawn(entity, chart) else { continue };
        let Some(column) = section.series.column(metric.name) else { continue };
        let (unit, factor) = drawn_unit(column.column, metric.event_unit.as_deref());
        let scale = |p: &Point| Point { mean: p.mean * factor, low: p.low * factor, high: p.high * factor, ..*p };
        let points: Vec<Point> = section.series.points(metric.name, n).iter().map(scale).collect();
        let line = Line {
            name: entity.name(),
            value: mean_text(metric).unwrap_or_default(),
            points: &points,
            ink: ink(0),
            is_thin: false,
        };
        let id = format!("{}-{n}", section.table.table);
        figures.extend(Figure::lines(id, &entity.name(), about(metric), unit, &[line], time).map(|figure| (n, figure)));
    }
    figures
}

/// The metric by which an entity is drawn: the first with values.
fn drawn<'e>(entity: &'e Entity, chart: &Chart) -> Option<&'e Metric> {
    let mut metrics = chart.columns.iter().filter_map(|name| entity.metric(name));
    metrics.find(|metric| metric.stats.count > 0)
}

/// A level needs no remark.
fn about(metric: &Metric) -> &'static str {
    if metric.kind == Kind::Gauge { "" } else { "per second" }
}

/// The grid, the ratios, and the table of all events.
pub fn html(section: &Section<'_>, time: &TimeAxis) -> String {
    let mut out = ratios(section);
    let Some(chart) = section.charts.first() else { return out };
    let figures = figures(section, chart, time);
    if !figures.is_empty() {
        out += "<div class=\"events\">\n";
        for (k, (n, figure)) in figures.iter().enumerate() {
            let Some((entity, metric)) = section.table.entities.get(*n).and_then(|e| Some((e, drawn(e, chart)?)))
            else {
                continue;
            };
            let open = if k == 0 { " open" } else { "" };
            let spark = tables::sparkline(&section.series, metric.name, *n, (time.from_us, time.to_us));
            let _ = write!(
                out,
                "<details name=\"{}\"{open}><summary>{} <b>{}</b> {spark}</summary>\n{}</details>\n",
                section.table.table,
                escape(&entity.name()),
                tables::unbroken(&mean_text(metric).unwrap_or_default()),
                figure.html(time)
            );
        }
        out += "</div>\n";
    }
    let are_counts = section
        .charts
        .iter()
        .flat_map(|chart| chart.columns)
        .any(|name| section.series.column(name).is_some_and(|column| column.column.kind == Kind::Amount));
    out + &match are_counts {
        true => details("All events", false, &table(section, chart)),
        false => details("All numbers", false, &numbers(section, chart)),
    }
}

/// The statistics of each number.
fn numbers(section: &Section<'_>, chart: &Chart) -> String {
    let heads = ["number", "mean", "p50", "p95", "p99", "max"];
    let heads: Vec<(String, bool)> = heads.iter().enumerate().map(|(n, head)| (head.to_string(), n > 0)).collect();
    let mut grid = Grid::new("", &heads);
    for entity in &section.table.entities {
        let Some(metric) = drawn(entity, chart) else { continue };
        let s = &metric.stats;
        let mean = s.mean.map(|mean| (mean, scaled(mean, metric.unit)));
        let others = [s.p50, s.p95, s.p99, s.max].map(|v| v.map(|v| (v.as_f64(), scaled(v.as_f64(), metric.unit))));
        let cells = [mean].into_iter().chain(others).map(tables::number);
        grid.row(&[tables::head(&entity.name())].into_iter().chain(cells).collect::<Vec<_>>());
    }
    grid.done()
}

fn table(section: &Section<'_>, chart: &Chart) -> String {
    let heads = ["event", "total", "per second", "p50", "p95", "p99", "max", "counted"];
    let heads: Vec<(String, bool)> = heads.iter().enumerate().map(|(n, head)| (head.to_string(), n > 0)).collect();
    let mut grid = Grid::new("", &heads);
    for entity in &section.table.entities {
        let Some(metric) = chart.columns.first().and_then(|name| entity.metric(name)) else { continue };
        let mut cells = vec![tables::head(&entity.name())];
        let total = metric.stats.total.map(Number::as_f64);
        cells.push(tables::number(total.map(|v| (v, amount(v, metric)))));
        cells.push(tables::number(mean(metric).zip(mean_text(metric))));
        let rates = metric.rates.as_ref().map(|r| [r.p50, r.p95, r.p99, r.max]);
        match rates {
            Some(rates) => cells.extend(rates.map(|v| tables::number(Some((v, rate(v, metric)))))),
            None => cells.extend([const { None }; 4].map(tables::number)),
        }
        let running = entity.metric("running_percent").and_then(|m| m.stats.mean);
        cells.push(tables::number(running.map(|v| (v, format!("{} %", digits(v))))));
        grid.row(&cells);
    }
    grid.done()
}

/// Ratios of events, such as instructions per cycle.
fn ratios(section: &Section<'_>) -> String {
    let ratios = &section.table.ratios;
    if ratios.is_empty() {
        return String::new();
    }
    let heads = [("ratio", false), ("of", false), ("value", true)].map(|(head, is)| (head.to_string(), is));
    let mut grid = Grid::new("Derived ratios, from the sums of their events", &heads);
    for ratio in ratios {
        let shown = match ratio.unit {
            PERCENT | BYTES_PER_SEC => ratio_value(ratio.value, ratio.unit),
            unit => format!("{} {unit}", digits(ratio.value)),
        };
        grid.row(&[
            tables::head(ratio.ratio),
            tables::text(&joined(&ratio.labels, " ")),
            tables::number(Some((ratio.value, shown.trim_end().to_string()))),
        ]);
    }
    grid.done()
}
