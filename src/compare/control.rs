//! The baseline command once more (`ab --control`): what the same command shows against itself, on this machine, among
//! the other runs. A change must be larger than that.

use serde::Serialize;

use super::comparison::{Compared, Comparison, SideFacts};
use super::judge::Verdict;
use super::output::change_with_bounds;

/// The baseline against the control.
#[derive(Debug, Serialize)]
pub struct Control {
    pub side: SideFacts,
    /// The gated metrics; `new` are the values of the control.
    pub metrics: Vec<Compared>,
}

/// Takes back verdicts on changes that are not larger than what `control`, a comparison of the baseline with the
/// control, shows.
pub fn apply(comparison: &mut Comparison, control: Comparison) {
    let control = Control {
        side: control.new,
        metrics: control.metrics.into_iter().filter(|metric| metric.gated && !metric.is_lost()).collect(),
    };
    let mut within = Vec::new();
    for metric in comparison.metrics.iter_mut().filter(|metric| metric.gated && is_change(metric.verdict)) {
        let Some(same) = control.metrics.iter().find(|same| same.metric == metric.metric) else { continue };
        if is_change(same.verdict) || !metric.judged.exceeds(&same.judged) {
            metric.verdict = Verdict::Inconclusive;
            within.push(metric.metric.clone());
        }
    }
    let notes = notes(&control, &within);
    comparison.notes.splice(0..0, notes);
    comparison.control = Some(control);
    comparison.sort();
}

fn is_change(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Regressed | Verdict::Improved | Verdict::Changed)
}

fn notes(control: &Control, within: &[String]) -> Vec<String> {
    // Time comes first; of the others, those that say something.
    let is_said = |metric: &&Compared| {
        metric.metric == "command.wall_s" || metric.verdict != Verdict::Unchanged || within.contains(&metric.metric)
    };
    let said = control.metrics.iter().filter(is_said);
    let said: Vec<String> = said.map(|metric| format!("{} {}", metric.metric, change_with_bounds(metric))).collect();
    let differs = match said.is_empty() {
        true => "does not differ in any metric that decides".to_string(),
        false => format!("differs by {}", said.join(", ")),
    };
    let mut notes = vec![format!("control: the baseline command against itself {differs}")];
    if !within.is_empty() {
        let names = within.join(", ");
        notes.push(format!("{names}: the change is no larger than that, so the machine is too noisy for a verdict"));
    }
    notes
}
