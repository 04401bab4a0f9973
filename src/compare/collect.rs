//! Each metric with its values in all runs of both sides.

use std::collections::BTreeMap;

use super::comparison::Side;
use super::judge::{Judged, LEAST_RUNS, measure, measure_within};
use super::metric::{Facts, Measured, Name};
use crate::stats::means::Sample;

/// A metric in all runs.
pub struct Found {
    pub facts: Facts,
    pub is_gated: bool,
    pub base: Vec<Option<f64>>,
    pub new: Vec<Option<f64>>,
    /// The spread within each run that has a value.
    pub base_within: Vec<Option<Option<Sample>>>,
    pub new_within: Vec<Option<Option<Sample>>>,
}

pub fn collect(base: &Side, new: &Side) -> BTreeMap<Name, Found> {
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

impl Found {
    /// The difference between the sides: by the spread within the runs if a side has too few of them.
    pub fn judged(&self, facts: &Facts, is_paired: bool) -> Judged {
        if let (Some(base), Some(new), false) = (of_all(&self.base_within), of_all(&self.new_within), is_paired)
            && base.len().min(new.len()) < LEAST_RUNS
        {
            return measure_within(&base, &new, facts);
        }
        let (base, new) = self.values(is_paired);
        measure(&base, &new, facts, is_paired)
    }

    /// The values of both sides; if the runs belong together in pairs, those of whole pairs. If a side has none, all of
    /// the other.
    fn values(&self, is_paired: bool) -> (Vec<f64>, Vec<f64>) {
        let is_empty = |side: &[Option<f64>]| side.iter().all(Option::is_none);
        if is_paired && !is_empty(&self.base) && !is_empty(&self.new) {
            return self.base.iter().zip(&self.new).filter_map(|(base, new)| Some(((*base)?, (*new)?))).unzip();
        }
        let known = |side: &[Option<f64>]| side.iter().flatten().copied().collect();
        (known(&self.base), known(&self.new))
    }
}

/// The spread within each run, if it is known of all runs with a value.
fn of_all(within: &[Option<Option<Sample>>]) -> Option<Vec<Sample>> {
    let of_runs: Vec<Sample> = within.iter().flatten().copied().collect::<Option<_>>()?;
    (!of_runs.is_empty()).then_some(of_runs)
}
