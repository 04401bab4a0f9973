//! The two sides of alternating runs (`perfwatch ab`), compared by what their commands cost.

use std::path::PathBuf;

use super::comparison::{Comparison, Settings, Side, compare};
use super::output;
use super::run::{Run, not_a_sample};
use crate::store::manifest::Manifest;
use crate::store::runs::Runs;

/// The recordings of one side, without warm-ups.
pub fn recordings(runs: &Runs, side: &str) -> Vec<PathBuf> {
    let of_side = runs.index.runs.iter().filter(|run| run.side.as_deref() == Some(side) && !run.warmup);
    of_side.map(|run| runs.path.join(&run.directory)).collect()
}

/// What the comparison of both sides comes to, in one sentence; `None` if there are no two sides with runs that count.
pub fn conclusion(runs: &Runs) -> Option<String> {
    Some(output::conclusion(&by_cost(runs)?))
}

/// Only the metrics of the manifests, which are read quickly; they decide in the same way as in a full comparison.
fn by_cost(runs: &Runs) -> Option<Comparison> {
    let [base, new] = runs.sides()[..] else { return None };
    let side = |name: &str| {
        let mut side = Side { name: name.into(), runs: Vec::new(), left_out: Vec::new() };
        for path in recordings(runs, name) {
            let Ok(manifest) = Manifest::read(&path) else { continue };
            if not_a_sample(&path, Some(&manifest)).is_none() {
                side.runs.push(Run::by_cost(path, manifest));
            }
        }
        (!side.runs.is_empty()).then_some(side)
    };
    compare(&side(base)?, &side(new)?, &Settings::default()).ok()
}
