//! Both sides, metric by metric: what is compared with what, and the verdicts.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::control::Control;
use super::gate::{Direction, Gate, Rule, Scope};
use super::history::History;
use super::judge::{Judged, LEAST_RUNS, Threshold, Verdict, adjust, measure, measure_within};
use super::metric::{Facts, Measured, Name};
use super::mismatch::{Incomparable, Mismatch, mismatches};
use super::run::Run;
use crate::stats::means::Sample;
use crate::text::nearest::did_you_mean;
use crate::text::words::count;

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
    fn min_rel(&self, has_few_runs: bool) -> f64 {
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
    fails_on_any: bool,
}

/// Compares the metrics of both sides; without notes.
///
/// # Errors
/// If a rule of the gate does not fit its metric.
pub fn compare(base: &Side, new: &Side, settings: &Settings) -> Result<Comparison, String> {
    let mismatches = mismatches(&base.runs, &new.runs);
    let incomparable = Incomparable::between(base.runs.iter().chain(&new.runs));
    let asked = collect(base, new).into_iter().filter(|(name, _)| is_asked(name, &settings.metrics));
    let (meaningless, found): (Vec<_>, Vec<_>) = asked.partition(|(name, _)| incomparable.has(name));
    let mut decider = Decider { settings, sides: [base, new], notes: Vec::new() };
    if !meaningless.is_empty() {
        let metrics = count(meaningless.len() as u64, "metric");
        decider.notes.push(format!("not compared, because they do not mean the same in all runs: {metrics}"));
    }
    let meaningless: Vec<String> = meaningless
        .into_iter()
        .filter(|(name, found)| decider.is_gated(&name.to_string(), found.is_gated))
        .map(|(name, _)| name.to_string())
        .collect();
    let min_rel = settings.min_rel(base.runs.len().min(new.runs.len()) < LEAST_RUNS);
    let mut metrics = Vec::new();
    for (name, found) in found {
        metrics.push(decider.compared(&name, found, min_rel)?);
    }
    let looks = base.runs.iter().chain(&new.runs).filter_map(Run::looks).max().unwrap_or(1);
    decide(&mut metrics, looks);
    let missing = decider.missing(&metrics, &meaningless);
    let mut comparison = Comparison {
        version: JSON_VERSION,
        settings: settings.clone(),
        base: side_facts(base),
        new: side_facts(new),
        mismatches,
        looks,
        control: None,
        notes: decider.notes,
        missing,
        incomparable: meaningless,
        metrics,
    };
    comparison.sort();
    Ok(comparison)
}

/// Says which metrics decide, with which thresholds.
struct Decider<'s> {
    settings: &'s Settings,
    sides: [&'s Side; 2],
    notes: Vec<String>,
}

impl<'s> Decider<'s> {
    fn compared(&mut self, name: &Name, found: Found, min_rel: f64) -> Result<Compared, String> {
        let settings = self.settings;
        let metric = name.to_string();
        let rule = self.rule(&metric);
        let (facts, min_rel) = match rule {
            Some((gate, rule)) => gate.applied(rule, found.facts, min_rel)?,
            None => (found.facts, min_rel),
        };
        let is_gated = self.is_gated(&metric, found.is_gated);
        let noise = settings.history.as_ref().and_then(|history| history.noise(name));
        let judged = if let (Some(base), Some(new), false) =
            (known(&found.base_within), known(&found.new_within), settings.paired)
            && base.len().min(new.len()) < LEAST_RUNS
        {
            measure_within(&base, &new, &facts)
        } else {
            let (base, new) = values(&found, settings.paired);
            measure(&base, &new, &facts, settings.paired)
        };
        Ok(Compared {
            metric,
            unit: facts.unit.word(),
            better: facts.better.map(|better| better.word()),
            gated: is_gated,
            verdict: Verdict::Inconclusive,
            threshold: Threshold { min_rel, min_abs: facts.min_abs, noise },
            judged,
            more_runs: None,
            base_values: found.base,
            new_values: found.new,
            fails_on_any: rule.is_some_and(|(_, rule)| rule.direction == Some(Direction::Any)),
            facts,
        })
    }

    fn rule(&self, metric: &str) -> Option<(&'s Gate, &'s Rule)> {
        let gate = self.settings.gate.as_ref()?;
        Some((gate, gate.rule(metric, &self.settings.scope)?))
    }

    /// Does the metric decide? `by_default`: if there are no other wishes.
    fn is_gated(&mut self, metric: &str, by_default: bool) -> bool {
        let settings = self.settings;
        match (settings.metrics.is_empty(), &settings.gate) {
            (false, _) => true,
            (true, Some(gate)) => gate.rule(metric, &settings.scope).is_some_and(|rule| self.decides_here(rule)),
            (true, None) => by_default,
        }
    }

    fn decides_here(&mut self, rule: &Rule) -> bool {
        let why = Gate::not_here(rule, self.sides);
        self.notes.extend(why.clone());
        why.is_none()
    }

