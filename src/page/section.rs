//! The section of a table: its charts, the table of its entities, and all statistics.

use std::collections::HashMap;
use std::fmt::Write;

use super::choose::{Amount, FEW_ENTITIES, MOST_ROWS, charts, ranked, wanted};
use super::data::{Origin, TableSeries, load};
use super::events;
use super::figure::{Figure, Line};
use super::shown::{drawn_unit, mean_text};
use super::tables;
use crate::chart::colour::ink;
use crate::chart::escape::escape;
use crate::chart::series::Point;
use crate::chart::time::TimeAxis;
use crate::query::number::Number;
use crate::report::model::{Entity, Table};
use crate::store::read::piece::ReadError;
use crate::table::{Chart, Form, StoredColumn, Unit};
use crate::text::words;

/// A table with the values that are drawn of it.
pub struct Section<'a> {
    pub table: &'a Table,
    pub charts: Vec<Chart>,
    pub series: TableSeries,
}

impl<'a> Section<'a> {
    /// None if the recording has no such table (any more).
    pub fn load(
        origin: &Origin<'_>,
        table: &'a Table,
        amount: Amount,
        problems: &mut Vec<ReadError>,
    ) -> Option<Section<'a>> {
        let def = origin.source.tables().into_iter().find(|def| def.name == table.table)?;
        let charts = charts(table, def, amount);
        let series = load(origin, table, &wanted(table, &charts, amount), problems);
        Some(Section { table, charts, series })
    }

    fn column(&self, name: &str) -> Option<&StoredColumn> {
        self.series.column(name).map(|c| c.column)
    }

    /// The charts, and what was left out of them.
    pub fn figures(&self, time: &TimeAxis, left_out: &mut Vec<String>) -> Vec<Figure> {
        let mut figures = Vec::new();
        for chart in &self.charts {
            match chart.form {
                Form::Shares => figures.extend(self.shares(chart, time)),
                Form::Heat => figures.extend(self.heat(chart, time)),
                Form::Choice => {
                    figures.extend(events::figures(self, chart, time).into_iter().map(|(_, figure)| figure))
                }
                Form::Lines => self.lines(chart, time, &mut figures, left_out),
            }
        }
        figures
    }

    fn id(&self, column: &str) -> String {
        format!("{}-{column}", self.table.table)
    }

    fn lines(&self, chart: &Chart, time: &TimeAxis, figures: &mut Vec<Figure>, left_out: &mut Vec<String>) {
        if self.table.entities.len() == 1 {
            // Columns with another unit, in the recording of another build, have a chart of their own.
            let mut by_unit: Vec<(Unit, Vec<&'static str>)> = Vec::new();
            for name in chart.columns {
                let Some(unit) = self.column(name).map(|c| drawn_unit(c, None).0) else { continue };
                match by_unit.iter_mut().find(|(known, _)| *known == unit) {
                    Some((_, names)) => names.push(name),
                    None => by_unit.push((unit, vec![name])),
                }
            }
            for (unit, names) in by_unit {
                let has_values =
                    |name: &&&'static str| self.series.points(name, 0).iter().any(|p| p.low != 0.0 || p.high != 0.0);
                let shown = names.iter().filter(has_values).enumerate();
                let lines: Vec<Line<'_>> = shown.filter_map(|(k, name)| self.line(0, name, name, k)).collect();
                let entity = self.table.entities.first().map(Entity::name).unwrap_or_default();
                let id = self.id(names.first().copied().unwrap_or(chart.title));
                figures.extend(Figure::lines(id, chart.title, &entity, unit, &lines, time));
            }
            return;
        }
        for name in chart.columns {
            let Some(column) = self.series.column(name) else { continue };
            let mut order: Vec<usize> = column.lines.keys().copied().collect();
            let rank: HashMap<usize, usize> =
                ranked(self.table, name).into_iter().enumerate().map(|(k, n)| (n, k)).collect();
            order.sort_by_key(|n| rank.get(n).copied());
            let mut lines: Vec<Line<'_>> = Vec::new();
            for (k, n) in order.iter().enumerate() {
                let entity = self.table.entities.get(*n).map(Entity::name).unwrap_or_default();
                lines.extend(self.line(*n, name, &entity, k));
            }
            if let Some(rest) = &column.rest {
                let how = if rest.is_sum { "sum" } else { "highest" };
                let others = format!("{} others: {how}", rest.count);
                left_out.push(format!("{}.{name}: {others}", self.table.table));
                lines.push(Line {
                    name: others,
                    value: String::new(),
                    points: &rest.points,
                    ink: ink(order.len()),
                    is_thin: false,
                });
            }
            let unit = drawn_unit(column.column, None).0;
            figures.extend(Figure::lines(self.id(name), chart.title, name, unit, &lines, time));
        }
    }

    fn line(&self, entity: usize, metric: &str, name: &str, k: usize) -> Option<Line<'_>> {
        let points = self.series.points(metric, entity);
        let value = self.table.entities.get(entity)?.metric(metric).and_then(mean_text);
        (!points.is_empty()).then(|| Line {
            name: name.into(),
            value: value.unwrap_or_default(),
            points,
            ink: ink(k),
            is_thin: false,
        })
    }

    fn shares(&self, chart: &Chart, time: &TimeAxis) -> Option<Figure> {
        let lines: Vec<Line<'_>> = chart.columns.iter().filter_map(|name| self.line(0, name, short(name), 0)).collect();
        let peak = Some(self.series.points("usage_percent", 0)).filter(|points| !points.is_empty());
        let about = if peak.is_some_and(|p| p.iter().any(|p| p.from_us < p.to_us)) {
            "grey line: the busiest sample"
        } else {
            ""
        };
        let id = self.id(chart.columns.first().copied().unwrap_or(chart.title));
        Figure::shares(id, chart.title, about, &lines, peak, time)
    }

    fn heat(&self, chart: &Chart, time: &TimeAxis) -> Option<Figure> {
        let name = chart.columns.first()?;
        let column = self.series.column(name)?;
        let most = column.lines.values().flatten().map(|p| p.mean).fold(0.0, f64::max);
        let unit = drawn_unit(column.column, None).0;
        let most = if unit == Unit::Percent { 100.0 } else { most };
        if column.lines.values().all(Vec::is_empty) || most <= 0.0 {
            return None;
        }
        let widest =
            column.lines.values().map(Vec::len).max().unwrap_or(1).clamp(1, super::data::MOST_COLUMNS as usize);
        let rows = (0..self.table.entities.len()).map(|n| cells(self.series.points(name, n), widest, time));
        let rows: Vec<Vec<Option<f64>>> = rows.collect();
        let names: Vec<String> = self.table.entities.iter().map(Entity::name).collect();
        let labels = self.table.entities.first().map(|e| e.labels.iter().map(|l| l.name).collect::<Vec<_>>().join(" "));
        let about = format!("{name}, a row per {}", labels.unwrap_or_default());
        Figure::heat(self.id(name), chart.title, &about, &names, &rows, (most, unit))
    }

    /// The whole section.
    pub fn html(&self, time: &TimeAxis, amount: Amount, left_out: &mut Vec<String>) -> String {
        let mut out = String::new();
        let name = self.table.table;
        let _ = writeln!(
            out,
            "<section id=\"t-{name}\"><h2>{} <small><code>{name}</code></small></h2>",
            escape(&title(name))
        );
        let span = (time.from_us, time.to_us);
        if self.charts.iter().any(|c| c.form == Form::Choice) {
            out += &events::html(self, time);
        } else {
            let figures = self.figures(time, left_out);
            if !figures.is_empty() {
                out += "<div class=\"charts\">\n";
                figures.iter().for_each(|figure| out += &figure.html(time));
                out += "</div>\n";
            }
        }
        let flat = self.flat();
        if !flat.is_empty() {
            let _ = writeln!(
                out,
                "<p class=\"note\"><small>Not drawn, because always 0: {}.</small></p>",
                escape(&flat.join(", "))
            );
        }
        let count = self.table.entities.len();
        let drawn: Vec<&'static str> =
            self.charts.iter().flat_map(|c| c.columns).copied().filter(|m| tables::has_values(self.table, m)).collect();
        if count > 1 && !drawn.is_empty() && self.charts.iter().all(|c| c.form != Form::Choice) {
            let order = ranked(self.table, drawn.first().copied().unwrap_or(""));
            let most = if amount == Amount::All { usize::MAX } else { MOST_ROWS };
            let shown: Vec<usize> = order.into_iter().take(most).collect();
            let table = tables::entities(self.table, &shown, &drawn, &self.series, span);
            let what = format!("Each of {} (means)", words::count(count as u64, "row"));
            out += &details(&what, count <= 12 && name != "cpu_core", &table);
            if count > most {
                left_out.push(format!("{name}: {} of {count} are not listed", count - most));
            }
        }
        if count <= FEW_ENTITIES || amount == Amount::All {
            out += &details("All statistics", false, &tables::statistics(self.table, &self.series, span));
        } else {
            left_out
                .push(format!("{name}: statistics of each metric of {count} entities (report --table {name} --all)"));
        }
        out += &self.words();
        out + "</section>\n"
    }

    /// Charted columns that are zero throughout.
    fn flat(&self) -> Vec<&'static str> {
        let is_flat = |name: &&&'static str| {
            let metrics = || self.table.entities.iter().filter_map(|e| e.metric(name));
            let largest = |m: &crate::report::model::Metric| m.stats.max.or(m.stats.total).map(Number::as_f64);
            metrics().any(|m| m.stats.count > 0) && metrics().all(|m| largest(m).is_none_or(|v| v == 0.0))
        };
        self.charts.iter().flat_map(|c| c.columns).filter(is_flat).copied().collect()
    }

    /// Texts of the table: states, errors.
    fn words(&self) -> String {
        let mut out = String::new();
        for words in &self.table.words {
            let shown: Vec<String> =
                words.values.iter().take(8).map(|(value, count)| format!("{value} ({count})")).collect();
            let more = words.values.len().saturating_sub(8);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let _ = writeln!(
                out,
                "<p class=\"note\"><small>{} (rows): {}{more}</small></p>",
                escape(words.column),
                escape(&shown.join(", "))
            );
        }
        out
    }
}

