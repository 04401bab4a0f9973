//! What people are shown of the model, and in what order; shared by the terminal's table and Markdown.
//!
//! A recording has hundreds of columns, most of which say little. So by default the view leaves out a counter whose
//! rate or share is shown, and columns without a value; names a column that never changed in one line; and shows a
//! table of many entities by the spread of their means. `--all` shows everything, `--metric` what it names.
//!
//! The texts of a model that is shown are [clean](super::clean).

use super::human::{count, digits, scaled, time};
use super::model::{Entity, Metric, Ratio, Recording, Table};
use super::perf::{PERF, VALUE};
use super::phases::words as words_of_phases;
use super::ratios::{LEAST_RUNNING_PERCENT, PERCENT};
use crate::collect::perf::rows::MISSING_EVENTS;
use crate::events::terms;
use crate::query::entities::Label;
use crate::query::number::Number;
use crate::query::statistics::Rates;
use crate::query::words::Words;
use crate::store::runs::{Run, Runs};
use crate::table::{Kind, Unit};
use crate::text::words;

/// More entities than this are shown together.
pub const MANY: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Every entity, every metric.
    pub all: bool,
    /// The metrics were chosen by name: show them whatever they hold.
    pub chosen: bool,
    /// Room for all statistics.
    pub wide: bool,
}

/// A heading, and a grid of text under it.
#[derive(Debug, Default, PartialEq)]
pub struct Section {
    pub title: String,
    /// What stands behind the title, less loudly.
    pub aside: String,
    /// Of what the first column holds the names; empty: of metrics.
    pub of: &'static str,
    /// The columns behind it.
    pub columns: Vec<&'static str>,
    pub groups: Vec<Group>,
    /// Sentences under the grid.
    pub notes: Vec<String>,
}

/// The rows of one entity.
#[derive(Debug, Default, PartialEq)]
pub struct Group {
    /// Empty in a table without entities.
    pub title: String,
    pub rows: Vec<(String, Vec<String>)>,
    pub notes: Vec<String>,
}

/// The line about a recording as a whole.
pub fn heading(r: &Recording) -> String {
    let mut parts = Vec::new();
    parts.extend(r.host.as_ref().map(|h| format!("host {h}")));
    if let (Some(start), Some(end)) = (r.start, r.end) {
        let (from, to) = (start.rfc3339(), end.rfc3339());
        let seconds = |stamp: &str| stamp.get(..19).map(|s| s.replacen('T', " ", 1)).unwrap_or_default();
        let same_day = from.get(..10) == to.get(..10);
        let to = seconds(&to);
        let to = if same_day { to.get(11..).unwrap_or("") } else { &to };
        parts.push(format!("{} to {to} UTC ({})", seconds(&from), time((end.0 - start.0) as f64 / 1e6)));
    }
    parts.extend(r.interval_s.map(|s| format!("every {}", if s >= 1.0 { format!("{s} s") } else { time(s) })));
    parts.extend(r.ticks.map(|t| words::count(t, "tick")));
    // Said only where it is news.
    parts.extend(r.missed.filter(|m| *m > 0).map(|m| format!("{m} missed")));
    parts.extend(r.notes.iter().cloned());
    parts.extend(r.tags.iter().map(|(key, value)| format!("{key}={value}")));
    parts.join(", ")
}

/// Phases that are named without `--all`.
pub const MOST_PHASES: usize = 12;

/// The line about the recorded command, if there was one.
pub fn command(r: &Recording) -> Option<String> {
    r.command.as_ref().map(|command| format!("command: {command}"))
}

