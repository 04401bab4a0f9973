//! Several recordings, or several sides of runs, over each other: on one axis of time.

use std::collections::HashMap;
use std::fmt::Write;

use super::align::{Alignment, Run};
use super::choose::{Amount, FEW_ENTITIES, charts, is_listed, ranked};
use super::data::{Origin, Wanted, load};
use super::document::document;
use super::figure::{Figure, Line};
use super::head;
use super::section::{cells, details, title};
use super::shown::{drawn_unit, mean, mean_text};
use super::single::{Subject, attributes, foot, navigation, place};
use super::tables::{Grid, head as row_head, is_zero, number, text};
use crate::chart::colour::ink;
use crate::chart::escape::escape;
use crate::chart::frame::shared;
use crate::chart::series::Point;
use crate::chart::time::TimeAxis;
use crate::report::model::{Entity, Metric, Recording, Table};
use crate::store::read::piece::ReadError;
use crate::table::human::{scaled, time};
use crate::table::{Form, StoredColumn};
use crate::text::printable::printable;
use crate::text::words;

/// The most entities of a table that are drawn.
const MOST_ENTITIES: usize = 3;
const MOST_EVENTS: usize = 24;
/// The columns of time for the mean of several runs.
const COLUMNS: usize = 240;

/// Runs that are drawn as one line: their mean, and the range of their values.
pub struct Side<'a> {
    pub name: String,
    pub subjects: Vec<Subject<'a>>,
}

/// A column of an entity; of all entities together if none is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub table: &'static str,
    pub entity: Option<String>,
    pub column: &'static str,
}

/// What one run has of a key.
struct Found {
    points: Vec<Point>,
    column: StoredColumn,
    event_unit: Option<String>,
    mean: Option<f64>,
    mean_text: Option<String>,
}

