//! The event in a line: its name may contain the separator.

use super::fields::Fields;
use crate::collect::perf::program::line::{digits, reading};

/// The name of an event, and what follows it.
#[derive(Default)]
pub struct EventField<'l> {
    pub name: &'l str,
    /// It is followed by a run time and a percentage.
    pub is_timed: bool,
    pub running_percent: Option<f64>,
    /// Otherwise: the next field, unless that is the variance of `-r`, `3.26%`.
    pub after: Option<&'l str>,
    /// Otherwise: whether there is more than that.
    pub has_more: bool,
}

/// The event extends to the first pair of run time and percentage, because its name may contain the separator. Without
/// such a pair (before perf 4.1) it is one field. The variance is between the two.
pub fn event(fields: Fields<'_>) -> EventField<'_> {
    let Some(text) = fields.rest else { return EventField::default() };
    let mut cursor = fields;
    let name = cursor.next().unwrap_or_default().trim();
    let behind = cursor;
    // `cursor` is after the first field now, so the pair is searched from the second field on.
    while let Some(tail) = cursor.rest {
        let mut pair = cursor;
        let (Some(runtime), Some(percent)) = (pair.next(), pair.next()) else { break };
        if let (Some(_), Some(running_percent)) = (digits(runtime.trim()), percentage(percent.trim())) {
            // The text before the tail, and before the separator in front of it.
            let end = (text.len() - tail.len()).saturating_sub(fields.separator.len_utf8());
            let name = without_variance(text.get(..end).unwrap_or_default(), fields.separator).trim();
            return EventField { name, is_timed: true, running_percent, ..EventField::default() };
        }
        cursor.next();
    }
    let is_variance = |field: &&str| field.strip_suffix('%').is_some_and(|v| reading(v).is_some());
    let mut more = std::iter::from_fn({
        let mut behind = behind;
        move || behind.next()
    })
    .map(str::trim)
    .filter(|f| !f.is_empty() && !is_variance(f));
    let after = more.next();
    // A number is a run time: the line was cut off after it.
    let has_more = more.next().is_some() || after.is_some_and(|a| digits(a).is_some());
    EventField { name, after, has_more, ..EventField::default() }
}

fn without_variance(name: &str, separator: char) -> &str {
    match name.rsplit_once(separator) {
        Some((name, last)) if last.trim().strip_suffix('%').is_some_and(|v| reading(v).is_some()) => name,
        _ => name,
    }
}

/// `58.51`. If perf divided by a time of zero, a word instead of a number, which says nothing about the value.
fn percentage(field: &str) -> Option<Option<f64>> {
    if matches!(field, "nan" | "-nan" | "inf" | "-inf") {
        return Some(None);
    }
    let (whole, fraction) = field.split_once('.')?;
    digits(whole)?;
    digits(fraction).filter(|_| fraction.len() == 2)?;
    field.parse().ok().map(Some)
}