/// The line about what went wrong with the recorder itself, if anything did; its tables come last.
pub fn trouble(r: &Recording) -> Option<String> {
    let table = |name: &str| r.tables.iter().find(|t| t.table == name);
    let collectors = table("collector");
    let failed = |entity: &Entity| {
        let errors = entity.metric("errors")?;
        // A mean of rows that count the same, times their number.
        let times = (errors.stats.mean? * errors.stats.count as f64).round();
        (times > 0.0).then(|| {
            format!("{} failed {}", entity.name(), if times > 1.0 { format!("{times} times") } else { "once".into() })
        })
    };
    let mut parts: Vec<String> = collectors.iter().flat_map(|t| &t.entities).filter_map(failed).collect();
    for table in [collectors, table("perf_status")].into_iter().flatten() {
        let errors = table.words.iter().filter(|words| words.column == "error").flat_map(|words| &words.values);
        parts.extend(errors.take(MOST_WORDS).map(|(error, _)| error.clone()));
    }
    (!parts.is_empty()).then(|| format!("trouble while recording: {}", parts.join("; ")))
}

/// The line about the phases, if there are any.
pub fn phases(r: &Recording, options: Options) -> Option<String> {
    let most = if options.all { usize::MAX } else { MOST_PHASES };
    (!r.phases.is_empty()).then(|| format!("phases: {}", words_of_phases(&r.phases, most)))
}

/// What each run of a folder came to.
pub fn runs(runs: &Runs) -> Section {
    let row = |run: &Run| {
        let value = |value: Option<f64>, unit| value.map_or_else(|| "-".into(), |v| scaled(v, unit));
        let seconds = |s| value(s, Unit::Seconds);
        let status = match (run.interrupted, run.exit_status) {
            (true, _) => "interrupted".into(),
            (_, Some(status)) => status.to_string(),
            (_, None) => "-".into(),
        };
        let largest = value(run.max_rss_bytes.map(|bytes| bytes as f64), Unit::Bytes);
        let cells = vec![status, seconds(run.wall_s), seconds(run.user_s), seconds(run.system_s), largest];
        (run.directory.display().to_string(), cells)
    };
    let rows = runs.index.runs.iter().map(row).collect();
    Section {
        title: runs.path.display().to_string(),
        of: "run",
        columns: vec!["status", "wall", "user", "system", "largest process"],
        groups: vec![Group { rows, ..Group::default() }],
        notes: if runs.index.runs.is_empty() { vec!["no runs".into()] } else { runs.index.summary() },
        ..Section::default()
    }
}

/// The sections of a table.
pub fn section(table: &Table, options: Options) -> Section {
    let mut section = if table.table == PERF && !options.chosen {
        perf(table, options)
    } else if table.entities.len() > MANY && !options.all {
        many(table, options)
    } else {
        few(table, options)
    };
    section.notes.extend(table.words.iter().map(|w| words(w, table.rows, options)));
    section
}

/// Different words of a column that are shown without `--all`.
const MOST_WORDS: usize = 4;

/// `available: false`, with the rows it stands in where that is not all of them.
fn words(words: &Words, rows: usize, options: Options) -> String {
    let shown = if options.all { words.values.len() } else { words.values.len().min(MOST_WORDS) };
    // A list without spaces would be one word, longer than any line.
    let spaced = |v: &String| if words.column == MISSING_EVENTS { terms::spaced(v) } else { v.clone() };
    let values = words.values.iter().take(shown).map(|(value, count)| (spaced(value), count));
    let each = values.map(|(value, count)| match *count {
        count if count == rows => value,
        1 => format!("{value} (1 row)"),
        count => format!("{value} ({count} rows)"),
    });
    let mut text = format!("{}: {}", words.column, each.collect::<Vec<_>>().join("; "));
    if words.values.len() > shown {
        text += &format!("; and {} more", words.values.len() - shown);
    }
    text
}

