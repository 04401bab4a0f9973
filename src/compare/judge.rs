//! The verdict on one metric, from its values in the runs of both sides.

use std::fmt;

use serde::Serialize;

use super::metric::Facts;
use crate::stats::means::{Difference, Sample, mean, paired, welch};
use crate::stats::{many, permutation};
use crate::table::Better;

/// Fewer runs on a side have no spread that could be trusted.
pub const LEAST_RUNS: usize = 3;

/// With fewer runs, the spread within a run says something if it consists of this many independent values.
pub const LEAST_EFFECTIVE: f64 = 20.0;

/// The level of all tests of gated metrics together.
pub const ALPHA: f64 = 0.05;

/// What became of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Worse, by more than what matters, and not by chance.
    Regressed,
    /// In the baseline only.
    Removed,
    /// Too few or too noisy runs to tell.
    Inconclusive,
    /// In the new side only.
    Added,
    /// Different, but neither direction is better.
    Changed,
    Improved,
    /// The difference is smaller than what matters.
    Unchanged,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Regressed => "regressed",
            Verdict::Removed => "removed",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Added => "added",
            Verdict::Changed => "changed",
            Verdict::Improved => "improved",
            Verdict::Unchanged => "unchanged",
        })
    }
}

/// When a change matters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// Relative to the baseline: 0.05.
    pub min_rel: f64,
    /// In the unit of the metric.
    pub min_abs: f64,
    /// By this much, relative to the baseline, past baselines differ from each other. A smaller change shows nothing.
    pub noise: Option<f64>,
}

/// The difference between the sides, and how sure it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Judged {
    /// Arithmetic means of the runs.
    pub base: Option<f64>,
    pub new: Option<f64>,
    /// New over base, minus one: of the geometric means where all values are positive.
    pub relative: Option<f64>,
    /// New minus base, in the unit of the metric.
    pub absolute: Option<f64>,
    /// The interval that contains the real relative change with a probability of 95 %; of 90 %.
    pub relative_95: Option<(f64, f64)>,
    #[serde(skip)]
    pub relative_90: Option<(f64, f64)>,
    /// The same of the absolute change.
    pub absolute_95: Option<(f64, f64)>,
    #[serde(skip)]
    pub absolute_90: Option<(f64, f64)>,
    /// Welch's test, or the paired one.
    pub p: Option<f64>,
    /// The exact permutation test, where there are few enough assignments.
    pub p_exact: Option<f64>,
    /// The p value that decides, adjusted for the number of metrics: see [`adjust`].
    pub p_adjusted: Option<f64>,
    /// There are too few runs, so the spread within the runs was used. It says nothing about other runs, which differ
    /// by more: the verdict decides nothing.
    pub advisory: bool,
    /// Then: how many independent values both sides are worth.
    pub effective: Option<(f64, f64)>,
    /// How often the runs were looked at, at most, until they were decided; 0 and 1: once.
    #[serde(skip)]
    looks: u32,
    #[serde(skip)]
    scale: Scale,
}

/// On which scale the runs are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Scale {
    /// Logarithms: times and sizes vary in proportion to themselves.
    Log(Difference),
    Linear(Difference),
    #[default]
    Unknown,
}

/// Compares the runs of both sides. `is_paired`: each run of one side belongs to the one in the same place of the other.
pub fn measure(base: &[f64], new: &[f64], facts: &Facts, is_paired: bool) -> Judged {
    let (base_mean, new_mean) = (known(mean(base)), known(mean(new)));
    let (Some(b), Some(n)) = (base_mean, new_mean) else {
        return Judged { base: base_mean, new: new_mean, ..Judged::default() };
    };
    let absolute = n - b;
    let mut judged = Judged {
        base: base_mean,
        new: new_mean,
        absolute: Some(absolute),
        relative: known(absolute / b.abs()),
        ..Judged::default()
    };
    if base.len().min(new.len()) < LEAST_RUNS {
        return judged;
    }
    let is_positive = base.iter().chain(new).all(|v| *v > 0.0);
    let (logs_base, logs_new);
    let (base, new, quantum) = if is_positive {
        logs_base = base.iter().map(|v| v.ln()).collect::<Vec<_>>();
        logs_new = new.iter().map(|v| v.ln()).collect::<Vec<_>>();
        // A step is this much of a value.
        (&logs_base[..], &logs_new[..], facts.quantum / b.min(n))
    } else {
        (base, new, facts.quantum)
    };
    let Some(difference) = difference(base, new, quantum, is_paired) else { return judged };
    judged.set(difference, is_positive);
    judged
}

