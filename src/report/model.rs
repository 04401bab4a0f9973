//! A report as plain values: the input of the renderers, and what `--format json` prints in full.

use std::collections::BTreeMap;

use super::changes::Changes;
use super::health::Trouble;
use super::holes::Hole;
use super::matrix::Matrix;
use super::phases::Phase;
use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};

use crate::query::entities::{Label, name_of};
use crate::query::number::Number;
use crate::query::statistics::{Rates, Stats};
use crate::query::words::Words;
use crate::stats::percentile::Percentile;
use crate::store::read::RecordingState;
use crate::store::runs::Runs;
use crate::table::{Kind, Unit};

/// The version of the JSON format.
pub const JSON_VERSION: u32 = 1;

#[derive(Debug, Serialize)]
pub struct Report {
    pub version: u32,
    /// The folders of runs that contain some of the recordings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunsFolder>,
    pub recordings: Vec<Recording>,
    /// The recordings next to each other, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side_by_side: Option<Matrix>,
}

/// A folder of runs.
#[derive(Debug, Serialize)]
pub struct RunsFolder {
    #[serde(flatten)]
    pub runs: Runs,
    /// What the comparison of its sides comes to, if it has two.
    #[serde(skip)]
    pub conclusion: Option<String>,
}

/// One recording, limited to the window and the phase.
#[derive(Debug, Serialize)]
pub struct Recording {
    pub path: String,
    pub host: Option<String>,
    /// `live`, `killed`, `finished`; null if there is no manifest.
    pub state: Option<RecordingState>,
    /// What to know before reading its figures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    pub interval_s: Option<f64>,
    pub start: Option<Instant>,
    pub end: Option<Instant>,
    pub ticks: Option<u64>,
    /// Ticks that were due but did not take place.
    pub missed: Option<i64>,
    /// Starts of the recorder of which ticks are shown, and the times between ticks in which nothing was recorded. Not
    /// known for a phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<Hole>,
    /// What was wrong with the recorder.
    #[serde(rename = "recorder_problems", skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
    pub tags: BTreeMap<String, String>,
    /// The recorded command, and how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The selected ones, or all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    pub tables: Vec<Table>,
    /// The same by phase, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_phase: Option<Matrix>,
    /// What changed most, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

/// Microseconds since the epoch; printed as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub i64);

impl Instant {
    pub fn rfc3339(self) -> String {
        DateTime::from_timestamp_micros(self.0)
            .map_or_else(|| format!("{} us after 1970", self.0), |t| t.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.rfc3339())
    }
}

#[derive(Debug, Serialize)]
pub struct Table {
    pub table: &'static str,
    pub source: &'static str,
    pub rows: usize,
    pub entities: Vec<Entity>,
    /// Only in table `perf`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ratios: Vec<Ratio>,
    /// Of the text and bool columns that do not identify an entity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Words>,
}

/// A device, a core, a process: rows with the same labels. A table without entities has one entity without labels.
#[derive(Debug, Serialize)]
pub struct Entity {
    pub labels: Vec<Label>,
    pub rows: usize,
    pub metrics: Vec<Metric>,
}

impl Entity {
    /// `vda ext4`.
    pub fn name(&self) -> String {
        name_of(self.labels.iter().filter_map(|l| l.value.as_deref()))
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|l| l.name == name)?.value.as_deref()
    }

    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|m| m.name == name)
    }
}

/// `device=vda fstype=ext4`, without labels that have no value.
pub fn joined(labels: &[Label], separator: &str) -> String {
    let pairs = labels.iter().filter_map(|l| Some(format!("{}={}", l.name, l.value.as_ref()?)));
    pairs.collect::<Vec<_>>().join(separator)
}

/// One column of one entity.
#[derive(Debug, Serialize)]
pub struct Metric {
    #[serde(rename = "metric")]
    pub name: &'static str,
    #[serde(serialize_with = "kind_word")]
    pub kind: Kind,
    #[serde(serialize_with = "unit_word")]
    pub unit: Unit,
    /// For column `value` of table `perf`: the unit of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_unit: Option<String>,
    /// For a counter: the column with its growth per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<&'static str>,
    /// For a counter: a rate or a share is derived from it.
    #[serde(skip)]
    pub has_derived: bool,
    #[serde(flatten)]
    pub stats: Stats,
    /// For column `value` of table `perf`: the spread of the values per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
    /// Those that were asked for, of the values and of the values per second: `{"99.9": 12.5}`.
    #[serde(skip_serializing_if = "Percentiles::is_empty")]
    pub percentiles: Percentiles<Number>,
    #[serde(rename = "rate_percentiles", skip_serializing_if = "Percentiles::is_empty")]
    pub of_rates: Percentiles<f64>,
    /// Its means in equal parts of the recording, if it is drawn.
    #[serde(skip)]
    pub trace: Vec<Option<f64>>,
}

/// Percentiles of choice with their values, in the order in which they were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Percentiles<T>(pub Vec<(Percentile, T)>);

impl<T> Percentiles<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Copy> Percentiles<T> {
    pub fn at(&self, percentile: Percentile) -> Option<T> {
        self.0.iter().find(|(own, _)| *own == percentile).map(|(_, value)| *value)
    }
}

impl<T: Serialize> Serialize for Percentiles<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(percentile, value)| (percentile.to_string(), value)))
    }
}

impl Metric {
    pub fn unit_word(&self) -> &str {
        self.event_unit.as_deref().unwrap_or(self.unit.word())
    }
}

fn kind_word<S: Serializer>(kind: &Kind, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&kind.to_string())
}
fn unit_word<S: Serializer>(unit: &Unit, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(unit.word())
}

/// A quotient of two `perf` events, computed from their sums over the intervals in which both were counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    pub ratio: &'static str,
    /// Empty if the ratio covers all rows.
    pub labels: Vec<Label>,
    pub value: f64,
    /// `percent`, `GHz`, `per 1000 instructions`; empty for instructions per cycle.
    pub unit: &'static str,
    pub intervals: usize,
    /// Share of the time in which the events were on a counter: the smaller of the two. Below 100 the value is an
    /// estimate.
    pub running_percent: Option<f64>,
}