fn few(table: &Table, options: Options) -> Section {
    let mut section = Section { title: table.table.into(), aside: table.source.into(), ..Section::default() };
    let totals = totals(table, options);
    section.columns = columns(options, totals);
    let mut empty = Vec::new();
    for entity in &table.entities {
        let mut group = Group { title: entity.name(), ..Group::default() };
        let mut constant = Vec::new();
        for metric in shown(entity, options) {
            let untold = metric.stats.count == 0 || metric.kind == Kind::Counter && metric.stats.total.is_none();
            if untold && !options.all && !options.chosen {
                empty.push(metric.name);
            } else if folds(metric, options) {
                constant.push(metric);
            } else {
                group.rows.push((metric.name.into(), cells(entity, metric, options, totals)));
            }
        }
        let idle = group.rows.is_empty() && constant.len() > 3 && constant.iter().all(|m| is_zero(m));
        // Of a device that did nothing, the names of all that it did not do are no news.
        group.notes = match idle && !group.title.is_empty() {
            true if constant.iter().all(|m| is_single(m)) => vec!["all 0".into()],
            true => vec!["all always 0".into()],
            false => unchanging(&constant),
        };
        if !group.rows.is_empty() || !group.notes.is_empty() {
            section.groups.push(group);
        }
    }
    section.notes.extend(no_value(empty));
    if section.groups.is_empty() && section.notes.is_empty() && table.words.is_empty() {
        section.notes.push(format!("{} without figures; --csv writes them", words::count(table.rows as u64, "row")));
    }
    section
}

/// The metrics that are not left out in favour of another.
fn shown(entity: &Entity, options: Options) -> impl Iterator<Item = &Metric> {
    entity.metrics.iter().filter(move |m| options.all || options.chosen || m.kind != Kind::Counter || !m.has_derived)
}

/// Is the metric named in one line with others that never changed? Of a single interval nobody knows whether it changes.
fn folds(m: &Metric, options: Options) -> bool {
    let same = match (m.kind, m.stats.min, m.stats.max) {
        (Kind::Counter, ..) => m.stats.total.is_none_or(|t| t.as_f64() == 0.0),
        (_, min, max) => min == max,
    };
    same && (!is_single(m) || is_zero(m)) && !options.all && !options.chosen
}

fn is_zero(m: &Metric) -> bool {
    m.stats.max.or(m.stats.total).is_none_or(|v| v.as_f64() == 0.0)
}

/// One value, or the two of a counter that make one.
fn is_single(m: &Metric) -> bool {
    m.stats.count <= if m.kind == Kind::Counter { 2 } else { 1 }
}

fn unchanging(metrics: &[&Metric]) -> Vec<String> {
    let (zero, other): (Vec<&Metric>, Vec<&Metric>) = metrics.iter().partition(|m| is_zero(m));
    let mut notes = Vec::new();
    if !other.is_empty() {
        let each = other.iter().map(|m| format!("{} {}", m.name, value(m.stats.max, m)));
        notes.push(format!("unchanged: {}", each.collect::<Vec<_>>().join(", ")));
    }
    let (once, always): (Vec<&Metric>, Vec<&Metric>) = zero.into_iter().partition(|m| is_single(m));
    for (what, metrics) in [("always 0", always), ("0", once)] {
        if !metrics.is_empty() {
            notes.push(format!("{what}: {}", metrics.iter().map(|m| m.name).collect::<Vec<_>>().join(", ")));
        }
    }
    notes
}

fn no_value(mut names: Vec<&'static str>) -> Option<String> {
    let mut seen = Vec::new();
    names.retain(|n| {
        !seen.contains(n) && {
            seen.push(*n);
            true
        }
    });
    match names.len() {
        0 => None,
        1..=6 => Some(format!("no value: {}", names.join(", "))),
        n => Some(format!("{} without a value (--all names them)", words::count(n as u64, "metric"))),
    }
}

/// Does any row have a total?
fn totals(table: &Table, options: Options) -> bool {
    let mut metrics = table.entities.iter().flat_map(|e| shown(e, options).map(move |m| (e, m)));
    metrics.any(|(e, m)| total(e, m).is_some())
}