/// The p value of the exact permutation test on the scale of [`measure`], if it is known.
pub fn exact(base: &[f64], new: &[f64]) -> Option<f64> {
    if base.len().min(new.len()) < LEAST_RUNS {
        return None;
    }
    let is_positive = base.iter().chain(new).all(|v| *v > 0.0);
    let scaled = |side: &[f64]| side.iter().map(|v| if is_positive { v.ln() } else { *v }).collect::<Vec<_>>();
    permutation::means(&scaled(base), &scaled(new))
}

/// Compares sides of which one has fewer than [`LEAST_RUNS`] runs: by the spread within the runs.
pub fn measure_within(base: &[Sample], new: &[Sample], facts: &Facts) -> Judged {
    let means = |side: &[Sample]| side.iter().map(|sample| sample.mean).collect::<Vec<_>>();
    let mut judged = measure(&means(base), &means(new), facts, false);
    let (Some(base), Some(new)) = (together(base), together(new)) else { return judged };
    judged.advisory = true;
    judged.effective = Some((base.count, new.count));
    if base.count.min(new.count) >= LEAST_EFFECTIVE {
        judged.set(welch(base.rounded_to(facts.quantum), new.rounded_to(facts.quantum)), false);
    }
    judged
}

/// The mean of several runs, from what is known of each.
fn together(runs: &[Sample]) -> Option<Sample> {
    let count: f64 = runs.iter().map(|run| run.count).sum();
    let of_runs = runs.len() as f64;
    let error = runs.iter().map(Sample::standard_error).fold(0.0, f64::hypot) / of_runs;
    let mean = mean(&runs.iter().map(|run| run.mean).collect::<Vec<_>>());
    (!runs.is_empty()).then(|| Sample { mean, deviation: error * count.sqrt(), count })
}

impl Judged {
    /// `is_log`: the difference is one of logarithms.
    fn set(&mut self, difference: Difference, is_log: bool) {
        self.p = Some(difference.p());
        self.scale = if is_log { Scale::Log(difference) } else { Scale::Linear(difference) };
        self.set_intervals();
    }

    /// The runs are looked at up to this many times: see [`super::looks`]. Intervals and adjusted p values are then
    /// those that hold for all looks together.
    pub fn after_looks(&mut self, looks: u32) {
        self.looks = looks;
        self.set_intervals();
    }

    /// Of a level, what each look has of it.
    fn share(&self, level: f64) -> f64 {
        level / f64::from(self.looks.max(1))
    }

    fn set_intervals(&mut self) {
        let b = self.base.unwrap_or(f64::NAN);
        let interval = |difference: &Difference, level: f64| difference.interval(1.0 - self.share(level));
        if let Scale::Log(difference) = &self.scale {
            let (of_95, of_90) = (interval(difference, 0.05), interval(difference, 0.10));
            let relative = |(low, high): (f64, f64)| (low.exp_m1(), high.exp_m1());
            let absolute = |(low, high): (f64, f64)| (low * b, high * b);
            self.relative = Some(difference.value.exp_m1());
            (self.relative_95, self.relative_90) = (Some(relative(of_95)), Some(relative(of_90)));
            self.absolute_95 = self.relative_95.map(absolute);
            self.absolute_90 = self.relative_90.map(absolute);
        } else if let Scale::Linear(difference) = &self.scale {
            let (of_95, of_90) = (interval(difference, 0.05), interval(difference, 0.10));
            let relative = |(low, high): (f64, f64)| (b != 0.0).then(|| (low / b.abs(), high / b.abs()));
            (self.absolute_95, self.absolute_90) = (Some(of_95), Some(of_90));
            (self.relative_95, self.relative_90) = (relative(of_95), relative(of_90));
        }
    }
}

