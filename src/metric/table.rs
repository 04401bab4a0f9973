//! Table `metric`.
//!
//! A level and a counter need different columns. A mean of a counter over time says nothing, and a rate of a level neither:
//! so a gauge has only `value`, and a counter only `total` and `total_per_sec`. Each statistic of a column is then right as
//! it is for other tables, and no reader has to look at `kind` first.
//!
//! `value` is a gauge, of which every row counts once: a benchmark that tells its throughput once at the end has a
//! mean. A rate is weighted by the length of its interval, so that its mean is the growth divided by the time.
//! `total` is a label, which is not summarised: programs count with fractions and from any start.

use crate::table::Unit::{CountPerSec, None as NoUnit};
use crate::table::{Chart, Charts, Table, entity, gauge_float, label, label_float};

use super::series::Series;

/// The name of the table.
pub const METRIC: &str = "metric";
/// The column with the labels.
pub const LABELS: &str = "labels";
/// The columns that are metrics: of gauges, and of counters.
pub const VALUE: &str = "value";
pub const PER_SEC: &str = "total_per_sec";

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub series: Series,
    /// What Prometheus says; `None` of marks.
    pub kind: Option<&'static str>,
    /// Of a gauge.
    pub value: Option<f64>,
    /// Of a counter: since the program began to count, and per second since the previous row.
    pub total: Option<f64>,
    pub per_sec: Option<f64>,
}

impl Row {
    /// A level, such as a mark tells.
    pub fn of_mark(series: Series, value: f64) -> Row {
        Row { series, kind: None, value: Some(value), total: None, per_sec: None }
    }
}

pub static TABLE: Table<Row> = Table {
    name: METRIC,
    source: "perfwatch mark value, record --metrics",
    doc: "The program's own numbers: one row per number and mark, or per number and answer of `--metrics`. `ts` is the \
          time of the mark or of the answer, `elapsed_s` the time since the previous number of the same name and labels.",
    charts: Charts::Drawn(&[Chart::choice("Own numbers", &[VALUE, PER_SEC])]),
    columns: &[
        entity(METRIC, "The name that the program gave it: `qps`, `http_requests_total`.", |r: &Row| {
            (&*r.series.metric).into()
        })
        .separate(),
        entity(
            LABELS,
            "Its labels as in Prometheus, sorted: `{code=\"200\",method=\"get\"}`; null if there are none.",
            |r: &Row| r.series.labels.as_deref().into(),
        )
        .separate(),
        label(
            "kind",
            "What Prometheus says that it is: `counter`, `gauge`, `histogram`, `summary`, `untyped`, …; null if nothing \
             does, as for marks.",
            |r: &Row| r.kind.into(),
        ),
        gauge_float(
            VALUE,
            NoUnit,
            "The number, in the program's unit; null for a counter, and where the program says NaN or infinity.",
            |r: &Row| r.value.into(),
        ),
        label_float(
            "total",
            NoUnit,
            "The count since the program began to count, of a counter and of the series `_bucket`, `_sum` and `_count` \
             of histograms and summaries; null for others.",
            |r: &Row| r.total.into(),
        ),
        gauge_float(
            PER_SEC,
            CountPerSec,
            "Growth of `total` per second; null in its first row, and after it went back.",
            |r: &Row| r.per_sec.into(),
        )
        .over_interval(),
    ],
};