/// A counter's growth stands in the row of its rate.
fn total(entity: &Entity, metric: &Metric) -> Option<String> {
    let of = |m: &Metric| m.stats.total.filter(|t| t.as_f64() != 0.0).map(|t| scaled(t.as_f64(), m.unit));
    match metric.kind {
        Kind::Counter | Kind::Amount => of(metric),
        Kind::Interval => of(entity.metrics.iter().find(|m| m.rate == Some(metric.name))?),
        _ => None,
    }
}

fn columns(options: Options, totals: bool) -> Vec<&'static str> {
    let mut columns = if options.wide {
        vec!["count", "nulls", "min", "mean", "p50", "p95", "p99", "max"]
    } else {
        vec!["mean", "p50", "p95", "max"]
    };
    columns.extend(totals.then_some("total"));
    columns
}

fn cells(entity: &Entity, m: &Metric, options: Options, totals: bool) -> Vec<String> {
    let s = &m.stats;
    let mean = match m.kind {
        Kind::Counter => s.per_sec.map(|v| scaled(v, m.unit.per_sec())),
        _ => s.mean.map(|v| scaled(v, m.unit)),
    }
    .unwrap_or_default();
    let of = |v| value(v, m);
    let mut cells = if options.wide {
        vec![s.count.to_string(), s.nulls.to_string(), of(s.min), mean, of(s.p50), of(s.p95), of(s.p99), of(s.max)]
    } else {
        vec![mean, of(s.p50), of(s.p95), of(s.max)]
    };
    if totals {
        cells.push(total(entity, m).unwrap_or_default());
    }
    cells
}

fn value(v: Option<Number>, m: &Metric) -> String {
    v.map(|v| scaled(v.as_f64(), m.unit)).unwrap_or_default()
}

