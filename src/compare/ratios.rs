//! Ratios of counted events: instructions per cycle, miss ratios. From the sums of a run, not from its intervals.

use super::metric::{Facts, Measured, Name, Statistic};
use crate::query::Query;
use crate::report::model::Ratio;
use crate::report::perf::{PERF, ratios_of};
use crate::report::ratios::{BYTES_PER_SEC, PERCENT};
use crate::store::read::piece::{ReadError, Source};
use crate::table::{Better, Unit};

/// The ratios of the whole machine, or of all that was counted.
pub fn metrics(query: &Query<'_>, source: &dyn Source, problems: &mut Vec<ReadError>) -> Vec<Measured> {
    let Some(table) = source.tables().into_iter().find(|table| table.name == PERF) else { return Vec::new() };
    let found = query.table(source, table, problems, |view| ratios_of(view).map(Some)).unwrap_or_default();
    // The ratio over all CPUs or targets comes before those of each.
    let is_of_each = |ratio: &Ratio| ratio.labels.iter().any(|label| label.name != "pmu");
    let has_whole = |of: &Ratio| found.iter().any(|other| other.ratio == of.ratio && !is_of_each(other));
    found.iter().filter(|ratio| !is_of_each(ratio) || !has_whole(ratio)).map(measured).collect()
}

fn measured(ratio: &Ratio) -> Measured {
    let entity: Vec<&str> = ratio.labels.iter().filter_map(|label| label.value.as_deref()).collect();
    let name = Name {
        phase: None,
        table: PERF,
        entity: (!entity.is_empty()).then(|| entity.join(" ")),
        column: ratio.ratio,
        statistic: Statistic::Mean,
    };
    let (unit, better) = match ratio.unit {
        PERCENT => (Unit::Percent, Some(Better::Lower)),
        "" => (Unit::None, Some(Better::Higher)),
        // More is a faster program or one that wastes more.
        BYTES_PER_SEC => (Unit::BytesPerSec, None),
        "GHz" => (Unit::Other(ratio.unit), None),
        _ => (Unit::Other(ratio.unit), Some(Better::Lower)),
    };
    Measured::new(name, Facts::of_unit(unit, better), ratio.value)
}
