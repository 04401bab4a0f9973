//! Where a run has become steady, by its use of the CPU: decided once per run, for all metrics.

use crate::query::read::{floats, in_phase, timestamps};
use crate::stats::warmup::steady_from;
use crate::store::read::piece::{Piece, ReadError, Source, Window};

/// The series that decides.
const TABLE: &str = "cpu";
const COLUMN: &str = "usage_percent";

/// With fewer values, the last batch always seems the steadiest part.
pub const LEAST: usize = 20;

/// What was left out at the start of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warmup {
    /// Its length in seconds.
    LeftOut(f64),
    /// The series has fewer than [`LEAST`] values.
    TooShort,
    /// The series has no steady part, so nothing was left out.
    NeverSteady,
    /// The series was not recorded.
    Unknown,
}

/// The part of the window in which the run is steady.
pub fn steady(
    source: &dyn Source,
    window: Window,
    phase: Option<&str>,
    problems: &mut Vec<ReadError>,
) -> (Window, Warmup) {
    let series = series(source, window, phase, problems);
    let Some((first_us, _)) = series.first().copied() else { return (window, Warmup::Unknown) };
    let values: Vec<f64> = series.iter().map(|(_, value)| *value).collect();
    if values.len() < LEAST {
        return (window, Warmup::TooShort);
    }
    let from = steady_from(&values).and_then(|at| series.get(at));
    match from {
        Some((from_us, _)) => {
            let seconds = from_us.saturating_sub(first_us) as f64 / 1e6;
            (Window { from_us: window.from_us.max(*from_us), ..window }, Warmup::LeftOut(seconds))
        }
        None => (window, Warmup::NeverSteady),
    }
}

fn series(source: &dyn Source, window: Window, phase: Option<&str>, problems: &mut Vec<ReadError>) -> Vec<(i64, f64)> {
    let Some(table) = source.tables().into_iter().find(|table| table.name == TABLE) else { return Vec::new() };
    let mut series = Vec::new();
    for piece in source.pieces(table, window, problems) {
        match of_piece(piece.as_ref(), window, phase) {
            Ok(values) => series.extend(values),
            Err(error) => problems.push(error),
        }
    }
    series
}

fn of_piece(piece: &dyn Piece, window: Window, phase: Option<&str>) -> Result<Vec<(i64, f64)>, ReadError> {
    let within = in_phase(piece, phase)?;
    let rows = timestamps(piece)?.into_iter().zip(floats(piece, COLUMN)?).enumerate();
    let is_chosen = |row: usize, ts: i64| {
        window.contains(ts) && within.as_ref().is_none_or(|within| within.get(row).copied().unwrap_or(false))
    };
    Ok(rows.filter(|(row, (ts, _))| is_chosen(*row, *ts)).filter_map(|(_, (ts, value))| Some((ts, value?))).collect())
}