/// A table of many entities: for each metric the lowest, middle and highest of their means, and whose is the highest.
fn many(table: &Table, options: Options) -> Section {
    let mut section = Section { title: table.table.into(), ..Section::default() };
    section.aside = format!("{} entities, {}", table.entities.len(), table.source);
    section.columns = vec!["lowest", "mean", "highest", "of", "max"];
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

/// One line an event, and the ratios.
fn perf(table: &Table, options: Options) -> Section {
    let mut section = Section { title: table.table.into(), aside: table.source.into(), ..Section::default() };
    section.columns = if options.wide {
        vec!["count", "nulls", "total", "per sec", "min", "p50", "p95", "p99", "max", "running"]
    } else {
        vec!["total", "per sec", "p50", "p95", "max"]
    };
    let mut groups: Vec<(String, Group)> = Vec::new();
    let mut silent = Vec::new();
    let (mut estimates, mut guesses) = (false, Vec::new());
    for entity in &table.entities {
        let around = name_of(entity.labels.iter().filter(|l| l.name != "event"));
        let event = entity.label("event").unwrap_or("?").to_string();
        let Some(m) = entity.metric(VALUE).filter(|m| m.stats.count > 0 || options.all) else {
            silent.push(if around.is_empty() { event } else { format!("{event} ({around})") });
            continue;
        };
        let s = &m.stats;
        let unit = event_unit(m);
        let amount = |v: Option<Number>| v.map(|v| unit.show(v.as_f64())).unwrap_or_default();
        let per_sec = |v: Option<f64>| v.map(|v| unit.show(v) + "/s").unwrap_or_default();
        let rate = |of: fn(&Rates) -> f64| per_sec(m.rates.as_ref().map(of));
        let running = entity.metric("running_percent").and_then(|m| m.stats.mean);
        let mut label = event;
        if !options.wide && s.count > 0 {
            let mark = shared(running);
            estimates |= !mark.is_empty();
            label += &mark;
        }
        if running.is_some_and(|percent| percent < LEAST_RUNNING_PERCENT) && s.count > 0 {
            guesses.push(if around.is_empty() { label.clone() } else { format!("{label} ({around})") });
        }
        let cells = if options.wide {
            vec![
                s.count.to_string(),
                s.nulls.to_string(),
                amount(s.total),
                per_sec(s.per_sec),
                rate(|r| r.min),
                rate(|r| r.p50),
                rate(|r| r.p95),
                rate(|r| r.p99),
                rate(|r| r.max),
                running.map(|v| scaled(v, Unit::Percent)).unwrap_or_default(),
            ]
        } else {
            vec![amount(s.total), per_sec(s.per_sec), rate(|r| r.p50), rate(|r| r.p95), rate(|r| r.max)]
        };
        let at = groups.iter().position(|(a, _)| *a == around).unwrap_or_else(|| {
            groups.push((around.clone(), Group { title: around, ..Group::default() }));
            groups.len() - 1
        });
        if let Some((_, group)) = groups.get_mut(at) {
            group.rows.push((label, cells));
        }
    }
    let hidden = if options.all { 0 } else { groups.len().saturating_sub(MANY) };
    groups.truncate(groups.len() - hidden);
    section.groups = groups.into_iter().map(|(_, g)| g).collect();
    if hidden > 0 {
        section.notes.push(format!("{hidden} more CPUs or targets; --table perf --all shows each"));
    }
    section.notes.extend(ratios(&table.ratios, options));
    estimates |= table.ratios.iter().any(|r| !shared(r.running_percent).is_empty());
    if !guesses.is_empty() {
        section.notes.push(format!(
            "on a counter for too little of the time, and left out of ratios while below {LEAST_RUNNING_PERCENT} %: {}",
            guesses.join(", ")
        ));
    }
    if estimates {
        section.notes.push("(%): the part of the time on a counter; the rest is extrapolated".into());
    }
    if !silent.is_empty() {
        section.notes.push(format!("did not count: {}", silent.join(", ")));
    }
    section
}

/// ` (31.2 %)` behind what shared its counter: so much of the time it was on it.
fn shared(running_percent: Option<f64>) -> String {
    match running_percent {
        Some(percent) if percent < 99.95 => format!(" ({} %)", digits(percent)),
        _ => String::new(),
    }
}

/// One sentence for each CPU and target: `instructions_per_cycle 1.25, branch_miss_percent 2.50 %`.
fn ratios(all: &[Ratio], options: Options) -> Vec<String> {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for ratio in all {
        let around = name_of(ratio.labels.iter());
        let mut text = format!("{} {}", ratio.ratio, digits(ratio.value));
        match ratio.unit {
            PERCENT => text += " %",
            "GHz" => text += " GHz",
            // The name says the rest: `branch_mpki`.
            _ => {}
        }
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

/// `cpu 3`, `socket0`: a number alone would not say what it counts.
fn name_of<'a>(labels: impl Iterator<Item = &'a Label>) -> String {
    let named = labels.filter_map(|l| {
        let value = l.value.as_deref()?;
        Some(if value.bytes().all(|b| b.is_ascii_digit()) { format!("{} {value}", l.name) } else { value.to_string() })
    });
    named.collect::<Vec<_>>().join(" ")
}

/// How the values of an event read: perf gives clocks in milliseconds, `duration_time` in
/// nanoseconds, most events without a unit, some in their own.
enum EventUnit<'a> {
    /// A time, and its unit in seconds.
    Time(f64),
    Count,
    Other(&'a str),
}

fn event_unit(m: &Metric) -> EventUnit<'_> {
    match m.event_unit.as_deref() {
        Some("msec" | "ms") => EventUnit::Time(1e-3),
        Some("ns") => EventUnit::Time(1e-9),
        None | Some("") => EventUnit::Count,
        Some(other) => EventUnit::Other(other),
    }
}

impl EventUnit<'_> {
    fn show(&self, v: f64) -> String {
        match self {
            EventUnit::Time(unit) => time(v * unit),
            EventUnit::Count => count(v),
            EventUnit::Other(unit) => format!("{} {unit}", count(v)),
        }
    }
}
