//! Figures next to each other, in phases or recordings.

use super::events::{EventUnit, event_unit_of, name_of};
use super::metric::no_value;
use super::{Group, MANY, Options, Section};
use crate::metric::table::METRIC;
use crate::query::entities::{self, Label};
use crate::report::matrix::{Change, Matrix, MatrixEntity, MatrixRatio, MatrixRow, MatrixTable};
use crate::report::perf::PERF;
use crate::report::ratios::{EVENT, PERCENT, VALUE, ratio_value};
use crate::table::human::{digits, scaled};
use crate::table::{Kind, Unit};

/// Longer names of columns lose their beginning.
const LONGEST_NAME: usize = 24;

/// Under recordings next to each other.
pub const NO_VERDICT: &str =
    "change: from the first recording. `perfwatch compare` says which differences are more than noise.";

/// A section per table with anything to show.
pub fn matrix(matrix: &Matrix, options: Options<'_>) -> Vec<Section> {
    let mut columns = Vec::new();
    for (n, name) in names(&matrix.columns, matrix.has_changes()).into_iter().enumerate() {
        columns.push(name);
        columns.extend((n > 0 && matrix.has_changes()).then(|| "change".to_string()));
    }
    let sections = matrix.tables.iter().map(|table| section(table, &columns, options));
    sections.filter(|section| !section.groups.is_empty() || !section.notes.is_empty()).collect()
}

impl Matrix {
    fn has_changes(&self) -> bool {
        let mut rows = self.tables.iter().flat_map(|table| &table.entities).flat_map(|entity| &entity.metrics);
        let has_ratios = || self.tables.iter().flat_map(|table| &table.ratios).any(|ratio| !ratio.changes.is_empty());
        rows.any(|row| !row.changes.is_empty()) || has_ratios()
    }
}

/// Names that are not longer than fits above a column; paths without the folders that all have in common.
fn names(columns: &[String], are_paths: bool) -> Vec<String> {
    let folders = |path: &String| path.rfind('/').map_or(0, |at| at + 1);
    let common = columns.iter().skip(1).fold(columns.first().map_or(0, folders), |common, path| {
        let same = columns[0].bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        columns[0][..common]
            .rmatch_indices('/')
            .map(|(at, _)| at + 1)
            .find(|end| *end <= same.min(folders(path)))
            .unwrap_or(0)
    });
    let common = if are_paths { common } else { 0 };
    let short = |name: &str| {
        let length = name.chars().count();
        match length > LONGEST_NAME {
            true => std::iter::once('…').chain(name.chars().skip(length + 1 - LONGEST_NAME)).collect(),
            false => name.to_string(),
        }
    };
    columns.iter().map(|name| short(name.get(common..).unwrap_or(name))).collect()
}

fn section(table: &MatrixTable, columns: &[String], options: Options<'_>) -> Section {
    let mut section = Section { title: table.table.into(), aside: table.source.into(), ..Section::default() };
    section.columns = columns.to_vec();
    if table.table == PERF && (!options.chosen || options.only_events) {
        events(table, options, &mut section);
    } else if table.table == METRIC {
        numbers(table, &mut section);
    } else if table.entities.len() > MANY && !options.all && !options.chosen {
        let names: Vec<&str> = table.entities.iter().take(1).flat_map(|e| &e.labels).map(|l| l.name).collect();
        let (count, names, table) = (table.entities.len(), names.join(", "), table.table);
        section.notes.push(format!("{count} entities ({names}); --table {table} --all shows each"));
        return section;
    } else {
        let mut empty = Vec::new();
        for entity in &table.entities {
            let group = group(entity, options, &mut empty);
            if !group.rows.is_empty() || !group.notes.is_empty() {
                section.groups.push(group);
            }
        }
        section.notes.extend(no_value(empty));
    }
    if section.groups.iter().all(|group| group.rows.is_empty()) {
        section.columns.clear();
    }
    section
}

fn entity_name(entity: &MatrixEntity) -> String {
    entities::name_of(entity.labels.iter().filter_map(|label| label.value.as_deref()))
}

