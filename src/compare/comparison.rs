//! Both sides, metric by metric, with the verdicts: what every output needs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::control::Control;
use super::gate::{Gate, Scope};
use super::history::History;
use super::judge::{Judged, LEAST_RUNS, Threshold, Verdict};
use super::metric::Facts;
use super::mismatch::Mismatch;
use super::run::Run;
use crate::text::nearest::did_you_mean;

/// The format of the JSON; see `docs/COMPARING.md`.
pub const JSON_VERSION: u32 = 1;

/// One side as it was named, and its runs that count.
#[derive(Debug)]
pub struct Side {
    pub name: String,
    pub runs: Vec<Run>,
    /// Runs that are no samples, and why.
    pub left_out: Vec<String>,
}

/// How to compare.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Settings {
    /// Smaller relative changes do not matter. By default 5 %, and 10 % with few runs.
    pub min_rel: Option<f64>,
    /// Each run of one side belongs to the one in the same place of the other.
    pub paired: bool,
    /// If any are named, only these metrics are compared, and they are gated.
    pub metrics: Vec<String>,
    /// Otherwise, the metrics that are gated.
    pub gate: Option<Gate>,
    /// What is compared of each recording.
    pub scope: Scope,
    pub history: Option<History>,
}

impl Settings {
    pub(super) fn min_rel(&self, has_few_runs: bool) -> f64 {
        self.min_rel.unwrap_or(if has_few_runs { 0.10 } else { 0.05 })
    }
}

/// The result: everything that any output needs.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub version: u32,
    pub settings: Settings,
    pub base: SideFacts,
    pub new: SideFacts,
    pub mismatches: Vec<Mismatch>,
    /// How often the runs could be looked at until they were decided; 1 if their number was fixed.
    pub looks: u32,
    /// The baseline against itself, if it was recorded twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// What limits the conclusions, for people.
    pub notes: Vec<String>,
    /// Metrics of the gate that no side has.
    pub missing: Vec<String>,
    /// Metrics that decide, and do not mean the same in all runs.
    pub incomparable: Vec<String>,
    /// The worst first: gated ones, then by verdict and size.
    pub metrics: Vec<Compared>,
}

/// A side in the result.
#[derive(Debug, Serialize)]
pub struct SideFacts {
    pub name: String,
    pub recordings: Vec<String>,
    pub left_out: Vec<String>,
    /// How many different boots of machines.
    pub sessions: usize,
    /// RFC 3339, of the first and the last run.
    pub started: Option<(String, String)>,
}

/// One metric.
#[derive(Debug, Serialize)]
pub struct Compared {
    pub metric: String,
    pub unit: &'static str,
    pub better: Option<&'static str>,
    pub gated: bool,
    pub verdict: Verdict,
    #[serde(flatten)]
    pub judged: Judged,
    pub threshold: Threshold,
    /// How many more runs per side would probably decide an inconclusive one.
    pub more_runs: Option<usize>,
    /// In the order of the recordings; null where one has no value.
    pub base_values: Vec<Option<f64>>,
    pub new_values: Vec<Option<f64>>,
    #[serde(skip)]
    pub facts: Facts,
    /// Any change is a regression.
    #[serde(skip)]
    pub(super) fails_on_any: bool,
}

impl Compared {
    /// The order of tables for people.
    fn rank(&self) -> (bool, Verdict) {
        (!self.gated, self.verdict)
    }

    /// Of the change, relative to the baseline.
    pub fn size(&self) -> f64 {
        self.judged.relative.unwrap_or(0.0).abs()
    }

    /// A gated metric that must not pass.
    pub fn is_failure(&self) -> bool {
        self.gated && self.verdict == Verdict::Regressed && !self.judged.advisory
    }

    /// A gated metric that regressed, or that only one side has.
    pub fn must_not_pass(&self) -> bool {
        self.is_failure() || self.is_lost()
    }

    /// A gated metric that cannot be compared because only one side has it.
    pub fn is_lost(&self) -> bool {
        self.gated && matches!(self.verdict, Verdict::Added | Verdict::Removed)
    }

    pub fn is_undecided(&self) -> bool {
        self.gated && (self.verdict == Verdict::Inconclusive || self.judged.advisory)
    }
}

impl SideFacts {
    pub(super) fn of(side: &Side) -> SideFacts {
        let boots: BTreeSet<(Option<&str>, Option<&str>)> = side
            .runs
            .iter()
            .map(|run| {
                let host = run.manifest.as_ref().map(|manifest| &manifest.host);
                (host.and_then(|host| host.hostname.as_deref()), run.session().and_then(|s| s.boot_id.as_deref()))
            })
            .collect();
        let mut started: Vec<&str> = side.runs.iter().filter_map(|run| Some(run.session()?.started.as_str())).collect();
        started.sort_unstable();
        SideFacts {
            name: side.name.clone(),
            recordings: side.runs.iter().map(|run| run.path.display().to_string()).collect(),
            left_out: side.left_out.clone(),
            sessions: boots.len(),
            started: started.first().zip(started.last()).map(|(a, b)| (a.to_string(), b.to_string())),
        }
    }
}

impl Comparison {
    /// Puts the metrics into the order of tables for people.
    pub fn sort(&mut self) {
        let place = |a: &Compared, b: &Compared| {
            a.rank().cmp(&b.rank()).then(b.size().total_cmp(&a.size())).then(a.metric.cmp(&b.metric))
        };
        self.metrics.sort_by(place);
    }

    pub fn has_regressed(&self) -> bool {
        self.metrics.iter().any(Compared::is_failure)
    }

    pub fn is_undecided(&self) -> bool {
        self.metrics.iter().any(Compared::is_undecided)
    }

    /// Gated metrics that one side lacks, or both.
    pub fn lost(&self) -> Vec<String> {
        let one = self.metrics.iter().filter(|metric| metric.is_lost());
        let one = one.map(|metric| format!("{} decides, and only one side has it", metric.metric));
        let names = || self.metrics.iter().map(|metric| metric.metric.as_str());
        let missing = self.missing.iter().map(|metric| {
            let near = did_you_mean(metric, names().filter(|name| self.missing.iter().all(|missing| missing != name)));
            format!("{metric} decides, and neither side has it{near}")
        });
        let incomparable = self.incomparable.iter();
        let incomparable =
            incomparable.map(|metric| format!("{metric} decides, and does not mean the same in all runs"));
        one.chain(missing).chain(incomparable).collect()
    }

    /// Fewer runs than a test needs.
    pub fn has_few_runs(&self) -> bool {
        self.base.recordings.len().min(self.new.recordings.len()) < LEAST_RUNS
    }
}
