//! The difference between both sides in one metric, from its values in their runs.

use serde::Serialize;

use super::LEAST_RUNS;
use crate::compare::metric::Facts;
use crate::stats::means::{Difference, Sample, mean, paired, welch};
use crate::stats::permutation;
use crate::table::Better;

/// With fewer runs, the spread within a run says something if it consists of this many independent values.
pub const LEAST_EFFECTIVE: f64 = 20.0;

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
    /// The p value that decides, adjusted for the number of metrics: see [`adjust`](super::adjust()).
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

    /// The runs are looked at up to this many times: see [`looks`](crate::compare::looks). Intervals and adjusted p values are then
    /// those that hold for all looks together.
    pub fn after_looks(&mut self, looks: u32) {
        self.looks = looks;
        self.set_intervals();
    }

    /// Of a level, what each look has of it.
    pub(super) fn share(&self, level: f64) -> f64 {
        level / f64::from(self.looks.max(1))
    }

    /// One-sided: probability of being at least this much worse by chance.
    pub(super) fn p_worse(&self, better: Better) -> Option<f64> {
        let above = self.difference()?.p_above();
        Some(if better == Better::Lower { above } else { 1.0 - above })
    }

    /// The absolute change that belongs to the tested difference.
    pub(super) fn change(&self) -> Option<f64> {
        match self.scale {
            Scale::Log(_) => Some(self.relative? * self.base?),
            Scale::Linear(_) => self.absolute,
            Scale::Unknown => None,
        }
    }

    /// The tested difference, on the scale on which it was tested.
    pub(super) fn difference(&self) -> Option<&Difference> {
        match &self.scale {
            Scale::Log(difference) | Scale::Linear(difference) => Some(difference),
            Scale::Unknown => None,
        }
    }

    /// An absolute change, on the scale of [`Judged::difference`].
    pub(super) fn on_scale(&self, change: f64) -> Option<f64> {
        match self.scale {
            Scale::Log(_) => Some((change / self.base?).ln_1p()),
            Scale::Linear(_) | Scale::Unknown => Some(change),
        }
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
