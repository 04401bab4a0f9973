//! A table of many entities, by the spread of their means.

use super::metric::{is_single, names, no_value, shown};
use super::{Group, Options, Section};
use crate::query::number::Number;
use crate::report::model::{Entity, Metric, Table};
use crate::table::Kind;
use crate::table::human::scaled;

/// For each metric the lowest, average and highest mean of all entities, and the entity with the highest.
pub fn section(table: &Table, options: Options<'_>) -> Section {
    let mut section = Section { title: table.table.into(), ..Section::default() };
    section.aside = format!("{} entities, {}", table.entities.len(), table.source);
    section.columns = names(&["lowest", "mean", "highest", "of", "max"]);
    let mut group = Group::default();
    let (mut zero, mut zero_once) = (Vec::new(), Vec::new());
    let mut empty = Vec::new();
    for first in table.entities.first().into_iter().flat_map(|e| shown(e, options)) {
        let of_all = table.entities.iter().filter_map(|e| Some((e, e.metric(first.name)?)));
        let mut means: Vec<(f64, &Entity, &Metric)> = of_all
            .filter_map(|(e, m)| Some((if m.kind == Kind::Counter { m.stats.per_sec } else { m.stats.mean }?, e, m)))
            .collect();
        means.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (Some(low), Some(high)) = (means.first(), means.last()) else {
            empty.push(first.name);
            continue;
        };
        let max = means.iter().filter_map(|(_, _, m)| m.stats.max).map(Number::as_f64).reduce(f64::max);
        if low.0 == 0.0 && high.0 == 0.0 && max.is_none_or(|m| m == 0.0) && !options.chosen {
            let once = means.iter().all(|(_, _, m)| is_single(m));
            if once {
                zero_once.push(first.name)
            } else {
                zero.push(first.name)
            }
            continue;
        }
        let unit = if first.kind == Kind::Counter { first.unit.per_sec() } else { first.unit };
        let mean = means.iter().map(|(v, ..)| v).sum::<f64>() / means.len() as f64;
        let row = vec![
            scaled(low.0, unit),
            scaled(mean, unit),
            scaled(high.0, unit),
            if high.0 > low.0 { high.1.name() } else { String::new() },
            max.map(|v| scaled(v, unit)).unwrap_or_default(),
        ];
        group.rows.push((first.name.into(), row));
    }
    for (what, names) in [("always 0", zero), ("0", zero_once)] {
        if !names.is_empty() {
            group.notes.push(format!("{what}: {}", names.join(", ")));
        }
    }
    section.groups.push(group);
    section.notes.extend(no_value(empty));
    let names: Vec<&str> = table.entities.first().into_iter().flat_map(|e| &e.labels).map(|l| l.name).collect();
    section.notes.push(format!(
        "means of {} ({}); --table {} --all shows each",
        table.entities.len(),
        names.join(", "),
        table.table
    ));
    section
}
