//! Is one side slower than the other, and how sure is that? Two sides of recordings, metric by metric.
//!
//! [`run`] turns each recording into one number per metric: the [cost](command) of its command, and every
//! [column](columns) with its entities combined. The runs of both sides are compared, not their samples, because samples
//! of one run are not independent, and runs differ more than samples do. [`judge`] tests each metric and gives its
//! [`Verdict`]; [`comparison`] puts all together and adjusts for the number of tests. What the sides do not have in
//! common is in [`mismatch`]. The forms of output are in [`output`].

pub mod columns;
pub mod command;
pub mod comparison;
pub mod gate;
pub mod history;
pub mod judge;
pub mod metric;
pub mod mismatch;
mod notes;
pub mod output;
mod ratios;
pub mod run;
pub mod self_check;
pub mod sides;
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
    let mut comparison = comparison::compare(base, new, settings)?;
    for metric in comparison.metrics.iter_mut().filter(|_| !settings.paired) {
        let known = |values: &[Option<f64>]| values.iter().flatten().copied().collect::<Vec<_>>();
        metric.judged.p_exact = judge::exact(&known(&metric.base_values), &known(&metric.new_values));
    }
    let notes = notes::notes(&comparison, base, new);
    comparison.notes.extend(notes);
    Ok(comparison)
}
