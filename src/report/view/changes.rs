//! What changed most inside a recording.

use super::events::event_unit_of;
use super::heading::clock;
use super::metric::names;
use super::{Group, Section};
use crate::report::changes::{Changes, MetricChange};
use crate::report::model::Recording;
use crate::report::perf::PERF;
use crate::report::ratios::EVENT;
use crate::table::human::{digits, scaled, time};
use crate::text::words::count;

/// The largest `most` changes.
pub fn changes(r: &Recording, changes: &Changes, most: usize) -> Section {
    let mut section = Section { title: "what changed most".into(), of: "metric", ..Section::default() };
    if let Some(problem) = &changes.problem {
        section.notes.push(problem.clone());
        return section;
    }
    let left_out = changes.left_out.join(", ");
    let left_out = (!left_out.is_empty()).then(|| format!("not looked at: {left_out}; --table does"));
    if changes.changes.is_empty() {
        section.notes.push(format!(
            "nothing: no level of {} changed by more than its noise",
            count(changes.metrics as u64, "metric")
        ));
        section.notes.extend(left_out);
        return section;
    }
    section.columns = names(&["at", "after", "from", "to", "× noise"]);
    section.groups = changes.changes.iter().take(most).map(|change| group(r, change)).collect();
    let rest = changes.changes.len().saturating_sub(most);
    section.notes.extend((rest > 0).then(|| format!("{} more; --top={} shows them", rest, most + rest)));
    section.notes.extend(left_out);
    section
}

fn group(r: &Recording, change: &MetricChange) -> Group {
    let unit = event_unit_of(change.event_unit.as_deref());
    let is_event = change.table == PERF;
    let show = |v: f64| if is_event { unit.show(v) } else { scaled(v, change.unit) };
    let at = if change.is_drift { "slowly".into() } else { clock(r, change.at) };
    let after = if change.is_drift { String::new() } else { time(change.after_s) };
    let cells = vec![at, after, show(change.from), show(change.to), digits(change.noise_units)];
    let mut notes = Vec::new();
    if !change.with.is_empty() {
        notes.push(format!("  with it: {}", change.with.join(", ")));
    }
    if change.more > 0 {
        notes.push(format!("  and {} of its level", count(change.more as u64, "more change")));
    }
    Group { rows: vec![(name(change), cells)], notes, ..Group::default() }
}

/// `disk vda write_bytes_per_sec`, `perf cycles`
fn name(change: &MetricChange) -> String {
    let labels = change.labels.iter().filter_map(|label| label.value.as_deref());
    let is_event = change.labels.iter().any(|label| label.name == EVENT);
    let metric = (!is_event).then_some(change.metric);
    std::iter::once(change.table).chain(labels).chain(metric).collect::<Vec<_>>().join(" ")
}
