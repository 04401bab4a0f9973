//! How often would the gate be wrong? The runs of one side are split into two sides again and again: every regression
//! between them is a false alarm. With one of the sides made larger, it shows what would be found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::comparison::{Settings, Side};
use super::decide::compare;
use super::metric::Facts;
use super::run::Run;
use crate::stats::random::Random;
use crate::table::Better;

/// More splits than this are not tried; then they are drawn at random, with the seed.
const MOST: usize = 500;
const SEED: u64 = 1;
/// Both halves need enough runs for a test.
pub const LEAST_RUNS: usize = 2 * super::judge::LEAST_RUNS;
/// Relative changes that are put in.
const CHANGES: [f64; 4] = [0.02, 0.05, 0.10, 0.20];

#[derive(Debug, Serialize)]
pub struct SelfCheck {
    pub version: u32,
    pub runs: usize,
    pub runs_per_side: (usize, usize),
    /// How the runs were divided, and whether these are all ways to do so.
    pub splits: usize,
    pub is_complete: bool,
    pub seed: u64,
    /// Splits in which a gated metric regressed.
    pub false_alarms: usize,
    pub metrics: Vec<Checked>,
}

/// A gated metric.
#[derive(Debug, Serialize)]
pub struct Checked {
    pub metric: String,
    pub false_alarms: usize,
    /// All values are zero, and no percentage changes them.
    pub is_zero: bool,
    /// For each relative change that was put in: the splits in which it was found.
    pub found: Vec<(f64, usize)>,
}

/// Checks the gate with the runs of one side.
///
/// # Errors
/// With too few runs, or if a rule of the gate does not fit its metric.
pub fn check(side: &Side, settings: &Settings) -> Result<SelfCheck, String> {
    let count = side.runs.len();
    // With few runs, nothing could be found.
    if count < LEAST_RUNS {
        return Err(format!("{}: {count} runs that count; a check needs at least {LEAST_RUNS}", side.name));
    }
    let side = &gated(side, settings)?;
    let halves = (count / 2, count - count / 2);
    let (splits, is_complete) = splits(count, halves.0);
    // Those that decide are known.
    let settings = Settings { metrics: names(side), paired: false, ..settings.clone() };
    let mut check = SelfCheck {
        version: 1,
        runs: count,
        runs_per_side: halves,
        splits: splits.len(),
        is_complete,
        seed: SEED,
        false_alarms: 0,
        metrics: Vec::new(),
    };
    for split in &splits {
        let half = |is_base: bool| Side {
            name: side.name.clone(),
            runs: side
                .runs
                .iter()
                .zip(split)
                .filter(|(_, base)| **base == is_base)
                .map(|(run, _)| run.clone())
                .collect(),
            left_out: Vec::new(),
        };
        let (base, new) = (half(true), half(false));
        let comparison = compare(&base, &new, &settings)?;
        check.false_alarms += usize::from(comparison.has_regressed());
        for metric in comparison.metrics.iter().filter(|metric| metric.gated) {
            let entry = check.metrics.iter().position(|checked| checked.metric == metric.metric).unwrap_or_else(|| {
                let is_zero = metric.judged.base == Some(0.0) && metric.judged.new == Some(0.0);
                let found = CHANGES.map(|change| (change, 0)).to_vec();
                check.metrics.push(Checked { metric: metric.metric.clone(), false_alarms: 0, is_zero, found });
                check.metrics.len() - 1
            });
            check.metrics[entry].false_alarms += usize::from(metric.is_failure());
        }
        for (n, change) in CHANGES.iter().enumerate() {
            let worse = compare(&base, &worse(&new, *change), &settings)?;
            for metric in worse.metrics.iter().filter(|metric| metric.is_failure()) {
                let entry = check.metrics.iter_mut().find(|checked| checked.metric == metric.metric);
                entry.into_iter().for_each(|checked| checked.found[n].1 += 1);
            }
        }
    }
    check.metrics.sort_by(|a, b| a.metric.cmp(&b.metric));
    Ok(check)
}

/// The side with those metrics only that decide, which saves most of the work.
fn gated(side: &Side, settings: &Settings) -> Result<Side, String> {
    let all = compare(side, side, settings)?;
    let gated = all.metrics.iter().filter(|metric| metric.gated);
    let gated: BTreeMap<&str, &Facts> = gated.map(|metric| (metric.metric.as_str(), &metric.facts)).collect();
    let run = |run: &Run| {
        let mut run = run.clone();
        // With the direction that the gate gives.
        run.measured.retain_mut(|measured| {
            let found = gated.get(measured.name.to_string().as_str());
            found.iter().for_each(|facts| measured.facts = ***facts);
            found.is_some()
        });
        run.manifest = None;
        run
    };
    Ok(Side { name: side.name.clone(), runs: side.runs.iter().map(run).collect(), left_out: Vec::new() })
}

fn names(side: &Side) -> Vec<String> {
    let all = side.runs.iter().flat_map(|run| &run.measured).map(|measured| measured.name.to_string());
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// All metrics of the side become worse by this much; of those without a better direction, larger.
fn worse(side: &Side, change: f64) -> Side {
    let run = |run: &Run| {
        let mut run = run.clone();
        for measured in &mut run.measured {
            let factor = if measured.facts.better == Some(Better::Higher) { 1.0 - change } else { 1.0 + change };
            measured.value *= factor;
        }
        run
    };
    Side { name: side.name.clone(), runs: side.runs.iter().map(run).collect(), left_out: Vec::new() }
}

/// Which runs belong to the first side, for each split; and whether these are all splits.
fn splits(count: usize, first: usize) -> (Vec<Vec<bool>>, bool) {
    if number_of_splits(count, first) <= MOST as f64 {
        let mut all = Vec::new();
        every(count, first, &mut Vec::new(), &mut all);
        return (all, true);
    }
    let mut random = Random::new(SEED);
    let draw = |_| {
        let mut split: Vec<bool> = (0..count).map(|n| n < first).collect();
        random.shuffle(&mut split);
        split
    };
    ((0..MOST).map(draw).collect(), false)
}

fn number_of_splits(count: usize, first: usize) -> f64 {
    (0..first).map(|k| (count - k) as f64 / (k + 1) as f64).product()
}

fn every(count: usize, first: usize, begun: &mut Vec<bool>, all: &mut Vec<Vec<bool>>) {
    let taken = begun.iter().filter(|is_base| **is_base).count();
    if begun.len() == count {
        all.push(begun.clone());
        return;
    }
    for is_base in [true, false] {
        let left = count - begun.len() - 1;
        let needed = first.checked_sub(taken + usize::from(is_base));
        if needed.is_some_and(|needed| needed <= left) {
            begun.push(is_base);
            every(count, first, begun, all);
            begun.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_split_once() {
        let (all, is_complete) = splits(6, 3);
        assert!(is_complete);
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!((all.len(), different.len()), (20, 20));
        assert!(all.iter().all(|split| split.iter().filter(|base| **base).count() == 3));
        let (some, is_complete) = splits(20, 10);
        assert!(!is_complete && some.len() == MOST);
        assert!(some.iter().all(|split| split.iter().filter(|base| **base).count() == 10));
        let different: std::collections::BTreeSet<_> = some.iter().collect();
        assert!(different.len() > MOST * 9 / 10);
        assert_eq!(splits(20, 10), (some, false), "the same every time");
    }
}
