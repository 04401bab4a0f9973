//! The lines about a recording as a whole.

use super::{MOST_WORDS, Options};
use crate::report::model::{Entity, Recording};
use crate::report::phases::words as words_of_phases;
use crate::table::human::time;
use crate::text::words;

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
    // Usually there are none.
    parts.extend(r.missed.filter(|m| *m > 0).map(|m| format!("{m} missed")));
    parts.extend(r.notes.iter().cloned());
    parts.extend(r.tags.iter().map(|(key, value)| format!("{key}={value}")));
    parts.join(", ")
}

/// The largest number of phases that are named without `--all`.
pub const MOST_PHASES: usize = 12;

/// The line about the recorded command, if there was one.
pub fn command(r: &Recording) -> Option<String> {
    r.command.as_ref().map(|command| format!("command: {command}"))
}

/// The line about problems of the recorder itself, if there were any. It is at the top because the recorder's tables
/// come last.
pub fn problems(r: &Recording) -> Option<String> {
    let table = |name: &str| r.tables.iter().find(|t| t.table == name);
    let collectors = table("collector");
    let failed = |entity: &Entity| {
        let errors = entity.metric("errors")?;
        // The mean times the number of rows is the sum.
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
    (!parts.is_empty()).then(|| format!("problems while recording: {}", parts.join("; ")))
}

/// The line about the phases, if there are any.
pub fn phases(r: &Recording, options: Options) -> Option<String> {
    let most = if options.all { usize::MAX } else { MOST_PHASES };
    (!r.phases.is_empty()).then(|| format!("phases: {}", words_of_phases(&r.phases, most)))
}
