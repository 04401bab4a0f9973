//! `--since` and `--until`: the part of a recording that is shown, and why it may be empty.

use super::Usage;
use crate::cli::report::ReportArgs;
use crate::query::window::{Ambiguous, When, window};
use crate::report::model::Instant;
use crate::report::phases::{phases, words};
use crate::report::view::MOST_PHASES;
use crate::store::read::piece::{ReadError, Source, Window};
use crate::table::TableDef;
use crate::table::phase::{SEPARATOR, is_within};
use crate::text::nearest::did_you_mean;

pub fn window_of(args: &ReportArgs, source: &dyn Source, faults: &mut Vec<ReadError>) -> Result<Window, Usage> {
    window_between((args.rows.since, args.rows.until), source, faults)
}

/// The window from `since` to `until` in a recording.
///
/// # Errors
/// When a time is on several days, or the window is empty.
pub fn window_between(
    (since, until): (Option<When>, Option<When>),
    source: &dyn Source,
    faults: &mut Vec<ReadError>,
) -> Result<Window, Usage> {
    if since.is_none() && until.is_none() {
        return Ok(Window::ALL);
    }
    let span = span(source, faults).unwrap_or((0, 0));
    let resolve = |option: &str, when: Option<When>| {
        let resolved = when.map(|when| when.resolve(span)).transpose();
        resolved.map_err(|Ambiguous(days)| {
            Usage(format!(
                "{option}: the recording has this time on {days} days: write the date too{}",
                span_words(source)
            ))
        })
    };
    let window = window(resolve("--since", since)?, resolve("--until", until)?);
    if window.from_us >= window.to_us {
        return Err(Usage(format!("--since is not before --until{}", span_words(source))));
    }
    Ok(window)
}

/// First and last instant of a recording; of table `tick` if it exists, because that has a row for every tick.
pub fn span(source: &dyn Source, faults: &mut Vec<ReadError>) -> Option<(i64, i64)> {
    let tables = source.tables();
    let of = |t: &'static TableDef, faults: &mut Vec<ReadError>| {
        let spans: Vec<_> = source.pieces(t, Window::ALL, faults).iter().filter_map(|p| p.span()).collect();
        spans.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let tick = tables.iter().find(|t| t.name == "tick").and_then(|t| of(t, faults));
    tick.or_else(|| tables.iter().filter_map(|t| of(t, faults)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))))
}

/// Why a part of a recording has no rows: there is no such phase, or there are none in this time.
pub fn why_empty(asked: Option<&str>, source: &dyn Source) -> String {
    let all = phases(source, Window::ALL, &mut Vec::new());
    if let Some(asked) = asked.filter(|asked| !all.iter().any(|p| is_within(&p.phase, asked))) {
        if all.is_empty() {
            return "no rows in phases; `perfwatch mark` sets them".into();
        }
        let names = all.iter().flat_map(|p| p.phase.split(SEPARATOR).chain([p.phase.as_str()]));
        let hint = did_you_mean(asked, names);
        return format!("no phase `{asked}`{hint}; there are: {}", words(&all, MOST_PHASES));
    }
    format!("no rows in this time{}{}", if asked.is_some() { " and phase" } else { "" }, span_words(source))
}

fn span_words(source: &dyn Source) -> String {
    let stamp = |us| Instant(us).rfc3339();
    match span(source, &mut Vec::new()) {
        Some((from, to)) => format!("; {} lasts from {} to {}", source.path().display(), stamp(from), stamp(to)),
        None => String::new(),
    }
}
