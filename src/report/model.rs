//! The summary as plain values: what the renderers make bytes of, and what `--format json` prints whole.

use std::collections::BTreeMap;

use super::phases::Phase;
use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};

use crate::query::entities::Label;
use crate::query::statistics::{Rates, Stats};
use crate::query::words::Words;
use crate::store::read::State;
use crate::store::runs::Runs;
use crate::table::{Kind, Unit};

/// The version of the JSON form.
pub const JSON_VERSION: u32 = 1;

#[derive(Debug, Serialize)]
pub struct Report {
    pub version: u32,
    /// The folders of runs that some of the recordings lie in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Runs>,
    pub recordings: Vec<Recording>,
}

/// One recording, as far as the window and the phase reach.
#[derive(Debug, Serialize)]
pub struct Recording {
    pub path: String,
    pub host: Option<String>,
    /// `live`, `killed`, `finished`; null where the manifest is lost.
    pub state: Option<State>,
    /// What a reader of its figures should know first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    pub interval_s: Option<f64>,
    pub start: Option<Instant>,
    pub end: Option<Instant>,
    pub ticks: Option<u64>,
    /// Ticks that were due and did not happen.
    pub missed: Option<i64>,
    pub tags: BTreeMap<String, String>,
    /// The recorded command, and how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Those that were asked for, or all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    pub tables: Vec<Table>,
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
    /// Of table `perf` only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ratios: Vec<Ratio>,
    /// Of the columns that hold words and are no entity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Words>,
}

/// What rows of one identity have in common: a device, a core; a table without entities has one with no labels.
#[derive(Debug, Serialize)]
pub struct Entity {
    pub labels: Vec<Label>,
    pub rows: usize,
    pub metrics: Vec<Metric>,
}

impl Entity {
    /// `device=vda fstype=ext4`, what has no value left out.
    pub fn joined(&self, separator: &str) -> String {
        let pairs = self.labels.iter().filter_map(|l| Some(format!("{}={}", l.name, l.value.as_ref()?)));
        pairs.collect::<Vec<_>>().join(separator)
    }
    /// `vda ext4`.
    pub fn name(&self) -> String {
        self.labels.iter().filter_map(|l| l.value.as_deref()).collect::<Vec<_>>().join(" ")
    }
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|l| l.name == name)?.value.as_deref()
    }
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|m| m.name == name)
    }
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
    /// Of `perf`'s values, whose unit is the event's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_unit: Option<String>,
    /// Of a counter: the column that holds its growth per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<&'static str>,
    /// Of a counter: something is derived from it, be it a rate or a share.
    #[serde(skip)]
    pub has_derived: bool,
    #[serde(flatten)]
    pub stats: Stats,
    /// Of `perf`'s values: their spread per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
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

/// A quotient of two `perf` events, from their sums over the intervals in which both were counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    pub ratio: &'static str,
    /// Empty for all rows together.
    pub labels: Vec<Label>,
    pub value: f64,
    /// `percent`, `GHz`, `per 1000 instructions`; empty for instructions per cycle.
    pub unit: &'static str,
    pub intervals: usize,
    /// How much of the time the two events were on a counter, that of the one that was less; below 100 the value is an estimate.
    pub running_percent: Option<f64>,
}
