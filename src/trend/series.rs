//! The values of each metric, in the order of the points.

use std::collections::BTreeMap;

use super::model::Settings;
use super::point::Point;
use crate::compare::asked::is_asked;
use crate::compare::gate::Rule;
use crate::compare::metric::{Facts, Name};
use crate::compare::mismatch::Incomparable;
use crate::stats::means::mean;

/// A metric over the points.
#[derive(Clone, Debug)]
pub struct Values {
    pub name: String,
    pub facts: Facts,
    pub is_gated: bool,
    pub min_rel: f64,
    /// One per point: the mean of its runs; None where no run has one.
    pub values: Vec<Option<f64>>,
}

/// What was collected.
#[derive(Debug)]
pub struct Collected {
    /// The metrics that are asked for.
    pub metrics: Vec<Values>,
    /// How many were left out because they do not mean the same in all recordings.
    pub meaningless: usize,
    /// Which points were left out of a metric, because it decides on other machines; for people.
    pub elsewhere: Vec<String>,
}

/// # Errors
/// If a rule of the gate does not fit its metric.
pub fn collect(points: &[Point], settings: &Settings) -> Result<Collected, String> {
    let mut found: BTreeMap<&Name, (Facts, bool, Vec<Vec<f64>>)> = BTreeMap::new();
    for (n, point) in points.iter().enumerate() {
        for measured in point.runs.iter().flat_map(|run| &run.measured).filter(|measured| measured.value.is_finite()) {
            let (_, _, values) = found
                .entry(&measured.name)
                .or_insert_with(|| (measured.facts, measured.is_gated, vec![Vec::new(); points.len()]));
            values[n].push(measured.value);
        }
    }
    let incomparable = Incomparable::between(points.iter().flat_map(|point| &point.runs));
    let asked = found.into_iter().filter(|(name, _)| is_asked(name, &settings.metrics));
    let (kept, meaningless): (Vec<_>, Vec<_>) = asked.partition(|(name, _)| !incomparable.has(name));
    let mut elsewhere = Vec::new();
    let metrics = kept.into_iter().map(|(name, (facts, is_gated, mut values))| {
        let metric = name.to_string();
        let gate = settings.gate.as_ref().filter(|_| settings.metrics.is_empty());
        let rule = gate.and_then(|gate| Some((gate, gate.rule(&metric, &settings.scope)?)));
        let (facts, min_rel) = match rule {
            Some((gate, rule)) => gate.applied(rule, facts, settings.min_rel)?,
            None => (facts, settings.min_rel),
        };
        let is_gated = !settings.metrics.is_empty() || if gate.is_some() { rule.is_some() } else { is_gated };
        elsewhere.extend(rule.and_then(|(_, rule)| leave_out(rule, points, &mut values)));
        let values = values.iter().map(|of_point| (!of_point.is_empty()).then(|| mean(of_point))).collect();
        Ok(Values { name: metric, facts, is_gated, min_rel, values })
    });
    let metrics = metrics.collect::<Result<_, String>>()?;
    Ok(Collected { metrics, meaningless: meaningless.len(), elsewhere })
}

/// Takes the values of the points away of which a run is from a machine where the rule does not decide. Says so if there
/// are any.
fn leave_out(rule: &Rule, points: &[Point], values: &mut [Vec<f64>]) -> Option<String> {
    let mut count = 0;
    for (point, values) in points.iter().zip(values) {
        if !values.is_empty() && point.runs.iter().any(|run| rule.unmet(run).is_some()) {
            values.clear();
            count += 1;
        }
    }
    let conditions = rule.only_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", and ");
    (count > 0).then(|| {
        format!("{} decides only where {conditions}: {count} of {} points are left out", rule.metric, points.len())
    })
}
