//! The changes of each metric, and how sure they are.

use serde::Serialize;

use super::series::Values;
use crate::compare::judge::ALPHA;
use crate::compare::metric::Facts;
use crate::stats::change_points::{LEAST, Series, Shape, Step};
use crate::stats::many;
use crate::stats::means;
use crate::table::Better;

/// One metric.
#[derive(Clone, Debug, Serialize)]
pub struct Metric {
    pub metric: String,
    pub unit: &'static str,
    pub better: Option<&'static str>,
    pub gated: bool,
    pub outcome: Outcome,
    /// In order; empty unless it changed in steps.
    pub changes: Vec<Change>,
    pub drift: Option<Drift>,
    /// Probability that an unchanged series would seem to change this much; null if it was not tested.
    pub p: Option<f64>,
    /// Adjusted for the number of metrics.
    pub p_adjusted: Option<f64>,
    /// How much each value depends on those before it: 0 not at all, above 0.6 the series wanders.
    pub autocorrelation: Option<f64>,
    /// Points whose value is far off its neighbours; it counts as less far.
    pub far: Vec<usize>,
    pub min_rel: f64,
    pub min_abs: f64,
    /// One per point, null where it has none.
    pub values: Vec<Option<f64>>,
    #[serde(skip)]
    pub facts: Facts,
}

/// What became of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// At least one change matters.
    Changed,
    /// Slowly, in one direction, by more than what matters.
    Drifts,
    /// It changes by less than what matters.
    Small,
    Flat,
    /// Too few values to tell.
    TooFew,
}

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Regressed,
    Improved,
    /// Neither direction is better.
    Changed,
    /// Smaller than what matters.
    Small,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Regressed => "regressed",
            Verdict::Improved => "improved",
            Verdict::Changed => "changed",
            Verdict::Small => "small",
        }
    }
}

/// From one level to another.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Size {
    pub before: f64,
    pub after: f64,
    /// After over before, minus one; null if the level before is zero.
    pub relative: Option<f64>,
    pub relative_95: Option<(f64, f64)>,
    pub absolute: f64,
    pub absolute_95: (f64, f64),
    pub verdict: Verdict,
    /// As of the metric, but of this change and those that were found with it.
    pub p: f64,
}

/// A step from one level to another.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Change {
    /// The index of the first point with the new level.
    pub at: usize,
    /// With a probability of 95 % it is between these, which are included.
    pub earliest: usize,
    pub latest: usize,
    #[serde(flatten)]
    pub size: Size,
}

/// A straight line: `before` is at the first point, `after` at the last.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Drift {
    #[serde(flatten)]
    pub size: Size,
}

/// A metric that can be tested.
struct Tested {
    series: Series,
    /// The point of each value.
    points: Vec<usize>,
    /// The values are logarithms.
    is_log: bool,
}

impl Tested {
    fn of(values: &Values) -> Option<Tested> {
        let known = values.values.iter().enumerate().filter_map(|(n, value)| Some((n, (*value)?)));
        let (points, numbers): (Vec<usize>, Vec<f64>) = known.unzip();
        // Times and sizes vary in proportion to themselves.
        let is_log = numbers.iter().all(|v| *v > 0.0);
        let series = if is_log {
            let logs: Vec<f64> = numbers.iter().map(|v| v.ln()).collect();
            Series::new(&logs, values.facts.quantum / means::mean(&numbers))
        } else {
            Series::new(&numbers, values.facts.quantum)
        };
        Some(Tested { series: series?, points, is_log })
    }
}

/// Looks at each metric, with probabilities that are adjusted for their number: of the gated ones by Holm, so that with
/// a probability of 95 % none of them is said to have changed by chance; of the others by Benjamini and Hochberg.
pub fn judge(all: Vec<Values>) -> Vec<Metric> {
    let tested: Vec<Option<Tested>> = all.iter().map(Tested::of).collect();
    let p: Vec<f64> = tested.iter().map(|tested| tested.as_ref().map_or(f64::NAN, |t| t.series.p())).collect();
    let of_group = |gated: bool| {
        let of_group = |n: usize| if all[n].is_gated == gated { p[n] } else { f64::NAN };
        (0..all.len()).map(of_group).collect::<Vec<f64>>()
    };
    let (holm, bh) = (many::holm(&of_group(true)), many::benjamini_hochberg(&of_group(false)));
    let count = |gated: bool| of_group(gated).iter().filter(|p| !p.is_nan()).count();
    let counts = (count(true), count(false));
    all.into_iter()
        .zip(tested)
        .enumerate()
        .map(|(n, (values, tested))| {
            let (adjusted, count) = if values.is_gated { (holm[n], counts.0) } else { (bh[n], counts.1) };
            metric(values, tested, p[n], adjusted, count)
        })
        .collect()
}

