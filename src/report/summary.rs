//! From a recording to the model: table by table, column by column.

use super::column::{Summariser, Way};
use super::growth::{Growth, grow};
use super::index::{BadPiece, RowIndex, Rows, each_text, timestamps};
use super::labels::words;
use super::lives::Lives;
use super::model::{Entity, Instant, Metric, Rates, Recording, Stats, Table};
use super::order::place;
use super::phases::phases;
use super::ratios::ratios;
use super::weights::Weights;
use crate::store::read::piece::{Piece, ReadError, Source};
use crate::table::phase::is_within;
use crate::table::{Kind, StoredColumn, StoredOrigin, TableDef, Unit};

/// What the report is about.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub rows: Rows<'a>,
    pub choice: &'a Choice,
}

/// The tables and columns that were asked for; empty means all.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub tables: Vec<String>,
    /// `column` or `table.column`.
    pub metrics: Vec<String>,
}

impl Choice {
    pub fn has_table(&self, table: &TableDef) -> bool {
        (self.tables.is_empty() || self.tables.iter().any(|t| t == table.name))
            && (self.metrics.is_empty() || table.metrics().any(|c| self.has_metric(table, c.name)))
    }
    pub fn has_metric(&self, table: &TableDef, column: &str) -> bool {
        self.metrics.is_empty()
            || self.metrics.iter().any(|m| match m.split_once('.') {
                Some((of, name)) => of == table.name && name == column,
                None => m == column,
            })
    }
}

/// The tables of a recording that the summary will go through, and how many columns that makes.
pub fn chosen(source: &dyn Source, choice: &Choice) -> (Vec<&'static TableDef>, usize) {
    let tables: Vec<_> = source.tables().into_iter().filter(|t| choice.has_table(t)).collect();
    let columns = tables.iter().map(|t| t.metrics().filter(|c| choice.has_metric(t, c.name)).count()).sum();
    (tables, columns)
}

/// Summarises a recording. What cannot be read is added to `problems` and left out; `step` is called after every column
/// with the name of its table.
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
        tags: facts.tags,
        command: facts.command,
        phases: Vec::new(),
        tables: Vec::new(),
    };
    heading(source, request, &mut recording, problems);
    recording.phases = phases(source, request.rows.window, problems);
    recording.phases.retain(|p| request.rows.phase.is_none_or(|asked| is_within(&p.phase, asked)));
    let mut summariser = Summariser::default();
    for table in chosen(source, request.choice).0 {
        let (table, pieces) = source.read(table, request.rows.window, problems);
        if let Some(summary) = summarise_table(table, pieces, request, &mut summariser, problems, step) {
            recording.tables.push(summary);
        }
    }
    recording.tables.sort_by_key(|table| place(table.table));
    recording
}

/// Time span, ticks and missed ticks, from table `tick`; without it the span of what there is.
fn heading(source: &dyn Source, request: &Request<'_>, recording: &mut Recording, problems: &mut Vec<ReadError>) {
    let tables = source.tables();
    let span = match tables.iter().find(|t| t.name == "tick") {
        Some(tick) => {
            let mut pieces = source.pieces(tick, request.rows.window, problems);
            without_bad(&mut pieces, problems, |pieces| ticks(tick, pieces, request.rows, recording))
        }
        None => None,
    };
    let span = span.or_else(|| {
        let all = tables.iter().flat_map(|t| source.pieces(t, request.rows.window, problems));
        let spans: Vec<_> = all.filter_map(|p| p.span()).collect();
        spans.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    });
    if let Some((from, to)) = span {
        let window = request.rows.window;
        recording.start = Some(Instant(from.max(window.from_us)));
        recording.end = Some(Instant(to.min(window.to_us)));
    }
}