fn difference(base: &[f64], new: &[f64], quantum: f64, is_paired: bool) -> Option<Difference> {
    if is_paired {
        return paired(base, new, quantum);
    }
    let sample = |values| Some(Sample::of(values)?.rounded_to(quantum));
    Some(welch(sample(base)?, sample(new)?))
}

fn known(v: f64) -> Option<f64> {
    v.is_finite().then_some(v)
}

/// A metric whose p value is to be adjusted, with its better direction.
pub type Tested<'j> = (&'j mut Judged, Option<Better>);

/// Adjusts the p values of metrics that are tested together.
///
/// For gated metrics by Holm, so that one false alarm in twenty comparisons is the most. Whether a metric is worse is
/// asked in this direction only, which finds more of what is worse with the same runs; whether it is better, in both.
/// For the others by Benjamini and Hochberg in both directions: a few of those that are shown are false. Before that,
/// each p value counts as often as the runs are looked at.
pub fn adjust(metrics: &mut [Tested<'_>], is_gated: bool) {
    // Of all looks together.
    let known = |judged: &Judged, p: Option<f64>| p.map_or(f64::NAN, |p| (p / judged.share(1.0)).min(1.0));
    let both: Vec<f64> = metrics.iter().map(|(judged, _)| known(judged, judged.p)).collect();
    let p_worse = |(judged, better): &Tested<'_>| better.map_or(judged.p, |better| judged.p_worse(better));
    let adjusted: Vec<f64> = if is_gated {
        let worse: Vec<f64> = metrics.iter().map(|tested| known(tested.0, p_worse(tested))).collect();
        let directions: Vec<bool> = metrics.iter().map(|tested| p_worse(tested).is_some_and(|p| p < 0.5)).collect();
        let is_worse = |n: usize| directions[n];
        let (of_worse, of_both) = (many::holm(&worse), many::holm(&both));
        (0..both.len()).map(|n| if is_worse(n) { of_worse[n] } else { of_both[n] }).collect()
    } else {
        many::benjamini_hochberg(&both)
    };
    for ((judged, _), p) in metrics.iter_mut().zip(adjusted) {
        judged.p_adjusted = Some(p).filter(|p| !p.is_nan());
    }
}

impl Judged {
    /// The absolute change from which on it matters: both thresholds must be reached. Of a baseline near zero, only the
    /// absolute one can be.
    pub fn margin(&self, threshold: &Threshold) -> f64 {
        threshold.min_abs.max(threshold.min_rel * self.base.unwrap_or(0.0).abs())
    }

    /// The absolute change up to which past baselines differ.
    fn noise(&self, threshold: &Threshold) -> f64 {
        threshold.noise.unwrap_or(0.0) * self.base.unwrap_or(0.0).abs()
    }

    /// `p_adjusted` must be set.
    pub fn verdict(&self, better: Option<Better>, threshold: &Threshold) -> Verdict {
        let margin = self.margin(threshold);
        let (Some(change), Some(p), Some((low, high))) = (self.change(), self.p_adjusted, self.absolute_90) else {
            return match (self.base, self.new) {
                (None, Some(_)) => Verdict::Added,
                (Some(_), None) => Verdict::Removed,
                _ => Verdict::Inconclusive,
            };
        };
        if p < ALPHA && change.abs() >= margin.max(self.noise(threshold)) {
            return match (better, change > 0.0) {
                (None, _) => Verdict::Changed,
                (Some(Better::Lower), true) | (Some(Better::Higher), false) => Verdict::Regressed,
                _ => Verdict::Improved,
            };
        }
        let is_within = -margin <= low && high <= margin;
        if is_within { Verdict::Unchanged } else { Verdict::Inconclusive }
    }

    /// One-sided: probability of being at least this much worse by chance.
    fn p_worse(&self, better: Better) -> Option<f64> {
        let above = match self.scale {
            Scale::Log(difference) | Scale::Linear(difference) => difference.p_above(),
            Scale::Unknown => return None,
        };
        Some(if better == Better::Lower { above } else { 1.0 - above })
    }

    /// Is the change larger than any in the interval of `control`, which has no real change? True if it has no interval.
    pub fn exceeds(&self, control: &Judged) -> bool {
        let (Some(change), Some((low, high))) = (self.change(), control.absolute_95) else { return true };
        change.abs() > low.abs().max(high.abs())
    }

    /// The absolute change that belongs to the tested difference.
    fn change(&self) -> Option<f64> {
        match self.scale {
            Scale::Log(_) => Some(self.relative? * self.base?),
            Scale::Linear(_) => self.absolute,
            Scale::Unknown => None,
        }
    }

    /// How many more runs per side would probably decide, if the change and the spread stay as they are. None if it is
    /// decided, or even hundreds would not.
    pub fn more_runs(&self, threshold: &Threshold, runs: usize, tests: usize) -> Option<usize> {
        const MOST: usize = 500;
        let difference = match self.scale {
            Scale::Log(difference) | Scale::Linear(difference) => difference,
            Scale::Unknown => return LEAST_RUNS.checked_sub(runs).filter(|more| *more > 0),
        };
        if self.advisory {
            return LEAST_RUNS.checked_sub(runs).filter(|more| *more > 0);
        }
        // It is sure, and no larger than what past sessions differ by: more runs do not change that.
        if self.p_adjusted.is_some_and(|p| p < ALPHA) && threshold.noise.is_some() {
            return None;
        }
        let margin = match self.scale {
            Scale::Log(_) => (self.margin(threshold) / self.base?).ln_1p(),
            _ => self.margin(threshold),
        };
        let now = runs.saturating_sub(1).max(1) as f64;
        // Of one run on each side.
        let spread = difference.standard_error * (runs as f64).sqrt();
        let is_decided = |runs: usize| {
            // As many degrees of freedom per run as now.
            let df = difference.df * (runs as f64 - 1.0) / now;
            let error = spread / (runs as f64).sqrt();
            let reach = |tail| crate::stats::student::quantile_of_tail(tail, df) * error;
            let size = difference.value.abs();
            let (of_change, of_none) = (self.share(ALPHA / 2.0) / tests.max(1) as f64, self.share(0.05));
            if size >= margin { reach(of_change) < size } else { size + reach(of_none) <= margin }
        };
        // More runs decide what fewer do.
        let (mut too_few, mut enough) = (runs, MOST);
        if runs >= MOST || !is_decided(enough) {
            return None;
        }
        while enough - too_few > 1 {
            let between = too_few.midpoint(enough);
            if is_decided(between) { enough = between } else { too_few = between }
        }
        Some(enough - runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Unit;

    /// The change is 10 % and the spread 8.6 %. With scipy's `t.isf`: 8 runs per side are the first for which the margin
    /// of error at 5 % is smaller than the change; 14 at a sixth of it, for six metrics.
    #[test]
    fn more_runs_that_decide() {
        let facts = Facts::of_unit(Unit::None, Some(Better::Lower));
        let threshold = Threshold { min_rel: 0.05, min_abs: 0.0, noise: None };
        let judged = |base: &[f64], new: &[f64], is_paired| {
            let mut judged = measure(base, new, &facts, is_paired);
            adjust(&mut [(&mut judged, facts.better)], true);
            judged
        };
        let (base, new) = ([1.0, 1.1, 0.9, 1.05], [1.1, 1.21, 0.99, 1.155]);
        let noisy = judged(&base, &new, false);
        assert_eq!(noisy.verdict(facts.better, &threshold), Verdict::Inconclusive);
        let (one, six) = (noisy.more_runs(&threshold, 4, 1).unwrap(), noisy.more_runs(&threshold, 4, 6).unwrap());
        assert_eq!((one, six), (4, 10));
        // A change that is sure, but within the noise of past sessions.
        let sure = judged(&[1.0, 1.001, 0.999], &[1.1, 1.101, 1.099], false);
        let noise = Threshold { noise: Some(0.2), ..threshold };
        assert_eq!((sure.verdict(facts.better, &noise), sure.more_runs(&noise, 3, 1)), (Verdict::Inconclusive, None));
    }
}