/// The program's own numbers: a row per number, of its level or its rate.
fn numbers(table: &MatrixTable, section: &mut Section) {
    let mut group = Group::default();
    let mut silent = Vec::new();
    for entity in &table.entities {
        match entity.metrics.iter().find(|row| row.shown().flatten().next().is_some()) {
            Some(row) => {
                group.rows.push((entity_name(entity), cells(row, |v| scaled(v, shown_unit(row)), false)));
            }
            None => silent.push(entity_name(entity)),
        }
    }
    section.groups.push(group);
    section.notes.extend((!silent.is_empty()).then(|| format!("no value: {}", silent.join(", "))));
}

fn group(entity: &MatrixEntity, options: Options<'_>, empty: &mut Vec<&'static str>) -> Group {
    let all = options.all || options.chosen;
    let name = entity_name(entity);
    let mut group = Group { title: name, ..Group::default() };
    let (mut zero, mut same) = (Vec::new(), Vec::new());
    for row in entity.metrics.iter().filter(|row| all || row.kind != Kind::Counter || !row.has_derived) {
        let values: Vec<f64> = row.shown().flatten().collect();
        let is_same = values.windows(2).all(|pair| pair[0] == pair[1]);
        match values.first() {
            None if !all => empty.push(row.name),
            Some(value) if is_same && !all && values.len() > 1 => match value {
                0.0 => zero.push(row.name),
                value => same.push(format!("{} {}", row.name, scaled(*value, shown_unit(row)))),
            },
            _ => group
                .rows
                .push((row.name.into(), cells(row, |v| scaled(v, shown_unit(row)), shown_unit(row) == Unit::Percent))),
        }
    }
    group.notes.extend((!same.is_empty()).then(|| format!("the same: {}", same.join(", "))));
    group.notes.extend((!zero.is_empty()).then(|| match group.rows.is_empty() && same.is_empty() && zero.len() > 3 {
        true if !group.title.is_empty() => "all 0".to_string(),
        _ => format!("0: {}", zero.join(", ")),
    }));
    group
}

/// The unit of the figure that is shown: counters are shown by their growth per second.
fn shown_unit(row: &MatrixRow) -> Unit {
    if row.kind == Kind::Counter { row.unit.per_sec() } else { row.unit }
}

fn cells(row: &MatrixRow, show: impl Fn(f64) -> String, is_percent: bool) -> Vec<String> {
    let shown: Vec<Option<f64>> = row.shown().collect();
    interleaved(&shown, &row.changes, show, is_percent)
}

/// Each figure, and from the second on how it differs from the first.
fn interleaved(
    values: &[Option<f64>],
    changes: &[Option<Change>],
    show: impl Fn(f64) -> String,
    is_percent: bool,
) -> Vec<String> {
    let mut cells = Vec::new();
    for (n, value) in values.iter().enumerate() {
        cells.push(value.map(&show).unwrap_or_default());
        if n > 0 && !changes.is_empty() {
            let change = changes.get(n).copied().flatten();
            cells.push(change.map(|change| change_text(change, &show, is_percent)).unwrap_or_default());
        }
    }
    cells
}

/// `+12.5 %`; of percentages the difference: `+3.10 points`.
fn change_text(change: Change, show: impl Fn(f64) -> String, is_percent: bool) -> String {
    /// Larger changes are easier to read as a factor.
    const LARGE_PERCENT: f64 = 900.0;
    let sign = if change.difference > 0.0 { "+" } else { "" };
    match change.percent {
        _ if change.difference == 0.0 => "=".into(),
        _ if is_percent => format!("{sign}{} points", digits(change.difference)),
        None => format!("{sign}{}", show(change.difference)),
        Some(percent) if percent >= LARGE_PERCENT => format!("× {}", digits(1.0 + percent / 100.0)),
        Some(percent) => format!("{sign}{} %", digits(percent)),
    }
}

