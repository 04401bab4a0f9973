//! The `perf` events, and their ratios.

use super::metric::{names, percentile_names};
use super::{Group, MANY, Options, Section};
use crate::query::entities::Label;
use crate::query::number::Number;
use crate::query::statistics::Rates;
use crate::report::model::{Metric, Ratio, Table};
use crate::report::perf::MEBIBYTES;
use crate::report::ratios::{EVENT, VALUE};
use crate::report::ratios::{LEAST_RUNNING_PERCENT, ratio_value};
use crate::table::Unit;
use crate::table::human::{count, digits, scaled, time};

/// One line per event, and the ratios.
pub fn section(table: &Table, options: Options<'_>) -> Section {
    let mut section = Section { title: table.table.into(), aside: table.source.into(), ..Section::default() };
    section.columns = columns(options);
    let mut groups: Vec<(String, Group)> = Vec::new();
    let (mut silent, mut guesses) = (Vec::new(), Vec::new());
    let mut has_estimates = table.ratios.iter().any(|r| !shared(r.running_percent).is_empty());
    for entity in &table.entities {
        let around = name_of(entity.labels.iter().filter(|l| l.name != EVENT));
        let placed = |event: String| if around.is_empty() { event } else { format!("{event} ({around})") };
        let mut event = entity.label(EVENT).unwrap_or("?").to_string();
        let Some(value) = entity.metric(VALUE).filter(|m| m.stats.count > 0 || options.all) else {
            silent.push(placed(event));
            continue;
        };
        let running = entity.metric("running_percent").and_then(|m| m.stats.mean);
        let counted = value.stats.count > 0;
        if !options.wide && counted {
            let mark = shared(running);
            has_estimates |= !mark.is_empty();
            event += &mark;
        }
        if counted && running.is_some_and(|percent| percent < LEAST_RUNNING_PERCENT) {
            guesses.push(placed(event.clone()));
        }
        let (row, trace) = ((event, cells(value, running, options)), value.trace.clone());
        match groups.iter_mut().find(|(name, _)| *name == around) {
            Some((_, group)) => {
                group.rows.push(row);
                group.traces.push(trace);
            }
            None => {
                let group = Group { title: around.clone(), rows: vec![row], traces: vec![trace], ..Group::default() };
                groups.push((around, group));
            }
        }
    }
    let hidden = if options.all { 0 } else { groups.len().saturating_sub(MANY) };
    groups.truncate(groups.len() - hidden);
    section.groups = groups.into_iter().map(|(_, g)| g).collect();
    if hidden > 0 {
        section.notes.push(format!("{hidden} more CPUs or targets; --table perf --all shows each"));
    }
    section.notes.extend(ratios(&table.ratios, options));
    if !guesses.is_empty() {
        section.notes.push(format!(
            "on a counter for too little time; left out of ratios while below {LEAST_RUNNING_PERCENT} %: {}",
            guesses.join(", ")
        ));
    }
    if has_estimates {
        section.notes.push("(%): share of the time on a counter; the rest is extrapolated".into());
    }
    if !silent.is_empty() {
        section.notes.push(format!("did not count: {}", silent.join(", ")));
    }
    section
}

fn columns(options: Options<'_>) -> Vec<String> {
    let mut columns =
        if options.wide { names(&["count", "nulls", "total", "per sec", "min"]) } else { names(&["total", "per sec"]) };
    columns.extend(percentile_names(options));
    columns.push("max".into());
    columns.extend(options.wide.then(|| "running".into()));
    columns
}

