//! The cost of the recorded command, from the manifest.

use super::metric::{Facts, Measured, Name, Statistic};
use crate::store::manifest::Cost;
use crate::table::{Better, Unit};

/// The name before the column, as of a table.
pub const COMMAND: &str = "command";

const MIB: f64 = 1024.0 * 1024.0;

/// The metrics of a command. The first ones are gated.
pub fn metrics(cost: &Cost) -> Vec<Measured> {
    let count = |n: u64| n as f64;
    let seconds = || Facts::of_unit(Unit::Seconds, Some(Better::Lower));
    let memory = || Facts::of_unit(Unit::Bytes, Some(Better::Lower)).at_least(16.0 * MIB);
    let bytes = || Facts::of_unit(Unit::Bytes, Some(Better::Lower));
    let counts = || Facts::of_unit(Unit::Count, Some(Better::Lower));
    let gated = [
        ("wall_s", seconds(), cost.wall_s),
        ("cpu_s", seconds(), cost.user_s + cost.system_s),
        // The sum is sampled and may have missed the peak of a single process.
        ("peak_memory_bytes", memory(), count(cost.rss_sum_peak_bytes.max(cost.max_rss_bytes))),
        ("write_bytes", bytes(), count(cost.write_bytes)),
        ("major_faults", counts(), count(cost.major_faults)),
    ];
    let mut others = vec![
        ("user_s", seconds(), cost.user_s),
        ("system_s", seconds(), cost.system_s),
        ("max_rss_bytes", memory(), count(cost.max_rss_bytes)),
        ("read_bytes", bytes(), count(cost.read_bytes)),
        ("minor_faults", counts().at_least(1000.0), count(cost.minor_faults)),
        ("voluntary_switches", counts(), count(cost.voluntary_switches)),
        ("involuntary_switches", counts(), count(cost.involuntary_switches)),
        ("processes_peak", counts().at_least(2.0), count(cost.processes_peak)),
    ];
    others.extend(cost.cgroup_memory_peak_bytes.map(|n| ("cgroup_memory_peak_bytes", memory(), count(n))));
    let joules = |j: f64| ("energy_uj", Facts::of_unit(Unit::Microjoules, Some(Better::Lower)), j * 1e6);
    others.extend(cost.energy_j.map(joules));
    others.extend(cost.cpu_wait_s.map(|s| ("cpu_wait_s", seconds(), s)));
    let all = gated.into_iter().map(|metric| (metric, true)).chain(others.into_iter().map(|metric| (metric, false)));
    all.map(|((column, facts, value), is_gated)| {
        let name = Name { phase: None, table: COMMAND, entity: None, column, statistic: Statistic::Total };
        Measured::new(name, facts, value).gated(is_gated)
    })
    .collect()
}
