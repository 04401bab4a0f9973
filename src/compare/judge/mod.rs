//! The verdict on one metric, from its values in the runs of both sides.

mod adjust;
mod measure;
mod more_runs;

use std::fmt;

use serde::Serialize;

use crate::table::Better;
pub use adjust::adjust;
pub use measure::{Judged, LEAST_EFFECTIVE, exact, measure, measure_within};

/// Fewer runs on a side have no spread that could be trusted.
pub const LEAST_RUNS: usize = 3;

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

    /// Is the change larger than any in the interval of `control`, which has no real change? True if it has no interval.
    pub fn exceeds(&self, control: &Judged) -> bool {
        let (Some(change), Some((low, high))) = (self.change(), control.absolute_95) else { return true };
        change.abs() > low.abs().max(high.abs())
    }
}
