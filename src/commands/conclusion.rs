//! What the two sides of alternating runs come to, with the gate of the settings.

use super::Usage;
use crate::compare::sides;
use crate::config::Settings;
use crate::store::runs::Runs;

/// In one sentence; None if a side has no runs that count.
///
/// # Errors
/// When the gate has a mistake.
pub fn conclusion(runs: &Runs, settings: &Settings) -> Result<Option<String>, Usage> {
    let gate = settings.gate().map_err(|error| Usage(error.to_string()))?;
    sides::conclusion(runs, gate.as_ref()).map_err(Usage)
}
