//! Parses a line of `perf stat -I … -x ';'` into a row.
//!
//! ```text
//! [time;] [key;[n;]] value; unit; event; [variance%;] runtime_ns; running_pct; [metric; metric unit]
//! ```
//!
//! The columns differ between versions of perf, and distributions backport new formats to old version numbers. So every
//! column is recognised by its shape, and anything that does not look like a row is not a row.

mod asked;
mod event;
mod fields;
#[cfg(test)]
mod tests;

use super::line::{LineLayout, NoRow, PerfLine, PrintedCount, cpu, digits, reading, seconds};
use crate::collect::perf::options::Per;
use asked::{is_asked, is_named, with_cgroup};
use event::event;
use fields::Fields;

/// Unlike a comma, it is not used in event names (`cpu/event=0x3c,umask=0x0/`).
pub const SEPARATOR: char = ';';

/// Parses a line, without its line end.
///
/// # Errors
/// If it is not a row.
pub fn row<'l>(line: &'l str, separator: char, layout: &LineLayout) -> Result<PerfLine<'l>, NoRow> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.starts_with('#') {
        return Err(NoRow::Known);
    }
    let mut rest = Fields { rest: Some(line), separator };
    let first = rest.next().ok_or(NoRow::Unknown)?;
    let other = || if is_known(first, rest) { NoRow::Known } else { NoRow::Unknown };
    let found = behind_time(seconds(first).ok_or_else(other)?, rest, layout);
    // A sum of `--summary` looks like a time, except for its decimals and what follows.
    if has_nine_decimals(first) { found } else { found.map_err(|_| other()) }
}

fn has_nine_decimals(time: &str) -> bool {
    time.trim().split_once('.').is_some_and(|(_, fraction)| fraction.len() == 9)
}

/// Parses what follows the time.
fn behind_time<'l>(time_ns: u64, rest: Fields<'l>, layout: &LineLayout) -> Result<PerfLine<'l>, NoRow> {
    let no_key = PerfLine {
        time_ns,
        cpu: None,
        key: None,
        cgroup: None,
        reading: PrintedCount::NotCounted,
        whole: false,
        unit: "",
        event: "",
        running_percent: None,
    };
    if layout.per == Per::Thread {
        return thread(rest, &no_key, layout);
    }
    let mut after_key = rest;
    let field = after_key.next().ok_or(NoRow::Unknown)?.trim();
    if layout.per == Per::Whole || !is_key(field) {
        return counts(rest, no_key, layout);
    }
    if let Some(cpu) = cpu(field) {
        return counts(after_key, PerfLine { cpu: Some(cpu), ..no_key }, layout);
    }
    // Every key except a CPU is followed by the number of counters that were added up.
    after_key.next().ok_or(NoRow::Unknown)?;
    counts(after_key, PerfLine { key: Some(field), ..no_key }, layout)
}

/// Parses what follows the key.
fn counts<'l>(mut rest: Fields<'l>, before: PerfLine<'l>, layout: &LineLayout) -> Result<PerfLine<'l>, NoRow> {
    let field = rest.next().ok_or(NoRow::Unknown)?.trim();
    if field.is_empty() {
        return Err(NoRow::Known);
    }
    let reading = reading(field).ok_or(NoRow::Unknown)?;
    let whole = !field.contains('.');

    let after_value = rest;
    let mut unit = rest.next().ok_or(NoRow::Unknown)?.trim();
    if rest.rest.is_none() || layout.events.iter().any(|e| is_named(e, unit)) {
        rest = after_value;
        unit = "";
    }
    let found = event(rest);
    let (mut event, mut cgroup) = (found.name, None);
    if layout.cgroups {
        (event, cgroup) = match found.is_timed {
            true => with_cgroup(event, rest.separator, layout),
            false => (event, found.after),
        };
    }
    if event.is_empty() {
        return Err(NoRow::Known);
    }
    // Without a percentage (before perf 4.1) the event is at the end of the line, but this also holds for a line that
    // was cut off.
    let is_whole = found.is_timed || !found.has_more && is_asked(event, layout);
    if !is_whole {
        return Err(NoRow::Unknown);
    }
    Ok(PerfLine { reading, whole, unit, event, cgroup, running_percent: found.running_percent, ..before })
}

/// A line added by `--summary` or `--metric-only`: marked as such, or from perf 5.8 to 5.11 a row without its first
/// column.
fn is_known(first: &str, mut rest: Fields<'_>) -> bool {
    let mut first = first.trim();
    if first == "summary" || first == "time" || first.starts_with("time,") {
        return true;
    }
    if is_key(first) {
        if cpu(first).is_none() {
            rest.next();
        }
        first = rest.next().unwrap_or_default().trim();
    }
    // A value, a unit, and then an event with a run time and a percentage.
    reading(first).is_some() && rest.next().is_some() && event(rest).is_timed
}

/// A thread is `comm-tid`, and a comm may contain anything, including the separator. It ends where a number and a value
/// follow. If there are two such places, the event decides.
fn thread<'l>(fields: Fields<'l>, before: &PerfLine<'l>, layout: &LineLayout) -> Result<PerfLine<'l>, NoRow> {
    let text = fields.rest.ok_or(NoRow::Unknown)?;
    let (mut cursor, mut first) = (fields, None);
    while cursor.next().is_some() {
        let Some(tail) = cursor.rest else { break };
        let end = (text.len() - tail.len()).saturating_sub(fields.separator.len_utf8());
        let name = text.get(..end).unwrap_or_default();
        if name.rsplit_once('-').is_none_or(|(_, tid)| digits(tid).is_none()) {
            continue;
        }
        match counts(cursor, PerfLine { key: Some(name), ..*before }, layout) {
            Ok(line) if is_asked(line.event, layout) => return Ok(line),
            Ok(line) => first = first.or(Some(line)),
            Err(_) => {}
        }
    }
    first.map_or_else(|| counts(fields, *before, layout), Ok)
}

/// `CPU3`, or `S0`, `S0-D0`, `S8442-D0-C96`, `S-1`, `N0`, `S0-D0-L3-ID0`, `S0-D0-CLS65535`.
fn is_key(field: &str) -> bool {
    let id = |prefix: char| {
        let rest = field.strip_prefix(prefix).unwrap_or_default();
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let number = rest.split('-').next().unwrap_or_default();
        !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    cpu(field).is_some() || id('S') || id('N')
}