fn ticks(
    tick: &TableDef,
    pieces: &[Box<dyn Piece + '_>],
    rows: Rows<'_>,
    recording: &mut Recording,
) -> Result<Option<(i64, i64)>, BadPiece> {
    let index = RowIndex::build(tick, pieces, rows)?;
    let mut span: Option<(i64, i64)> = None;
    let mut row = 0;
    for (n, piece) in pieces.iter().enumerate() {
        for ts in timestamps(piece.as_ref()).map_err(|error| BadPiece { piece: n, error })? {
            if index.rows.get(row) == Some(&0) {
                // A phase began with the interval of its first tick.
                let before_s = if rows.phase.is_some() { index.elapsed_s(row).max(0.0) } else { 0.0 };
                let began = ts.saturating_sub((before_s * 1e6) as i64);
                span = Some(span.map_or((began, ts), |(from, to)| (from.min(began), to.max(ts))));
            }
            row += 1;
        }
    }
    recording.ticks = Some(index.selected() as u64);
    if tick.stored.iter().any(|c| c.name == "missed") {
        let stats = Summariser::default().column(&index, pieces, "missed", Way::Amounts, &Weights::Rows)?;
        recording.missed = stats.first().and_then(|s| s.total).map(|total| total.as_f64() as i64);
    }
    Ok(span)
}

/// Tries again without the piece that failed: the others are reported, whole.
fn without_bad<'p, T>(
    pieces: &mut Vec<Box<dyn Piece + 'p>>,
    problems: &mut Vec<ReadError>,
    mut work: impl FnMut(&[Box<dyn Piece + 'p>]) -> Result<T, BadPiece>,
) -> T
where
    T: Default,
{
    loop {
        match work(pieces) {
            Ok(done) => return done,
            Err(bad) => {
                problems.push(bad.error);
                if bad.piece >= pieces.len() {
                    return T::default();
                }
                pieces.remove(bad.piece);
            }
        }
    }
}

fn summarise_table(
    table: &'static TableDef,
    mut pieces: Vec<Box<dyn Piece + '_>>,
    request: &Request<'_>,
    summariser: &mut Summariser,
    problems: &mut Vec<ReadError>,
    step: &mut dyn FnMut(&str),
) -> Option<Table> {
    let columns: Vec<&StoredColumn> = table.metrics().filter(|c| request.choice.has_metric(table, c.name)).collect();
    without_bad(&mut pieces, problems, |pieces| {
        let index = RowIndex::build(table, pieces, request.rows)?;
        if index.selected() == 0 {
            return Ok(None);
        }
        let units = if table.name == PERF { event_units(&index, pieces)? } else { Vec::new() };
        let mut entities: Vec<Entity> = index
            .entities
            .iter()
            .zip(&index.counts)
            .map(|(labels, rows)| Entity { labels: labels.clone(), rows: *rows, metrics: Vec::new() })
            .collect();
        let lives = Lives::find(table, &index, pieces, request.rows)?;
        for column in &columns {
            let stats = statistics(table, column, &index, &lives, pieces, summariser)?;
            for (n, (entity, (stats, rates))) in entities.iter_mut().zip(stats).enumerate() {
                let event_unit = units.get(n).filter(|_| column.name == PERF_VALUE).cloned().flatten();
                entity.metrics.push(metric(table, column, event_unit, stats, rates));
            }
            step(table.name);
        }
        let wanted = request.choice.metrics.is_empty();
        let ratios = if table.name == PERF && wanted { ratios(&index, pieces)? } else { Vec::new() };
        let words = if wanted { words(table, &index, pieces)? } else { Vec::new() };
        entities.retain(|e| e.rows > 0);
        entities.sort_by(|a, b| by_label(a).cmp(&by_label(b)));
        Ok(Some(Table { table: table.name, source: table.source, rows: index.selected(), entities, ratios, words }))
    })
}

/// Numbers before names, by value: `2` before `10`. Events stay in the order in which perf has them.
fn by_label(entity: &Entity) -> Vec<(Option<i64>, Option<&str>)> {
    let labels = entity.labels.iter().filter(|l| l.name != "event");
    labels.map(|l| (l.value.as_deref().and_then(|v| v.parse().ok()), l.value.as_deref())).collect()
}

pub const PERF: &str = "perf";
/// The column of table `perf` that holds what an event counted in the interval.
pub const PERF_VALUE: &str = "value";

/// A column of every entity; of amounts also the rates.
fn statistics(
    table: &TableDef,
    column: &StoredColumn,
    index: &RowIndex,
    lives: &Lives,
    pieces: &[Box<dyn Piece + '_>],
    summariser: &mut Summariser,
) -> Result<Vec<(Stats, Option<Rates>)>, BadPiece> {
    if column.kind == Kind::Counter {
        let growths = grow(table, index, lives, pieces, column.name, |_, _| ())?;
        return Ok(growths.iter().map(Growth::stats).map(|stats| (stats, None)).collect());
    }
    let weights = Weights::read(table, column, index, lives, pieces)?;
    if table.name == PERF && column.name == PERF_VALUE {
        let rates = summariser.column(index, pieces, column.name, Way::Rates, &weights)?;
        let amounts = summariser.column(index, pieces, column.name, Way::Amounts, &weights)?;
        return Ok(amounts.into_iter().zip(rates.iter().map(Rates::of)).collect());
    }
    let stats = summariser.column(index, pieces, column.name, Way::Values, &weights)?;
    Ok(stats.into_iter().map(|stats| (stats, None)).collect())
}

fn metric(
    table: &TableDef,
    column: &StoredColumn,
    event_unit: Option<String>,
    stats: Stats,
    rates: Option<Rates>,
) -> Metric {
    let (rate, has_derived) = match (column.kind, &column.origin) {
        (Kind::Counter, StoredOrigin::Raw(raw)) => (rate_of(table, *raw), has_derived(table, *raw)),
        _ => (None, false),
    };
    Metric { name: column.name, kind: column.kind, unit: column.unit, event_unit, rate, has_derived, stats, rates }
}

/// The column that is the growth per second of this raw column and nothing else.
fn rate_of(table: &TableDef, raw: usize) -> Option<&'static str> {
    let is_rate = |c: &&StoredColumn| match &c.origin {
        StoredOrigin::Derived(f) => f.of == [raw] && f.over.is_none() && f.factor == 1.0 && c.unit != Unit::Percent,
        StoredOrigin::Raw(_) => false,
    };
    table.stored.iter().find(is_rate).map(|c| c.name)
}

fn has_derived(table: &TableDef, raw: usize) -> bool {
    table.stored.iter().any(|c| matches!(&c.origin, StoredOrigin::Derived(f) if f.of.contains(&raw)))
}

/// The unit that perf printed with every event.
fn event_units(index: &RowIndex, pieces: &[Box<dyn Piece + '_>]) -> Result<Vec<Option<String>>, BadPiece> {
    let mut units = vec![None; index.entities.len()];
    let mut rows = index.rows.iter();
    for (n, piece) in pieces.iter().enumerate() {
        let bad = |error| BadPiece { piece: n, error };
        for chunk in piece.column("unit").map_err(bad)? {
            let take = |unit: Option<&str>| {
                let Some(slot) = rows.next().and_then(|e| units.get_mut(*e as usize)) else { return };
                if slot.is_none() {
                    *slot = unit.filter(|u| !u.is_empty()).map(str::to_string);
                }
            };
            each_text(piece.as_ref(), "unit", &chunk, take).map_err(bad)?;
        }
    }
    Ok(units)
}
