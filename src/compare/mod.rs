//! Is one side slower than the other, and how sure is that? Two sides of recordings, metric by metric.
//!
//! [`run`] turns each recording into one number per metric: the [cost](command) of its command, and every
//! [column](columns) with its entities combined. The runs of both sides are compared, not their samples, because samples
//! of one run are not independent, and runs differ more than samples do. [`judge`] tests each metric and gives its
//! [`Verdict`]; `decide` says which metrics decide and adjusts for the number of tests; the result is a [`Comparison`]. What the sides do not have in
//! common is in [`mismatch`]. The forms of output are in [`output`].

pub mod asked;
mod collect;
pub mod columns;
pub mod command;
pub mod comparison;
pub mod conditions;
pub mod control;
mod decide;
pub mod gate;
pub mod history;
pub mod judge;
pub mod looks;
pub mod metric;
pub mod mismatch;
mod notes;
pub mod output;
mod ratios;
pub mod run;
pub mod self_check;
pub mod sides;
pub mod strange;
pub mod warmup;

pub use comparison::Comparison;
pub use judge::Verdict;
pub use run::Run;

use comparison::{Settings, Side};

/// Compares two sides, with notes on what limits the conclusions.
///
/// # Errors
/// If a rule of the gate does not fit its metric.
pub fn compare(base: &Side, new: &Side, settings: &Settings) -> Result<Comparison, String> {
    let mut comparison = decide::compare(base, new, settings)?;
    for metric in comparison.metrics.iter_mut().filter(|_| !settings.paired) {
        let known = |values: &[Option<f64>]| values.iter().flatten().copied().collect::<Vec<_>>();
        metric.judged.p_exact = judge::exact(&known(&metric.base_values), &known(&metric.new_values));
    }
    let notes = notes::notes(&comparison, base, new);
    comparison.notes.extend(notes);
    comparison.notes.extend(strange::strange(&[&base.runs, &new.runs]));
    Ok(comparison)
}

/// The same, with the baseline against itself, if it was recorded twice.
///
/// # Errors
/// As [`compare`].
pub fn compare_with_control(
    base: &Side,
    control: Option<&Side>,
    new: &Side,
    settings: &Settings,
) -> Result<Comparison, String> {
    let mut comparison = compare(base, new, settings)?;
    if let Some(control) = control {
        control::apply(&mut comparison, decide::compare(base, control, settings)?);
    }
    Ok(comparison)
}