pub fn details(summary: &str, is_open: bool, inside: &str) -> String {
    if inside.is_empty() {
        return String::new();
    }
    let open = if is_open { " open" } else { "" };
    format!("<details{open}><summary>{}</summary>\n{inside}</details>\n", escape(summary))
}

/// `user` of `user_percent`.
fn short(name: &str) -> &str {
    name.strip_suffix("_percent").unwrap_or(name)
}

/// The value at the middle of each of `columns` equal parts of the time.
pub fn cells(points: &[Point], columns: usize, time: &TimeAxis) -> Vec<Option<f64>> {
    let mut rest = points.iter().peekable();
    let mut before: Option<i64> = None;
    let mut covered: Option<(i64, i64, f64)> = None;
    let length = time.length_us() as f64;
    (0..columns)
        .map(|n| {
            let middle = time.from_us + ((n as f64 + 0.5) / columns as f64 * length) as i64;
            while covered.is_none_or(|(_, to, _)| to < middle) {
                let Some(point) = rest.next() else { break };
                // A sample is about the time since the one before.
                let since = before.filter(|_| point.is_joined && point.from_us == point.to_us);
                covered = Some((since.unwrap_or(point.from_us), point.to_us, point.mean));
                before = Some(point.to_us);
            }
            covered.filter(|(from, to, _)| *from <= middle && middle <= *to).map(|(.., v)| v)
        })
        .collect()
}