    /// The metrics of the gate that no side has. A gate that is not looked at does not pass.
    fn missing(&mut self, metrics: &[Compared], meaningless: &[String]) -> Vec<String> {
        let settings = self.settings;
        let (true, Some(gate)) = (settings.metrics.is_empty(), &settings.gate) else { return Vec::new() };
        let found = metrics.iter().map(|metric| &metric.metric).chain(meaningless);
        let found: BTreeSet<String> = found.map(|metric| settings.scope.name_in_rules(metric)).collect();
        let mut missing = Vec::new();
        for rule in gate.rules.iter().filter(|rule| !found.contains(&rule.metric)) {
            if !settings.scope.includes(rule) {
                self.notes
                    .push(format!("{} is about another part of the recordings, so it does not decide", rule.metric));
            } else if self.decides_here(rule) {
                missing.push(rule.metric.clone());
            }
        }
        missing
    }
}

/// The spread within each run, if it is known of all runs with a value.
fn known(within: &[Option<Option<Sample>>]) -> Option<Vec<Sample>> {
    let of_runs: Vec<Sample> = within.iter().flatten().copied().collect::<Option<_>>()?;
    (!of_runs.is_empty()).then_some(of_runs)
}

/// The values of both sides; if the runs belong together in pairs, those of whole pairs. If a side has none, all of the
/// other.
fn values(found: &Found, is_paired: bool) -> (Vec<f64>, Vec<f64>) {
    let is_empty = |side: &[Option<f64>]| side.iter().all(Option::is_none);
    if is_paired && !is_empty(&found.base) && !is_empty(&found.new) {
        return found.base.iter().zip(&found.new).filter_map(|(base, new)| Some(((*base)?, (*new)?))).unzip();
    }
    let known = |side: &[Option<f64>]| side.iter().flatten().copied().collect();
    (known(&found.base), known(&found.new))
}

fn decide(metrics: &mut [Compared], looks: u32) {
    let gated = metrics.iter().filter(|metric| metric.gated && metric.judged.p.is_some()).count();
    metrics.iter_mut().for_each(|metric| metric.judged.after_looks(looks));
    for gated in [true, false] {
        let of_group = metrics.iter_mut().filter(|metric| metric.gated == gated);
        let mut tested: Vec<_> = of_group.map(|metric| (&mut metric.judged, metric.facts.better)).collect();
        adjust(&mut tested, gated);
    }
    for metric in metrics {
        metric.verdict = match metric.judged.verdict(metric.facts.better, &metric.threshold) {
            Verdict::Changed if metric.fails_on_any => Verdict::Regressed,
            verdict => verdict,
        };
        if metric.verdict == Verdict::Inconclusive {
            let runs = |values: &[Option<f64>]| values.iter().flatten().count();
            let runs = runs(&metric.base_values).min(runs(&metric.new_values));
            let tests = if metric.gated { gated } else { 1 };
            metric.more_runs = metric.judged.more_runs(&metric.threshold, runs, tests);
        }
    }
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

/// A metric in all runs.
struct Found {
    facts: Facts,
    is_gated: bool,
    base: Vec<Option<f64>>,
    new: Vec<Option<f64>>,
    /// The spread within each run that has a value.
    base_within: Vec<Option<Option<Sample>>>,
    new_within: Vec<Option<Option<Sample>>>,
}

fn collect(base: &Side, new: &Side) -> BTreeMap<Name, Found> {
    let mut all: BTreeMap<Name, Found> = BTreeMap::new();
    let count = (base.runs.len(), new.runs.len());
    for (is_new, side) in [(false, base), (true, new)] {
        for (n, run) in side.runs.iter().enumerate() {
            for Measured { name, facts, value, within, is_gated } in &run.measured {
                let found = all.entry(name.clone()).or_insert_with(|| Found {
                    facts: *facts,
                    is_gated: *is_gated,
                    base: vec![None; count.0],
                    new: vec![None; count.1],
                    base_within: vec![None; count.0],
                    new_within: vec![None; count.1],
                });
                if !value.is_finite() {
                    continue;
                }
                let (values, within_runs) = if is_new {
                    (&mut found.new, &mut found.new_within)
                } else {
                    (&mut found.base, &mut found.base_within)
                };
                (values[n], within_runs[n]) = (Some(*value), Some(*within));
            }
        }
    }
    all
}

/// The names of the metrics of these runs, each once.
pub fn names<'r>(runs: impl Iterator<Item = &'r Run>) -> BTreeSet<&'r Name> {
    runs.flat_map(|run| &run.measured).map(|measured| &measured.name).collect()
}

/// The first name in `wanted` that means no metric of these, with the nearest of them, for a message.
pub fn unknown<'w>(wanted: &'w [String], names: &BTreeSet<&Name>) -> Option<(&'w str, String)> {
    let means_one = |one: &String| names.iter().any(|name| is_asked(name, std::slice::from_ref(one)));
    let wrong = wanted.iter().find(|one| !means_one(one))?;
    let all: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    Some((wrong, did_you_mean(wrong, all.iter().map(String::as_str))))
}

/// `wanted` are names of metrics, columns with or without their table, or tables; empty means all.
pub fn is_asked(name: &Name, wanted: &[String]) -> bool {
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
        let missing = self.missing.iter().map(|metric| format!("{metric} decides, and neither side has it"));
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
