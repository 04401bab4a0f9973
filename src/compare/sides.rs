//! The two sides of alternating runs (`perfwatch ab`), compared by what their commands cost.

use std::path::PathBuf;

use super::comparison::{Comparison, Settings, Side};
use super::conditions::Conditions;
use super::control;
use super::decide::compare;
use super::output;
use super::run::{Run, not_a_sample};
use super::strange::strange;
use crate::collect::catalog;
use crate::store::manifest::Manifest;
use crate::store::read;
use crate::store::runs::{BASE, CONTROL, Runs};

/// The recordings of one side, without warm-ups.
pub fn recordings(runs: &Runs, side: &str) -> Vec<PathBuf> {
    let of_side = runs.index.runs.iter().filter(|run| run.side.as_deref() == Some(side) && !run.warmup);
    of_side.map(|run| runs.path.join(&run.directory)).collect()
}

/// What the comparison of both sides of `ab` comes to, in one sentence; `None` if a side has no runs that count.
pub fn conclusion(runs: &Runs) -> Option<String> {
    Some(output::conclusion(&by_cost(runs)?))
}

/// The same, after what the control shows.
pub fn conclusion_with_control(runs: &Runs) -> Vec<String> {
    let Some(comparison) = by_cost(runs) else { return Vec::new() };
    let of_control = comparison.notes.iter().take_while(|_| comparison.control.is_some());
    of_control.cloned().chain([output::conclusion(&comparison)]).collect()
}

/// The gated metrics that are inconclusive; `None` if a side has no runs that count.
pub fn undecided(runs: &Runs) -> Option<Vec<String>> {
    let comparison = by_cost(runs)?;
    let undecided = comparison.metrics.iter().filter(|metric| metric.is_undecided());
    Some(undecided.map(|metric| metric.metric.clone()).collect())
}

/// Runs that are not like the others, with what was different on the machine: see [`strange`].
pub fn strange_runs(runs: &Runs) -> Vec<String> {
    let mut sides: Vec<Option<&str>> = runs.sides().into_iter().map(Some).collect();
    sides.extend(sides.is_empty().then_some(None));
    let read = |path: PathBuf| {
        let recording = read::open(&path, catalog::tables()).ok()?;
        let mut run = Run::by_cost(path, recording.manifest()?.clone());
        // What cannot be read is reported by the commands that read the tables.
        run.conditions = Some(Conditions::read(&recording, &mut Vec::new()));
        Some(run)
    };
    let of_side = |side: &Option<&str>| {
        let succeeded = runs.index.runs.iter().filter(|run| run.side.as_deref() == *side && run.succeeded());
        succeeded.filter_map(|run| read(runs.path.join(&run.directory))).collect::<Vec<Run>>()
    };
    let sides: Vec<Vec<Run>> = sides.iter().map(of_side).collect();
    strange(&sides.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Only the metrics of the manifests, which are read quickly; they decide in the same way as in a full comparison.
/// Without notes, except on the control.
fn by_cost(runs: &Runs) -> Option<Comparison> {
    let (base, new) = runs.pair().filter(|(base, _)| *base == BASE)?;
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
    let (base, new, settings) = (side(base)?, side(new)?, Settings::default());
    let mut comparison = compare(&base, &new, &settings).ok()?;
    if let Some(control) = side(CONTROL) {
        control::apply(&mut comparison, compare(&base, &control, &settings).ok()?);
    }
    Some(comparison)
}
