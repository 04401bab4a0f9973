//! A report as CSV: one line per recording, table, entity and metric, in the units of the files, unscaled.

use std::fmt::Write;

use super::changes::MetricChange;
use super::model::{Metric, Report, joined};
use crate::query::number::Number;
use crate::stats::percentile::Percentile;
use crate::table::Unit;

/// `asked`: percentiles in place of the usual ones.
pub fn render(report: &Report, asked: &[Percentile]) -> String {
    let names = if asked.is_empty() {
        "p50,p95,p99".to_string()
    } else {
        asked.iter().map(|percentile| format!("p{percentile}")).collect::<Vec<_>>().join(",")
    };
    let mut out = format!("recording,table,entity,metric,unit,kind,count,nulls,min,mean,{names},max,total,per_sec\n");
    let no_percentiles = ",".repeat(if asked.is_empty() { 3 } else { asked.len() });
    for recording in &report.recordings {
        let path = field(&recording.path);
        for table in &recording.tables {
            for entity in &table.entities {
                let who = field(&joined(&entity.labels, ";"));
                for m in &entity.metrics {
                    line(&mut out, &path, table.table, &who, m, asked);
                }
            }
            for r in &table.ratios {
                let who = field(&joined(&r.labels, ";"));
                let unit = r.unit;
                let _ = writeln!(
                    out,
                    "{path},{},{who},{},{unit},ratio,{},0,,{}{no_percentiles},,,",
                    table.table, r.ratio, r.intervals, r.value
                );
            }
        }
    }
    out
}

/// What changed most: one line per change, the largest first.
pub fn changes(report: &Report, most: usize) -> String {
    let mut out = String::from("recording,table,entity,metric,unit,at,after_s,drift,from,to,noise_units,p,more,with\n");
    for recording in &report.recordings {
        let path = field(&recording.path);
        for change in recording.changes.iter().flat_map(|changes| changes.changes.iter().take(most)) {
            let MetricChange { table, metric, after_s, is_drift, from, to, noise_units, p, more, .. } = change;
            let (who, unit) = (field(&joined(&change.labels, ";")), field(change.unit_word()));
            let (at, with) = (change.at.rfc3339(), change.with.join(";"));
            let _ = writeln!(
                out,
                "{path},{table},{who},{metric},{unit},{at},{after_s},{is_drift},{from},{to},{noise_units},{p},{more},{with}"
            );
        }
    }
    out
}

fn line(out: &mut String, path: &str, table: &str, who: &str, m: &Metric, asked: &[Percentile]) {
    let percentiles = match asked {
        [] => [m.stats.p50, m.stats.p95, m.stats.p99].map(number).join(","),
        asked => asked.iter().map(|percentile| number(m.percentiles.at(*percentile))).collect::<Vec<_>>().join(","),
    };
    let (s, unit) = (&m.stats, m.unit_word());
    let _ = writeln!(
        out,
        "{path},{table},{who},{},{},{},{},{},{},{},{percentiles},{},{},{}",
        m.name,
        field(unit),
        m.kind,
        s.count,
        s.nulls,
        number(s.min),
        float(s.mean),
        number(s.max),
        number(s.total),
        float(s.per_sec)
    );
    if let Some(r) = &m.rates {
        let percentiles = match asked {
            [] => [r.p50, r.p95, r.p99].map(|v| v.to_string()).join(","),
            asked => asked.iter().map(|percentile| float(m.of_rates.at(*percentile))).collect::<Vec<_>>().join(","),
        };
        let per_sec = if unit.is_empty() { Unit::CountPerSec.word().into() } else { format!("{unit}/s") };
        let _ = writeln!(
            out,
            "{path},{table},{who},{}_per_sec,{},{},{},{},{},{},{percentiles},{},,",
            m.name,
            field(&per_sec),
            m.kind,
            s.count,
            s.nulls,
            r.min,
            r.mean,
            r.max
        );
    }
}

fn number(v: Option<Number>) -> String {
    v.map(|v| v.to_string()).unwrap_or_default()
}

fn float(v: Option<f64>) -> String {
    v.map(|v| v.to_string()).unwrap_or_default()
}

/// A field, in quotes if necessary.
pub fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_string() }
}