/// The runs of all sides on one axis.
pub fn align(sides: &[Side<'_>]) -> Alignment {
    Alignment::of(&sides.iter().flat_map(|side| &side.subjects).collect::<Vec<_>>())
}

/// A chart for each key that has values, with a line per side. `alignment`: from [`align`].
pub fn figures(
    sides: &[Side<'_>],
    alignment: &Alignment,
    keys: &[Key],
    problems: &mut Vec<ReadError>,
) -> Vec<(Key, Figure)> {
    let time = alignment.axis();
    let mut places = (0..).map(|n| alignment.run(n));
    let runs: Vec<Vec<HashMap<&Key, Found>>> = (sides.iter())
        .map(|side| {
            let placed = side.subjects.iter().zip(&mut places);
            placed.map(|(subject, place)| read(subject, place, keys, problems)).collect()
        })
        .collect();
    let mut figures = Vec::new();
    for (n, key) in keys.iter().enumerate() {
        let mut first: Option<&Found> = None;
        let mut lines: Vec<(usize, String, Vec<Point>)> = Vec::new();
        for (k, side) in runs.iter().enumerate() {
            let found: Vec<&Found> = side.iter().filter_map(|run| run.get(key)).collect();
            first = first.or(found.first().copied());
            let value = match found.as_slice() {
                [one] => one.mean_text.clone().unwrap_or_default(),
                several => mean_of(several),
            };
            match found.as_slice() {
                [] => {}
                [one] => lines.push((k, value, one.points.clone())),
                several => lines.push((k, value, mean_line(several, &time))),
            }
        }
        let Some(first) = first else { continue };
        let (unit, factor) = drawn_unit(&first.column, first.event_unit.as_deref());
        for point in lines.iter_mut().flat_map(|(.., points)| points) {
            (point.mean, point.low, point.high) = (point.mean * factor, point.low * factor, point.high * factor);
        }
        let lines: Vec<Line<'_>> = (lines.iter())
            .map(|(k, value, points)| Line {
                name: sides.get(*k).map_or_else(String::new, |side| side.name.clone()),
                value: value.clone(),
                points,
                ink: ink(*k),
                is_thin: true,
            })
            .collect();
        let shown = key.entity.as_deref().unwrap_or("");
        let id = format!("{}-{}-{n}", key.table, key.column);
        let name = if shown.is_empty() { key.column.to_string() } else { format!("{shown}: {}", key.column) };
        figures.extend(Figure::lines(id, &name, key.table, unit, &lines, &time).map(|figure| (key.clone(), figure)));
    }
    figures
}

fn mean_of(found: &[&Found]) -> String {
    let means: Vec<f64> = found.iter().filter_map(|f| f.mean).collect();
    let Some(first) = found.first().filter(|_| !means.is_empty()) else { return String::new() };
    let (unit, factor) = drawn_unit(&first.column, first.event_unit.as_deref());
    scaled(means.iter().sum::<f64>() / means.len() as f64 * factor, unit)
}

/// The mean of several runs in each column of time, with the smallest and largest.
fn mean_line(runs: &[&Found], time: &TimeAxis) -> Vec<Point> {
    let all: Vec<Vec<Option<f64>>> = runs.iter().map(|run| cells(&run.points, COLUMNS, time)).collect();
    let width = time.length_us() / COLUMNS as i64;
    let mut points = Vec::new();
    let mut is_joined = false;
    for n in 0..COLUMNS {
        let values: Vec<f64> = all.iter().filter_map(|run| run.get(n).copied().flatten()).collect();
        let (Some(low), Some(high)) =
            (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max))
        else {
            is_joined = false;
            continue;
        };
        let from_us = n as i64 * width;
        let mean = values.iter().map(|v| v / values.len() as f64).sum();
        points.push(Point { from_us, to_us: from_us + width, mean, low, high, is_joined });
        is_joined = true;
    }
    points
}

/// What a run has of each key, by its place on the axis.
fn read<'k>(
    subject: &Subject<'_>,
    place: Option<&Run>,
    keys: &'k [Key],
    problems: &mut Vec<ReadError>,
) -> HashMap<&'k Key, Found> {
    let span = subject.span();
    let origin = Origin { source: subject.source, query: &subject.query, span };
    let mut all = HashMap::new();
    for table in &subject.recording.tables {
        let of_table: Vec<&Key> = keys.iter().filter(|key| key.table == table.table).collect();
        // With a line per entity, and all together: two readings, as a rule of one column each.
        let (named, together): (Vec<&Key>, Vec<&Key>) =
            of_table.into_iter().partition(|key| key.entity.is_some() || table.entities.len() == 1);
        for (keys, is_named) in [(named, true), (together, false)] {
            let mut wanted = Wanted::default();
            for key in &keys {
                let lines = wanted.columns.entry(key.column).or_insert_with(Vec::new);
                lines.extend(entity_of(table, key).filter(|_| is_named));
            }
            if keys.is_empty() {
                continue;
            }
            let series = load(&origin, table, &wanted, problems);
            for key in keys {
                let Some(column) = series.column(key.column) else { continue };
                let entity = entity_of(table, key);
                let metric = entity.and_then(|n| table.entities.get(n)?.metric(key.column));
                let points = match (is_named, entity) {
                    (true, Some(n)) => column.lines.get(&n).cloned(),
                    (true, None) => None,
                    (false, _) => column.rest.as_ref().map(|rest| rest.points.clone()),
                };
                let Some(mut points) = points else { continue };
                place.iter().for_each(|place| place.place(&mut points));
                let metric = metric.filter(|_| is_named);
                let found = Found {
                    points,
                    column: column.column.clone(),
                    event_unit: table.entities.first().and_then(|_| metric?.event_unit.clone()),
                    mean: metric.and_then(mean),
                    mean_text: metric.and_then(mean_text),
                };
                all.insert(key, found);
            }
        }
    }
    all
}

fn entity_of(table: &Table, key: &Key) -> Option<usize> {
    match &key.entity {
        Some(name) => table.entities.iter().position(|e| e.name() == *name),
        None => (table.entities.len() == 1).then_some(0),
    }
}

/// What is drawn of several recordings.
fn keys(sides: &[Side<'_>], amount: Amount) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for subject in sides.iter().flat_map(|side| &side.subjects) {
        for table in &subject.recording.tables {
            let Some(def) = subject.source.tables().into_iter().find(|def| def.name == table.table) else { continue };
            for chart in charts(table, def, amount) {
                for column in chart.columns {
                    let is_known = keys.iter().any(|key| key.table == table.table && key.column == *column);
                    if is_known || !super::tables::has_values(table, column) {
                        continue;
                    }
                    let order = ranked(table, column);
                    let most = match (amount, chart.form) {
                        (Amount::All, _) => usize::MAX,
                        (_, Form::Choice) => MOST_EVENTS,
                        _ => MOST_ENTITIES,
                    };
                    let key = |entity| Key { table: table.table, entity, column };
                    if table.entities.len() == 1 || chart.form == Form::Heat {
                        keys.push(key(None));
                    } else {
                        let names = order.iter().take(most).filter_map(|n| table.entities.get(*n)).map(Entity::name);
                        keys.extend(names.map(|name| key(Some(name))));
                    }
                }
            }
        }
    }
    keys.sort_by_key(|key| place(key.table));
    keys
}