fn metric(values: Values, tested: Option<Tested>, p: f64, adjusted: f64, count: usize) -> Metric {
    let Values { name, facts, is_gated, min_rel, values } = values;
    let mut metric = Metric {
        metric: name,
        unit: facts.unit.word(),
        better: facts.better.map(Better::word),
        gated: is_gated,
        outcome: Outcome::TooFew,
        changes: Vec::new(),
        drift: None,
        p: known(p),
        p_adjusted: known(adjusted),
        autocorrelation: None,
        far: Vec::new(),
        min_rel,
        min_abs: facts.min_abs,
        values,
        facts,
    };
    let Some(tested) = tested else { return metric };
    // Further changes of the metric must be as improbable as its first one had to be.
    let level = if p > 0.0 { ALPHA * p / adjusted } else { ALPHA / count.max(1) as f64 };
    let shape = if adjusted <= ALPHA { tested.series.shape(level) } else { Shape::Flat };
    metric.autocorrelation = Some(tested.series.autocorrelation(&shape));
    metric.far = tested.series.far().iter().map(|n| tested.points[*n]).collect();
    metric.outcome = match shape {
        Shape::Flat => Outcome::Flat,
        Shape::Steps(steps) => {
            metric.changes = steps.iter().map(|step| metric.change(step, &tested)).collect();
            let matters = metric.changes.iter().any(|change| change.size.verdict != Verdict::Small);
            if matters || metric.whole_matters() { Outcome::Changed } else { Outcome::Small }
        }
        Shape::Drift(drift) => {
            let size = metric.size(drift.from, drift.to, &drift.difference, drift.p, tested.is_log);
            metric.drift = Some(Drift { size });
            if size.verdict == Verdict::Small { Outcome::Small } else { Outcome::Drifts }
        }
    };
    metric
}

fn known(v: f64) -> Option<f64> {
    (!v.is_nan()).then_some(v)
}

impl Metric {
    /// The order of tables for people.
    pub fn rank(&self) -> (bool, Outcome) {
        (!self.gated, self.outcome)
    }

    /// Is it shown without being asked for?
    pub fn is_shown(&self) -> bool {
        self.gated || matches!(self.outcome, Outcome::Changed | Outcome::Drifts)
    }

    fn change(&self, step: &Step, tested: &Tested) -> Change {
        Change {
            at: tested.points[step.at],
            // Also between the points without a value before it.
            earliest: step.earliest.checked_sub(1).map_or(0, |before| tested.points[before] + 1),
            latest: tested.points[step.latest],
            size: self.size(step.before, step.after, &step.difference, step.p, tested.is_log),
        }
    }

    fn size(&self, before: f64, after: f64, difference: &means::Difference, p: f64, is_log: bool) -> Size {
        let bounds = difference.interval(0.95);
        let mut size = if is_log {
            let base = before.exp();
            let relative = |log: f64| log.exp_m1();
            Size {
                before: base,
                after: after.exp(),
                relative: Some(relative(difference.value)),
                relative_95: Some((relative(bounds.0), relative(bounds.1))),
                absolute: base * relative(difference.value),
                absolute_95: (base * relative(bounds.0), base * relative(bounds.1)),
                verdict: Verdict::Small,
                p,
            }
        } else {
            let relative = |v: f64| (before != 0.0).then(|| v / before.abs());
            Size {
                before,
                after,
                relative: relative(difference.value),
                relative_95: relative(bounds.0).zip(relative(bounds.1)),
                absolute: difference.value,
                absolute_95: bounds,
                verdict: Verdict::Small,
                p,
            }
        };
        size.verdict = self.verdict(size.before, size.absolute);
        size
    }

    fn verdict(&self, before: f64, change: f64) -> Verdict {
        match (self.facts.better, change > 0.0) {
            _ if change.abs() < self.min_abs.max(self.min_rel * before.abs()) => Verdict::Small,
            (None, _) => Verdict::Changed,
            (Some(Better::Lower), true) | (Some(Better::Higher), false) => Verdict::Regressed,
            _ => Verdict::Improved,
        }
    }

    /// Several small changes in one direction may add up.
    fn whole_matters(&self) -> bool {
        let (Some(first), Some(last)) = (self.changes.first(), self.changes.last()) else { return false };
        self.verdict(first.size.before, last.size.after - first.size.before) != Verdict::Small
    }
}

/// The least number of points.
pub const LEAST_POINTS: usize = LEAST;
