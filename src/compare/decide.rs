//! Compares both sides: which metrics decide, with which thresholds, and the verdicts.

use std::collections::BTreeSet;

use super::asked::is_asked;
use super::collect::{Found, collect};
use super::comparison::{Compared, Comparison, JSON_VERSION, Settings, Side, SideFacts};
use super::gate::{Direction, Gate, Rule};
use super::judge::{LEAST_RUNS, Threshold, Verdict, adjust};
use super::metric::Name;
use super::mismatch::{Incomparable, mismatches};
use super::run::Run;
use crate::text::words::count;

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
        base: SideFacts::of(base),
        new: SideFacts::of(new),
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
        let judged = found.judged(&facts, settings.paired);
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