/// The events per second, and their ratios.
fn events(table: &MatrixTable, options: Options<'_>, section: &mut Section) {
    let mut groups: Vec<Group> = Vec::new();
    let mut silent = Vec::new();
    let mut group_of = |labels: &mut dyn Iterator<Item = &Label>| {
        let around = name_of(labels);
        groups.iter().position(|group| group.title == around).unwrap_or_else(|| {
            groups.push(Group { title: around, ..Group::default() });
            groups.len() - 1
        })
    };
    let mut rows: Vec<(usize, (String, Vec<String>))> = Vec::new();
    for entity in &table.entities {
        let event = entity.labels.iter().find(|l| l.name == EVENT).and_then(|l| l.value.clone()).unwrap_or_default();
        let Some(row) = entity.metrics.iter().find(|row| row.name == VALUE) else { continue };
        if row.shown().flatten().next().is_none() && !options.all {
            silent.push(event);
            continue;
        }
        let unit: EventUnit<'_> = event_unit_of(row.event_unit.as_deref());
        let at = group_of(&mut entity.labels.iter().filter(|l| l.name != EVENT));
        rows.push((at, (event, cells(row, |v| unit.show(v) + "/s", false))));
    }
    for MatrixRatio { ratio, labels, unit, values, changes } in &table.ratios {
        let at = group_of(&mut labels.iter());
        rows.push((
            at,
            ((*ratio).to_string(), interleaved(values, changes, |v| ratio_value(v, unit), *unit == PERCENT)),
        ));
    }
    for (at, row) in rows {
        groups[at].rows.push(row);
    }
    let hidden = if options.all { 0 } else { groups.len().saturating_sub(MANY) };
    groups.truncate(groups.len() - hidden);
    section.groups = groups;
    section.notes.extend((hidden > 0).then(|| format!("{hidden} more CPUs or targets; --table perf --all shows each")));
    section.notes.extend((!silent.is_empty()).then(|| format!("did not count: {}", silent.join(", "))));
}

/// Sections that are not wider than this, each with some of the columns. `width_of` is the width of a text.
pub fn split(section: Section, width: usize, width_of: impl Fn(&str) -> usize) -> Vec<Section> {
    const GAP: usize = 2;
    let nested = if section.groups.iter().any(|group| !group.title.is_empty()) { 4 } else { 2 };
    let names = section.groups.iter().flat_map(|group| &group.rows).map(|(name, _)| width_of(name) + nested);
    let first = names.chain([width_of(&section.title)]).max().unwrap_or(0);
    let widest = |n: usize| {
        let cells = section.groups.iter().flat_map(|group| &group.rows).filter_map(|(_, cells)| cells.get(n));
        cells.map(|cell| width_of(cell)).chain([width_of(&section.columns[n])]).max().unwrap_or(0)
    };
    let mut parts: Vec<Vec<usize>> = vec![Vec::new()];
    let mut used = first;
    for n in 0..section.columns.len() {
        let more = widest(n) + GAP;
        if used + more > width && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(Vec::new());
            used = first;
        }
        used += more;
        if let Some(part) = parts.last_mut() {
            part.push(n);
        }
    }
    if parts.len() < 2 {
        return vec![section];
    }
    let last = parts.len() - 1;
    let part = |(number, columns): (usize, Vec<usize>)| {
        let some = |of: &[String]| columns.iter().filter_map(|n| of.get(*n).cloned()).collect::<Vec<String>>();
        let notes = |notes: &[String]| if number == last { notes.to_vec() } else { Vec::new() };
        let groups =
            section.groups.iter().filter(|group| number == last || !group.rows.is_empty()).map(|group| Group {
                title: group.title.clone(),
                rows: group.rows.iter().map(|(name, cells)| (name.clone(), some(cells))).collect(),
                notes: notes(&group.notes),
                ..Group::default()
            });
        Section {
            title: section.title.clone(),
            aside: if number == 0 { section.aside.clone() } else { String::new() },
            of: section.of,
            columns: some(&section.columns),
            groups: groups.collect(),
            notes: notes(&section.notes),
        }
    };
    parts.into_iter().enumerate().map(part).collect()
}
