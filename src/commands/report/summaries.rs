//! The summary of each recording, and what else was asked for.

use super::choice::Chosen;
use super::print::has_sparklines;
use super::{Problems, Progress, why_empty, window_of};
use crate::cli::report::{By, ReportArgs};
use crate::events::name::means;
use crate::query::{Rows, threads};
use crate::report::changes::changes;
use crate::report::matrix::by_phase;
use crate::report::model::Recording;
use crate::report::perf::{EventChoice, PERF};
use crate::report::ratios::EVENT;
use crate::report::summary::{Request, summarise};
use crate::report::traces;
use crate::store::read::piece::Source;

/// The largest number of bars of a sparkline.
const MOST_BARS: usize = 40;

/// # Errors
/// For invalid times.
pub fn summaries(
    args: &ReportArgs,
    opened: &[Box<dyn Source>],
    chosen: &Chosen,
    problems: &mut Problems,
    progress: &mut Progress,
) -> anyhow::Result<Vec<Recording>> {
    let mut recordings = Vec::new();
    for source in opened {
        let source = source.as_ref();
        let mut faults = Vec::new();
        let rows = Rows { window: window_of(args, source, &mut faults)?, phase: args.rows.phase.as_deref() };
        let threads = args.threads.unwrap_or_else(threads::default).min(threads::MOST);
        let of = Request::of(rows, &chosen.choice);
        let request = Request { threads, percentiles: &args.percentiles, events: &chosen.events, ..of };
        let mut recording = summarise(source, &request, &mut faults, &mut |table| progress.step(table));
        problems.files(&faults);
        let narrowed = args.rows.since.is_some() || args.rows.until.is_some() || args.rows.phase.is_some();
        if recording.tables.is_empty() && narrowed && !source.tables().is_empty() {
            problems.say(format!("{}: {}", recording.path, why_empty(args.rows.phase.as_deref(), source)));
        }
        if args.by == Some(By::Phase) && recording.phases.is_empty() {
            problems.say(format!("{}: no phases; `perfwatch mark` sets them", recording.path));
        }
        add_more(args, source, &request, &mut recording, progress);
        missing_events(&chosen.events, &recording).into_iter().for_each(|text| problems.note(text));
        recordings.push(recording);
    }
    Ok(recordings)
}

/// Phases, changes and sparklines, if asked for. What cannot be read has been reported.
fn add_more(
    args: &ReportArgs,
    source: &dyn Source,
    request: &Request<'_>,
    recording: &mut Recording,
    progress: &mut Progress,
) {
    let step = &mut |table: &str| progress.step(table);
    let faults = &mut Vec::new();
    if args.by == Some(By::Phase) {
        recording.by_phase = Some(by_phase(source, &recording.phases, request, faults, step));
    }
    if let Some(span) = recording.start.zip(recording.end).filter(|_| args.top.is_some()) {
        recording.changes = Some(changes(source, span, request, faults, step));
    }
    if has_sparklines(args) {
        traces::add(source, recording, request, (MOST_BARS, args.all), faults);
    }
}

/// A note for each chosen event and ratio that a recording does not have.
fn missing_events(chosen: &EventChoice, recording: &Recording) -> Vec<String> {
    let perf = recording.tables.iter().find(|table| table.table == PERF);
    let events = || perf.into_iter().flat_map(|table| &table.entities).filter_map(|entity| entity.label(EVENT));
    let has_ratio = |name: &str| perf.is_some_and(|table| table.ratios.iter().any(|ratio| ratio.ratio == name));
    let no_event = |event: &&String| !events().any(|recorded| means(event, recorded));
    let events = chosen.events.iter().filter(no_event).map(|event| format!("event `{event}` was not recorded"));
    let ratios = chosen.ratios.iter().filter(|ratio| !has_ratio(ratio));
    let ratios = ratios.map(|ratio| format!("no `{ratio}`: the events that it needs were not all counted"));
    events.chain(ratios).map(|text| format!("{}: {text}; --table perf shows what was", recording.path)).collect()
}
