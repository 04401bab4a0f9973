//! Computes the model from a recording, table by table and column by column.

use super::health::troubles;
use super::holes::Continuity;
use super::model::{Entity, Instant, Metric, Percentiles, Recording, Table};
use super::order::place;
use super::perf::{ALL_EVENTS, EventChoice, is_perf, ratios_of, units};
use super::phases::phases;
use super::ratios::EVENT;
use crate::metric::table::METRIC;
use crate::query::entities::Label;
use crate::query::read::{BadPiece, floats, integers, timestamps};
use crate::query::select::chosen;
use crate::query::statistics::{MoreStats, WithPercentiles};
use crate::query::words::Words;
use crate::query::{Choice, Query, Rows, View};
use crate::stats::percentile::Percentile;
use crate::store::read::piece::{ReadError, Source};
use crate::table::phase::is_within;
use crate::table::{ELAPSED_S, Kind, StoredColumn, StoredOrigin, TableDef, Type, Unit};

/// What to report.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub rows: Rows<'a>,
    pub choice: &'a Choice,
    /// The largest number of threads.
    pub threads: usize,
    /// Percentiles in addition to those that every report has.
    pub percentiles: &'a [Percentile],
    /// Events and ratios that were chosen by name.
    pub events: &'a EventChoice,
}

impl<'a> Request<'a> {
    /// Of these rows, tables and columns; on one thread.
    pub fn of(rows: Rows<'a>, choice: &'a Choice) -> Request<'a> {
        Request { rows, choice, threads: 1, percentiles: &[], events: &ALL_EVENTS }
    }

    /// The query for the rows of this recording.
    pub fn query(&self, source: &'a dyn Source) -> Query<'a> {
        Query::of([source]).window(self.rows.window).phase(self.rows.phase).choice(self.choice).threads(self.threads)
    }
}

/// Summarises a recording. What cannot be read is left out and added to `problems`. `step` is called after every
/// column, with the name of its table.
pub fn summarise(
    source: &dyn Source,
    request: &Request<'_>,
    problems: &mut Vec<ReadError>,
    step: &mut dyn FnMut(&str),
) -> Recording {
    let facts = source.facts();
    let mut recording = Recording {
        path: source.path().display().to_string(),
        host: facts.host,
        state: facts.state,
        notes: facts.notes,
        interval_s: facts.interval_s,
        start: None,
        end: None,
        ticks: None,
        missed: None,
        sessions: None,
        holes: Vec::new(),
        troubles: Vec::new(),
        tags: facts.tags,
        command: facts.command,
        phases: Vec::new(),
        tables: Vec::new(),
        by_phase: None,
        changes: None,
    };
    let query = request.query(source);
    heading(source, &query, &mut recording, problems);
    recording.phases = phases(source, request.rows.window, problems);
    recording.phases.retain(|p| request.rows.phase.is_none_or(|asked| is_within(&p.phase, asked)));
    for table in chosen(source, request.choice).0 {
        let summary = query.table(source, table, problems, |view| summarise_table(view, &query, request, step));
        recording.tables.extend(summary);
    }
    recording.troubles = troubles(&recording, facts.lost_ticks);
    let has_trouble = |table: &str| recording.troubles.iter().any(|trouble| trouble.table == table);
    recording.tables.sort_by_key(|table| (!has_trouble(table.table), place(table.table)));
    recording
}

/// Time span, ticks and missed ticks, from table `tick`. Without that table: the time span of the other tables.
fn heading(source: &dyn Source, query: &Query<'_>, recording: &mut Recording, problems: &mut Vec<ReadError>) {
    let tables = source.tables();
    let ticks = tables.iter().find(|t| t.name == "tick").map(|tick| {
        let ticks = query.table(source, tick, problems, |view| ticks(view, query.rows).map(Some));
        ticks.unwrap_or_default()
    });
    recording.ticks = ticks.as_ref().map(|ticks| ticks.ticks);
    recording.missed = ticks.as_ref().and_then(|ticks| ticks.missed);
    // Between the ticks of a phase are those of others.
    if let Some(Ticks { continuity, .. }) = ticks.as_ref().filter(|_| query.rows.phase.is_none()) {
        recording.sessions = Some(continuity.sessions);
        recording.holes.clone_from(&continuity.holes);
    }
    let window = query.rows.window;
    let span = ticks.and_then(|ticks| ticks.span).or_else(|| {
        let all = tables.iter().flat_map(|t| source.pieces(t, window, problems));
        let spans: Vec<_> = all.filter_map(|p| p.span()).collect();
        spans.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    });
    if let Some((from, to)) = span {
        recording.start = Some(Instant(from.max(window.from_us)));
        recording.end = Some(Instant(to.min(window.to_us)));
    }
}

/// The contents of table `tick`.
#[derive(Default)]
struct Ticks {
    ticks: u64,
    missed: Option<i64>,
    span: Option<(i64, i64)>,
    continuity: Continuity,
}

