//! Workflow commands of GitHub Actions: lines that it shows as annotations of a run.

use super::words;
use crate::compare::comparison::{Compared, Comparison};

/// An error per gated metric that regressed or is lost, a warning per gated one that could not be decided.
pub fn annotations(comparison: &Comparison) -> Vec<String> {
    let line = |metric: &Compared| {
        let level = match (metric.must_not_pass(), metric.is_undecided()) {
            (true, _) => "error",
            (_, true) => "warning",
            _ => return None,
        };
        let said = format!("{} {} ({})", metric.metric, words::change(metric), words::verdict(metric));
        // Percent signs and line ends are escaped, as GitHub asks.
        let said = said.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        Some(format!("::{level} title=perfwatch compare::{said}"))
    };
    comparison.metrics.iter().filter(|metric| metric.gated).filter_map(line).collect()
}
