//! Both sides, metric by metric: what is compared with what, and the verdicts.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::judge::{Judged, LEAST_RUNS, Threshold, Verdict, adjust, measure};
use super::metric::{Facts, Measured, Name};
use super::mismatch::{Mismatch, mismatches};
use super::run::Run;

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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Smaller relative changes do not matter.
    pub min_rel: f64,
    /// Each run of one side belongs to the one in the same place of the other.
    pub paired: bool,
    /// If any are named, only these metrics are compared, and they are gated.
    pub metrics: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { min_rel: 0.05, paired: false, metrics: Vec::new() }
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
    /// What limits the conclusions, for people.
    pub notes: Vec<String>,
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
}

/// Compares the metrics of both sides; without notes.
pub fn compare(base: &Side, new: &Side, settings: &Settings) -> Comparison {
    let found = collect(base, new);
    let mut metrics: Vec<Compared> = found
        .into_iter()
        .filter(|(name, _)| is_asked(name, &settings.metrics))
        .map(|(name, found)| {
            let (base, new) = values(&found, settings.paired);
            let judged = measure(&base, &new, &found.facts, settings.paired);
            Compared {
                metric: name.to_string(),
                unit: found.facts.unit.word(),
                better: found.facts.better.map(|better| better.word()),
                gated: found.is_gated || !settings.metrics.is_empty(),
                verdict: Verdict::Inconclusive,
                threshold: Threshold { min_rel: settings.min_rel, min_abs: found.facts.min_abs },
                judged,
                more_runs: None,
                base_values: found.base,
                new_values: found.new,
                facts: found.facts,
            }
        })
        .collect();
    decide(&mut metrics);
    metrics.sort_by(|a, b| a.rank().cmp(&b.rank()).then(b.size().total_cmp(&a.size())).then(a.metric.cmp(&b.metric)));
    Comparison {
        version: JSON_VERSION,
        settings: settings.clone(),
        base: side_facts(base),
        new: side_facts(new),
        mismatches: mismatches(&base.runs, &new.runs),
        notes: Vec::new(),
        metrics,
    }
}

/// The values of both sides; if the runs belong together in pairs, those of whole pairs.
fn values(found: &Found, is_paired: bool) -> (Vec<f64>, Vec<f64>) {
    if is_paired {
        return found.base.iter().zip(&found.new).filter_map(|(base, new)| Some(((*base)?, (*new)?))).unzip();
    }
    let known = |side: &[Option<f64>]| side.iter().flatten().copied().collect();
    (known(&found.base), known(&found.new))
}

fn decide(metrics: &mut [Compared]) {
    for gated in [true, false] {
        let of_group = metrics.iter_mut().filter(|metric| metric.gated == gated);
        let mut tested: Vec<_> = of_group.map(|metric| (&mut metric.judged, metric.facts.better)).collect();
        adjust(&mut tested, gated);
    }
    for metric in metrics {
        metric.verdict = metric.judged.verdict(metric.facts.better, &metric.threshold);
        if metric.verdict == Verdict::Inconclusive {
            let runs = |values: &[Option<f64>]| values.iter().flatten().count();
            let runs = runs(&metric.base_values).min(runs(&metric.new_values));
            metric.more_runs = metric.judged.more_runs(&metric.threshold, runs);
        }
    }
}

impl Compared {
    /// The order of tables for people.
    fn rank(&self) -> (bool, Verdict) {
        (!self.gated, self.verdict)
    }

    fn size(&self) -> f64 {
        self.judged.relative.unwrap_or(0.0).abs()
    }

    /// A gated metric that must not pass.
    pub fn is_failure(&self) -> bool {
        self.gated && self.verdict == Verdict::Regressed
    }

    /// A gated metric that cannot be compared because only one side has it.
    pub fn is_lost(&self) -> bool {
        self.gated && matches!(self.verdict, Verdict::Added | Verdict::Removed)
    }

    pub fn is_undecided(&self) -> bool {
        self.gated && self.verdict == Verdict::Inconclusive
    }
}

/// A metric in all runs.
struct Found {
    facts: Facts,
    is_gated: bool,
    base: Vec<Option<f64>>,
    new: Vec<Option<f64>>,
}

fn collect(base: &Side, new: &Side) -> BTreeMap<Name, Found> {
    let mut all: BTreeMap<Name, Found> = BTreeMap::new();
    let count = (base.runs.len(), new.runs.len());
    for (is_new, side) in [(false, base), (true, new)] {
        for (n, run) in side.runs.iter().enumerate() {
            for Measured { name, facts, value, is_gated } in &run.measured {
                let found = all.entry(name.clone()).or_insert_with(|| Found {
                    facts: *facts,
                    is_gated: *is_gated,
                    base: vec![None; count.0],
                    new: vec![None; count.1],
                });
                let values = if is_new { &mut found.new } else { &mut found.base };
                values[n] = Some(*value).filter(|v| v.is_finite());
            }
        }
    }
    all
}

/// `wanted` are names of metrics, columns with or without their table, or tables; empty means all.
fn is_asked(name: &Name, wanted: &[String]) -> bool {
    let full = name.to_string();
    let column = format!("{}.{}", name.table, name.column);
    wanted.is_empty()
        || wanted.iter().any(|wanted| [full.as_str(), &column, name.column, name.table].contains(&wanted.as_str()))
}

fn side_facts(side: &Side) -> SideFacts {
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

impl Comparison {
    pub fn has_regressed(&self) -> bool {
        self.metrics.iter().any(Compared::is_failure)
    }

    pub fn is_undecided(&self) -> bool {
        self.metrics.iter().any(Compared::is_undecided)
    }

    /// Gated metrics that only one side has.
    pub fn lost(&self) -> Vec<&str> {
        self.metrics.iter().filter(|metric| metric.is_lost()).map(|metric| metric.metric.as_str()).collect()
    }

    /// Fewer runs than a test needs.
    pub fn has_few_runs(&self) -> bool {
        self.base.recordings.len().min(self.new.recordings.len()) < LEAST_RUNS
    }
}
