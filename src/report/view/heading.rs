//! The lines about a recording as a whole.

use super::Options;
use crate::report::holes::Hole;
use crate::report::model::{Instant, Recording};
use crate::report::phases::words as words_of_phases;
use crate::table::human::time;
use crate::text::words;

/// The line about a recording as a whole.
pub fn heading(r: &Recording) -> String {
    let mut parts = Vec::new();
    parts.extend(r.host.as_ref().map(|h| format!("host {h}")));
    if let (Some(start), Some(end)) = (r.start, r.end) {
        let (from, to) = (start.rfc3339(), end.rfc3339());
        let same_day = from.get(..10) == to.get(..10);
        let to = seconds(&to);
        let to = if same_day { to.get(11..).unwrap_or("") } else { &to };
        parts.push(format!("{} to {to} UTC ({})", seconds(&from), time((end.0 - start.0) as f64 / 1e6)));
    }
    parts.extend(r.interval_s.map(|s| format!("every {}", if s >= 1.0 { format!("{s} s") } else { time(s) })));
    parts.extend(r.ticks.map(|t| words::count(t, "tick")));
    // Usually there are none.
    parts.extend(r.missed.filter(|m| *m > 0).map(|m| format!("{m} missed")));
    parts.extend(r.notes.iter().cloned());
    parts.extend(r.tags.iter().map(|(key, value)| format!("{key}={value}")));
    parts.join(", ")
}

/// `2026-11-20 07:00:00` of a timestamp.
fn seconds(stamp: &str) -> String {
    stamp.get(..19).map(|s| s.replacen('T', " ", 1)).unwrap_or_default()
}

/// The largest number of phases that are named without `--all`.
pub const MOST_PHASES: usize = 12;

/// The lines under the heading: what went wrong, where nothing was recorded, the command, the phases.
pub fn lines(r: &Recording, options: Options<'_>) -> Vec<String> {
    [problems(r), holes(r, options), command(r), phases(r, options)].into_iter().flatten().collect()
}

/// The line about the recorded command, if there was one.
fn command(r: &Recording) -> Option<String> {
    r.command.as_ref().map(|command| format!("command: {command}"))
}

/// The line about problems of the recorder itself, if there were any.
pub fn problems(r: &Recording) -> Option<String> {
    let parts: Vec<&str> = r.troubles.iter().map(|trouble| trouble.what.as_str()).collect();
    (!parts.is_empty()).then(|| format!("problems while recording: {}", parts.join("; ")))
}

/// The line about starts and holes, if there are any: how many, how long nothing was recorded, and where.
fn holes(r: &Recording, options: Options<'_>) -> Option<String> {
    let starts = r.sessions.filter(|n| *n > 1).map(|n| format!("started {n} times"));
    if r.holes.is_empty() {
        return starts;
    }
    let seconds: f64 = r.holes.iter().map(|hole| hole.seconds).sum();
    let mut text = format!("nothing was recorded for {}", time(seconds));
    let place = |hole: &Hole| format!("from {} to {}", clock(r, hole.from), clock(r, hole.to));
    let mut by_length: Vec<&Hole> = r.holes.iter().collect();
    by_length.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    match by_length.as_slice() {
        [only] => text += &format!(", {}", place(only)),
        _ if options.all => text += &format!(": {}", r.holes.iter().map(place).collect::<Vec<_>>().join("; ")),
        [longest, rest @ ..] => {
            let holes = words::count(rest.len() as u64 + 1, "hole");
            text += &format!(" in {holes}; the longest is {}, {}", time(longest.seconds), place(longest));
        }
        [] => {}
    }
    Some(starts.into_iter().chain([text]).collect::<Vec<_>>().join("; "))
}

/// The time of an instant; with its date if the recording has several.
pub fn clock(r: &Recording, at: Instant) -> String {
    let date = |at: Instant| at.rfc3339().get(..10).map(str::to_string);
    let text = seconds(&at.rfc3339());
    let is_one_day = r.start.map(date) == r.end.map(date) && r.start.map(date) == Some(date(at));
    if is_one_day { text.get(11..).unwrap_or_default().to_string() } else { text }
}

/// The line about the phases, if there are any.
fn phases(r: &Recording, options: Options<'_>) -> Option<String> {
    let most = if options.all { usize::MAX } else { MOST_PHASES };
    (!r.phases.is_empty()).then(|| format!("phases: {}", words_of_phases(&r.phases, most)))
}
