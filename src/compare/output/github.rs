//! Workflow commands of GitHub Actions: lines that it shows as annotations of a run.

use super::words;
use crate::compare::comparison::Comparison;
use crate::compare::judge::Verdict;

/// An error per gated metric that regressed or is lost, a warning per gated one that could not be decided.
pub fn annotations(comparison: &Comparison) -> Vec<String> {
    let line = |metric: &crate::compare::comparison::Compared| {
        let level = match metric.verdict {
            Verdict::Regressed | Verdict::Added | Verdict::Removed => "error",
            Verdict::Inconclusive => "warning",
            _ => return None,
        };
        let said = format!("{} {} ({})", metric.metric, words::change(metric), words::verdict(metric));
        // Percent signs and line ends are escaped, as GitHub asks.
        let said = said.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        Some(format!("::{level} title=perfwatch compare::{said}"))
    };
    comparison.metrics.iter().filter(|metric| metric.gated).filter_map(line).collect()
}