fn cells(value: &Metric, running: Option<f64>, options: Options<'_>) -> Vec<String> {
    let s = &value.stats;
    let unit = event_unit(value);
    let amount = |v: Option<Number>| v.map(|v| unit.show(v.as_f64())).unwrap_or_default();
    let per_sec = |v: Option<f64>| v.map(|v| unit.show(v) + "/s").unwrap_or_default();
    let rate = |of: fn(&Rates) -> f64| per_sec(value.rates.as_ref().map(of));
    let mut cells = if options.wide {
        let counts = [s.count.to_string(), s.nulls.to_string()];
        counts.into_iter().chain([amount(s.total), per_sec(s.per_sec), rate(|r| r.min)]).collect()
    } else {
        vec![amount(s.total), per_sec(s.per_sec)]
    };
    match (options.percentiles, options.wide) {
        ([], true) => cells.extend([rate(|r| r.p50), rate(|r| r.p95), rate(|r| r.p99)]),
        ([], false) => cells.extend([rate(|r| r.p50), rate(|r| r.p95)]),
        (asked, _) => cells.extend(asked.iter().map(|percentile| per_sec(value.of_rates.at(*percentile)))),
    }
    cells.push(rate(|r| r.max));
    if options.wide {
        cells.push(running.map(|v| scaled(v, Unit::Percent)).unwrap_or_default());
    }
    cells
}

/// ` (31.2 %)` after an event that shared its counter: the share of the time on it.
fn shared(running_percent: Option<f64>) -> String {
    match running_percent {
        Some(percent) if percent < 99.95 => format!(" ({} %)", digits(percent)),
        _ => String::new(),
    }
}

/// One line per CPU and target: `instructions_per_cycle 1.25, branch_miss_percent 2.50 %`.
fn ratios(all: &[Ratio], options: Options<'_>) -> Vec<String> {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for ratio in all {
        let around = name_of(ratio.labels.iter());
        let mut text = format!("{} {}", ratio.ratio, ratio_value(ratio.value, ratio.unit));
        text += &shared(ratio.running_percent);
        match lines.iter_mut().find(|(a, _)| *a == around) {
            Some((_, texts)) => texts.push(text),
            None => lines.push((around, vec![text])),
        }
    }
    if !options.all {
        lines.truncate(MANY);
    }
    let sentence = |(around, texts): (String, Vec<String>)| {
        let texts = texts.join(", ");
        if around.is_empty() { texts } else { format!("{around}: {texts}") }
    };
    lines.into_iter().map(sentence).collect()
}

/// `cpu 3`, `socket0`: the name of the label is only needed before a number.
pub fn name_of<'a>(labels: impl Iterator<Item = &'a Label>) -> String {
    let named = labels.filter_map(|l| {
        let value = l.value.as_deref()?;
        Some(if value.bytes().all(|b| b.is_ascii_digit()) { format!("{} {value}", l.name) } else { value.to_string() })
    });
    named.collect::<Vec<_>>().join(" ")
}

/// How the values of an event are shown. perf prints clocks in milliseconds, `duration_time` in nanoseconds, most
/// events without a unit and some in a unit of their own.
pub enum EventUnit<'a> {
    /// A time in this unit, which is in seconds.
    Time(f64),
    Count,
    /// Bytes in this unit.
    Bytes(f64),
    Other(&'a str),
}

fn event_unit(m: &Metric) -> EventUnit<'_> {
    event_unit_of(m.event_unit.as_deref())
}

pub fn event_unit_of(unit: Option<&str>) -> EventUnit<'_> {
    match unit {
        Some("msec" | "ms") => EventUnit::Time(1e-3),
        Some("ns") => EventUnit::Time(1e-9),
        Some(MEBIBYTES) => EventUnit::Bytes(1_048_576.0),
        None | Some("") => EventUnit::Count,
        Some(other) => EventUnit::Other(other),
    }
}

impl EventUnit<'_> {
    pub fn show(&self, v: f64) -> String {
        match self {
            EventUnit::Time(unit) => time(v * unit),
            EventUnit::Count => count(v),
            EventUnit::Bytes(unit) => scaled(v * unit, Unit::Bytes),
            EventUnit::Other(unit) => format!("{} {unit}", count(v)),
        }
    }
}
