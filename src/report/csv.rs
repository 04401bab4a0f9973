//! A report as CSV: one line per recording, table, entity and metric, in the units of the files, unscaled.

use std::fmt::Write;

use super::model::{Metric, Report};
use crate::query::entities::Label;
use crate::query::number::Number;
use crate::table::Unit;

const HEAD: &str = "recording,table,entity,metric,unit,kind,count,nulls,min,mean,p50,p95,p99,max,total,per_sec\n";

pub fn render(report: &Report) -> String {
    let mut out = String::from(HEAD);
    for recording in &report.recordings {
        let path = field(&recording.path);
        for table in &recording.tables {
            for entity in &table.entities {
                let who = field(&entity.joined(";"));
                for m in &entity.metrics {
                    line(&mut out, &path, table.table, &who, m);
                }
            }
            for r in &table.ratios {
                let who = field(&joined(&r.labels));
                let unit = r.unit;
                let _ = writeln!(
                    out,
                    "{path},{},{who},{},{unit},ratio,{},0,,{},,,,,,",
                    table.table, r.ratio, r.intervals, r.value
                );
            }
        }
    }
    out
}

fn line(out: &mut String, path: &str, table: &str, who: &str, m: &Metric) {
    let (s, unit) = (&m.stats, m.unit_word());
    let _ = writeln!(
        out,
        "{path},{table},{who},{},{},{},{},{},{},{},{},{},{},{},{},{}",
        m.name,
        field(unit),
        m.kind,
        s.count,
        s.nulls,
        number(s.min),
        float(s.mean),
        number(s.p50),
        number(s.p95),
        number(s.p99),
        number(s.max),
        number(s.total),
        float(s.per_sec)
    );
    if let Some(r) = &m.rates {
        let per_sec = if unit.is_empty() { Unit::CountPerSec.word().into() } else { format!("{unit}/s") };
        let _ = writeln!(
            out,
            "{path},{table},{who},{}_per_sec,{},{},{},{},{},{},{},{},{},{},,",
            m.name,
            field(&per_sec),
            m.kind,
            s.count,
            s.nulls,
            r.min,
            r.mean,
            r.p50,
            r.p95,
            r.p99,
            r.max
        );
    }
}

fn joined(labels: &[Label]) -> String {
    labels.iter().filter_map(|l| Some(format!("{}={}", l.name, l.value.as_ref()?))).collect::<Vec<_>>().join(";")
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
