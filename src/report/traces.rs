//! The course of each metric over time, for sparklines.

use super::model::{Entity, Instant, Recording, Table};
use super::summary::Request;
use super::view::MANY;
use crate::query::By;
use crate::query::index::Part;
use crate::query::points::Points;
use crate::query::select::chosen;
use crate::store::read::piece::{ReadError, Source};

/// Adds to every metric its means in about `bars` equal times from the start of the recording to its end. Not in tables
/// with many entities, of which each is not shown, unless `all` is set.
pub fn add(
    source: &dyn Source,
    recording: &mut Recording,
    request: &Request<'_>,
    (bars, all): (usize, bool),
    problems: &mut Vec<ReadError>,
) {
    let Some(span) = recording.start.zip(recording.end) else { return };
    let interval_us = recording.interval_s.map_or(1_000_000, |s| (s * 1e6) as i64).max(1);
    let width_us = (span.1.0.saturating_sub(span.0.0) / bars.max(1) as i64 + 1).max(interval_us);
    let query = request.query(source).group(By::Bucket { width_us });
    for table in chosen(source, request.choice).0 {
        let Some(shown) = recording.tables.iter_mut().find(|shown| shown.table == table.name) else { continue };
        if shown.entities.len() > MANY && !all && !super::perf::is_perf(table) {
            continue;
        }
        let _: Option<()> = query.table(source, table, problems, |view| {
            let columns = query.columns(table);
            let results = view.fold(&columns, &Points, &mut || ())?;
            for (column, points) in columns.iter().zip(results) {
                let values = view.index.groups.iter().zip(points).map(|(group, point)| {
                    let labels = view.index.entities.get(group.entity).map(Vec::as_slice).unwrap_or_default();
                    (labels, &group.part, point.mean)
                });
                for (labels, part, mean) in values {
                    let Some(metric) =
                        entity(shown, labels).and_then(|e| e.metrics.iter_mut().find(|m| m.name == column.name))
                    else {
                        continue;
                    };
                    let Part::Bucket { start_us } = part else { continue };
                    place(&mut metric.trace, span, width_us, *start_us, mean);
                }
            }
            Ok(Some(()))
        });
    }
}

fn entity<'t>(table: &'t mut Table, labels: &[crate::query::entities::Label]) -> Option<&'t mut Entity> {
    table.entities.iter_mut().find(|entity| entity.labels == labels)
}

/// Puts the mean of the bucket that begins here at its place among all buckets of the recording.
fn place(trace: &mut Vec<Option<f64>>, span: (Instant, Instant), width_us: i64, start_us: i64, mean: Option<f64>) {
    let first = span.0.0.div_euclid(width_us);
    let index = |us: i64| usize::try_from(us.div_euclid(width_us).saturating_sub(first)).ok();
    if trace.is_empty() {
        trace.resize(index(span.1.0).unwrap_or(0) + 1, None);
    }
    if let Some(slot) = index(start_us).and_then(|at| trace.get_mut(at)) {
        *slot = mean;
    }
}
