//! The two sides of alternating runs (`perfwatch ab`), compared by what their commands cost.

use std::path::PathBuf;

use super::comparison::{Comparison, Settings, Side};
use super::conditions::Conditions;
use super::control;
use super::decide::compare;
use super::gate::{Gate, Rule};
use super::output;
use super::run::{Phases, Plan, Run, not_a_sample};
use super::strange::strange;
use crate::collect::catalog;
use crate::query::threads;
use crate::store::manifest::Manifest;
use crate::store::read;
use crate::store::read::piece::Window;
use crate::store::runs::{BASE, CONTROL, Runs};

/// The recordings of one side, without warm-ups.
pub fn recordings(runs: &Runs, side: &str) -> Vec<PathBuf> {
    let of_side = runs.index.runs.iter().filter(|run| run.side.as_deref() == Some(side) && !run.warmup);
    of_side.map(|run| runs.path.join(&run.directory)).collect()
}

/// What the comparison of both sides of `ab` comes to, in one sentence; `None` if a side has no runs that count.
///
/// # Errors
/// If a rule of the gate does not fit its metric.
pub fn conclusion(runs: &Runs, gate: Option<&Gate>) -> Result<Option<String>, String> {
    Ok(compared(runs, gate)?.as_ref().map(output::conclusion))
}

/// The same, after what the control shows.
///
/// # Errors
/// As [`conclusion`].
pub fn conclusion_with_control(runs: &Runs, gate: Option<&Gate>) -> Result<Vec<String>, String> {
    let Some(comparison) = compared(runs, gate)? else { return Ok(Vec::new()) };
    let of_control = comparison.notes.iter().take_while(|_| comparison.control.is_some());
    Ok(of_control.cloned().chain([output::conclusion(&comparison)]).collect())
}

/// The gated metrics that are inconclusive, or that no run has; `None` if a side has no runs that count.
///
/// # Errors
/// As [`conclusion`].
pub fn undecided(runs: &Runs, gate: Option<&Gate>) -> Result<Option<Vec<String>>, String> {
    let Some(comparison) = compared(runs, gate)? else { return Ok(None) };
    let undecided = comparison.metrics.iter().filter(|metric| metric.is_undecided());
    let undecided = undecided.map(|metric| metric.metric.clone());
    Ok(Some(undecided.chain(comparison.missing.clone()).collect()))
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

/// Without notes, except on the control.
fn compared(runs: &Runs, gate: Option<&Gate>) -> Result<Option<Comparison>, String> {
    let Some((base, new)) = runs.pair().filter(|(base, _)| *base == BASE) else { return Ok(None) };
    let has_tables = gate.is_some_and(|gate| gate.rules.iter().any(Rule::is_of_tables));
    let side = |name: &str| {
        let samples = recordings(runs, name).into_iter().filter_map(|path| sample(path, has_tables));
        Side { name: name.into(), runs: samples.collect(), left_out: Vec::new() }
    };
    let (base, new) = (side(base), side(new));
    if base.runs.is_empty() || new.runs.is_empty() {
        return Ok(None);
    }
    let settings = Settings { gate: gate.cloned(), ..Settings::default() };
    let mut comparison = compare(&base, &new, &settings)?;
    let control = side(CONTROL);
    if !control.runs.is_empty() {
        control::apply(&mut comparison, compare(&base, &control, &settings)?);
    }
    Ok(Some(comparison))
}

/// A run that counts. What the command cost is in the manifests, which are read quickly, and decides in the same way as in
/// a full comparison.
fn sample(path: PathBuf, has_tables: bool) -> Option<Run> {
    let manifest = Manifest::read(&path).ok().filter(|manifest| not_a_sample(&path, Some(manifest)).is_none())?;
    if !has_tables {
        return Some(Run::by_cost(path, manifest));
    }
    let recording = read::open(&path, catalog::tables()).ok()?;
    let threads = threads::default().min(threads::MOST);
    let plan = Plan { window: Window::ALL, phases: Phases::Whole, is_steady: false, has_spread: false, threads };
    // What cannot be read is reported by the commands that read the tables.
    Some(Run::read(&recording, plan, &mut Vec::new()))
}