/// The page of several recordings. What cannot be read is left out and added to `problems`.
pub fn beside(sides: &[Side<'_>], amount: Amount, problems: &mut Vec<ReadError>) -> String {
    let alignment = align(sides);
    let time = alignment.axis();
    let keys = keys(sides, amount);
    let figures = figures(sides, &alignment, &keys, problems);
    let recordings: Vec<&Recording> = sides.iter().flat_map(|s| &s.subjects).map(|s| s.recording).collect();
    let mut out = shared(&time, &alignment.background());
    let heading = sides.iter().map(|side| side.name.as_str()).collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        out,
        "<header><h1>{}</h1>\n<div class=\"lead\"><p>{}, drawn over each other, {}.</p></div>\n{}</header>",
        escape(&heading),
        words::count(sides.len() as u64, "recording"),
        escape(&printable(&alignment.words())),
        overview(sides)
    );
    let mut tables: Vec<&'static str> = figures.iter().map(|(key, _)| key.table).collect();
    tables.dedup();
    let links: Vec<(String, String)> = tables.iter().map(|name| (format!("#t-{name}"), title(name))).collect();
    out += &navigation(&links);
    for name in tables {
        let _ = writeln!(
            out,
            "<section id=\"t-{name}\"><h2>{} <small><code>{name}</code></small></h2>\n<div class=\"charts\">",
            escape(&title(name))
        );
        figures.iter().filter(|(key, _)| key.table == name).for_each(|(_, figure)| out += &figure.html(&time));
        out += "</div>\n";
        out += &details("Means", false, &means(name, &recordings, sides));
        out += "</section>\n";
    }
    let left_out = [
        format!("of tables with several entities: all but the {MOST_ENTITIES} largest of the first recording"),
        "heat maps of CPUs, glance and marks: the page of a single recording has them".to_string(),
    ];
    out += &foot(if amount == Amount::All { &[] } else { &left_out });
    document(&format!("{heading} - perfwatch"), &attributes(&time), &out)
}

/// What was recorded, when and where.
fn overview(sides: &[Side<'_>]) -> String {
    let heads = [("recording", false), ("host", false), ("start, UTC", false), ("length", true), ("command", false)];
    let mut grid = Grid::new("", &heads.map(|(head, is_number)| (head.to_string(), is_number)));
    for (n, side) in sides.iter().enumerate() {
        for subject in &side.subjects {
            let r = subject.recording;
            let (from, to) = subject.span();
            let seconds = (to - from) as f64 / 1e6;
            let swatch =
                crate::chart::frame::Entry { ink: ink(n), is_area: false, name: String::new(), value: String::new() };
            grid.row(&[
                format!("<th scope=row align=left>{} {}</th>", swatch.swatch(), escape(&r.path)),
                text(r.host.as_deref().unwrap_or("")),
                text(&head::moment(from)),
                number(Some((seconds, time(seconds)))),
                text(r.command.as_deref().unwrap_or("")),
            ]);
        }
    }
    grid.done()
}

/// The mean of each metric in each recording, and how much the last differs from the first.
fn means(name: &str, recordings: &[&Recording], sides: &[Side<'_>]) -> String {
    let table = |r: &Recording| r.tables.iter().position(|t| t.table == name);
    let Some((first, _)) = recordings.iter().find_map(|r| Some((r.tables.get(table(r)?)?, ()))) else {
        return String::new();
    };
    let mut heads = vec![("metric".to_string(), false)];
    heads.extend(sides.iter().map(|side| (side.name.clone(), true)));
    heads.push(("difference".into(), true));
    let mut grid = Grid::new("", &heads);
    let mut rows = 0;
    for entity in first.entities.iter().take(FEW_ENTITIES) {
        let name_of = entity.name();
        for metric in entity.metrics.iter().filter(|m| is_listed(m) && !is_zero(m)) {
            let of = |r: &Recording| -> Option<(f64, String)> {
                let table = r.tables.get(table(r)?)?;
                let metric: &Metric = table.entities.iter().find(|e| e.name() == name_of)?.metric(metric.name)?;
                Some((mean(metric)?, mean_text(metric)?))
            };
            let values: Vec<Option<(f64, String)>> = recordings.iter().map(|r| of(r)).collect();
            let ends = values.first().zip(values.last()).and_then(|(a, b)| Some((a.as_ref()?.0, b.as_ref()?.0)));
            let change = ends.filter(|(a, _)| *a != 0.0).map(|(a, b)| (b / a - 1.0) * 100.0);
            let title =
                if name_of.is_empty() { metric.name.to_string() } else { format!("{name_of}: {}", metric.name) };
            let mut row = vec![row_head(&title)];
            row.extend(values.into_iter().map(number));
            row.push(number(change.filter(|c| c.is_finite()).map(|c| (c, format!("{c:+.1} %")))));
            grid.row(&row);
            rows += 1;
        }
    }
    if rows > 0 { grid.done() } else { String::new() }
}