fn ticks(view: &View<'_>, rows: Rows<'_>) -> Result<Ticks, BadPiece> {
    const MISSED: &str = "missed";
    let has_missed = view.table.stored.iter().any(|c| c.name == MISSED);
    let mut ticks = Ticks { ticks: view.index.chosen() as u64, ..Ticks::default() };
    let mut chosen = view.index.chosen_rows().enumerate();
    for (n, piece) in view.pieces.iter().enumerate() {
        let bad = |error| BadPiece { piece: n, error };
        let stamps = timestamps(piece.as_ref()).map_err(bad)?;
        let missed = if has_missed { integers(piece.as_ref(), MISSED).map_err(bad)? } else { vec![None; stamps.len()] };
        let elapsed = floats(piece.as_ref(), ELAPSED_S).map_err(bad)?;
        for ((ts, missed), elapsed_s) in stamps.into_iter().zip(missed).zip(elapsed) {
            let Some((row, Some(_))) = chosen.next() else { continue };
            // A phase begins at the start of its first tick's interval.
            let before_s = if rows.phase.is_some() { view.index.elapsed_s(row).max(0.0) } else { 0.0 };
            let began = ts.saturating_sub((before_s * 1e6) as i64);
            ticks.span = Some(ticks.span.map_or((began, ts), |(from, to)| (from.min(began), to.max(ts))));
            ticks.continuity.tick(ts, elapsed_s, missed.unwrap_or(0));
            if let Some(missed) = missed {
                ticks.missed = Some(ticks.missed.unwrap_or(0).saturating_add(missed));
            }
        }
    }
    Ok(ticks)
}

fn summarise_table(
    view: &View<'_>,
    query: &Query<'_>,
    request: &Request<'_>,
    step: &mut dyn FnMut(&str),
) -> Result<Option<Table>, BadPiece> {
    let table = view.table;
    let units = units(view)?;
    let columns = query.columns(table);
    let results = view.fold(&columns, &WithPercentiles(request.percentiles), &mut || step(table.name))?;
    let groups = view.index.entities.iter().zip(&view.index.groups);
    let mut entities: Vec<Entity> = groups
        .map(|(labels, group)| Entity { labels: labels.clone(), rows: group.rows, metrics: Vec::new() })
        .collect();
    for (column, results) in columns.into_iter().zip(results) {
        for (n, (entity, more)) in entities.iter_mut().zip(results).enumerate() {
            let event_unit = units.get(n).filter(|_| column.kind == Kind::Amount).cloned().flatten();
            entity.metrics.push(metric(table, column, event_unit, request.percentiles, more));
        }
    }
    let all = request.choice.metrics.is_empty();
    let mut ratios = if all || request.events.is_limited() { ratios_of(view)? } else { Vec::new() };
    if is_perf(table) {
        ratios.retain(|ratio| request.events.has_ratio(ratio.ratio));
        entities.retain(|entity| request.events.has_event(entity.label(EVENT).unwrap_or_default()));
    }
    if table.name == METRIC {
        entities.retain(|entity| request.events.has_number(entity));
    }
    let words = if all { words(view)? } else { Vec::new() };
    entities.retain(|e| e.rows > 0);
    sorted_by_label(&mut entities, |entity| &entity.labels);
    let rows = view.index.chosen();
    Ok(Some(Table { table: table.name, source: table.source, rows, entities, ratios, words }))
}

/// The label columns that have a value. Not those of tables `perf` and `metric`, which belong to single events and numbers, nor the column that
/// marks new entities, which only matters for summing counters.
fn words(view: &View<'_>) -> Result<Vec<Words>, BadPiece> {
    if is_perf(view.table) || view.table.name == METRIC {
        return Ok(Vec::new());
    }
    let labels = view.table.stored.iter().filter(|c| c.kind == Kind::Label && matches!(c.ty, Type::Text | Type::Bool));
    let labels = labels.filter(|c| Some(c.name) != view.table.life.is_new);
    let mut words = labels.map(|c| view.words(c.name)).collect::<Result<Vec<_>, _>>()?;
    words.retain(|words| !words.values.is_empty());
    Ok(words)
}

/// Sorts numbers before names and by value: `2` before `10`. Events stay in the order of perf.
pub fn sorted_by_label<T>(entities: &mut [T], labels: impl Fn(&T) -> &[Label]) {
    let key = |entity: &T| -> Vec<(Option<i64>, Option<String>)> {
        let labels = labels(entity).iter().filter(|l| l.name != EVENT);
        labels.map(|l| (l.value.as_deref().and_then(|v| v.parse().ok()), l.value.clone())).collect()
    };
    entities.sort_by_cached_key(key);
}

fn metric(
    table: &TableDef,
    column: &StoredColumn,
    event_unit: Option<String>,
    asked: &[Percentile],
    more: MoreStats,
) -> Metric {
    let (rate, has_derived) = match (column.kind, &column.origin) {
        (Kind::Counter, StoredOrigin::Raw(raw)) => (rate_of(table, *raw), has_derived(table, *raw)),
        _ => (None, false),
    };
    Metric {
        name: column.name,
        kind: column.kind,
        unit: column.unit,
        event_unit,
        rate,
        has_derived,
        stats: more.stats,
        rates: more.rates,
        percentiles: Percentiles(asked.iter().copied().zip(more.percentiles).collect()),
        of_rates: Percentiles(asked.iter().copied().zip(more.of_rates).collect()),
        trace: Vec::new(),
    }
}

/// The column that contains the growth per second of this raw column only. For energy that is power, in another unit.
fn rate_of(table: &TableDef, raw: usize) -> Option<&'static str> {
    let is_rate = |c: &&StoredColumn| match &c.origin {
        StoredOrigin::Derived(f) if f.of == [raw] && f.over.is_none() => {
            c.unit == Unit::Watts || f.factor == 1.0 && c.unit != Unit::Percent
        }
        _ => false,
    };
    table.stored.iter().find(is_rate).map(|c| c.name)
}

/// Is a rate or share derived from this counter?
pub fn has_rate(table: &TableDef, column: &StoredColumn) -> bool {
    column.kind == Kind::Counter && matches!(column.origin, StoredOrigin::Raw(raw) if has_derived(table, raw))
}

fn has_derived(table: &TableDef, raw: usize) -> bool {
    table.stored.iter().any(|c| matches!(&c.origin, StoredOrigin::Derived(f) if f.of.contains(&raw)))
}