/// What people call a table.
pub fn title(table: &str) -> String {
    match table {
        "command" => "The command",
        "cpu" => "CPU",
        "cpu_core" => "Each CPU",
        "memory" => "Memory",
        "paging" => "Paging and memory activity",
        "network" => "Network",
        "socket" => "Sockets",
        "tcp" => "TCP",
        "udp" => "UDP",
        "ip" => "IP",
        "icmp" => "ICMP",
        "infiniband" => "InfiniBand",
        "nfs" => "NFS",
        "nfs_server" => "NFS server",
        "nfs_server_operation" => "Operations of the NFS server",
        "softirq" => "Softirqs of each CPU",
        "interrupt" => "Interrupts",
        "disk" => "Disks",
        "filesystem" => "File systems",
        "pressure" => "Pressure",
        "process" => "Processes",
        "gpu" => "Graphics processors",
        "gpu_process" => "Processes on graphics processors",
        "cgroup" => "Control groups",
        "metric" => "The program's own numbers",
        "perf" => "Performance counters",
        "perf_status" => "Counting",
        "sensor" => "Sensors",
        "energy" => "Energy",
        "battery" => "Batteries",
        "node" => "Memory nodes",
        "resctrl" => "Memory bandwidth and cache of each group",
        "zram" => "Compressed memory disks",
        "hugepages" => "Huge pages of each size",
        "buddy" => "Free memory by the size of its blocks",
        "kernel" => "Tables of the kernel",
        "tick" => "The recorder",
        "collector" => "Collectors",
        "mark" => "Marks",
        other => other,
    }
    .into()
}
