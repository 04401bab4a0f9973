//! How many more runs would decide.

use super::{ALPHA, Judged, LEAST_RUNS, Threshold};
use crate::stats::student::quantile_of_tail;

impl Judged {
    /// How many more runs per side would probably decide, if the change and the spread stay as they are. None if it is
    /// decided, or even hundreds would not.
    pub fn more_runs(&self, threshold: &Threshold, runs: usize, tests: usize) -> Option<usize> {
        const MOST: usize = 500;
        let Some(difference) = self.difference().filter(|_| !self.advisory) else {
            return LEAST_RUNS.checked_sub(runs).filter(|more| *more > 0);
        };
        // It is sure, and no larger than what past sessions differ by: more runs do not change that.
        if self.p_adjusted.is_some_and(|p| p < ALPHA) && threshold.noise.is_some() {
            return None;
        }
        let margin = self.on_scale(self.margin(threshold))?;
        let now = runs.saturating_sub(1).max(1) as f64;
        // Of one run on each side.
        let spread = difference.standard_error * (runs as f64).sqrt();
        let is_decided = |runs: usize| {
            // As many degrees of freedom per run as now.
            let df = difference.df * (runs as f64 - 1.0) / now;
            let error = spread / (runs as f64).sqrt();
            let reach = |tail| quantile_of_tail(tail, df) * error;
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
    use crate::compare::judge::{Verdict, adjust, measure};
    use crate::compare::metric::Facts;
    use crate::table::{Better, Unit};

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
