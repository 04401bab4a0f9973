//! What differs between the machines and settings of two sides: then a difference may not be of the program.

use std::collections::BTreeSet;

use serde::Serialize;

use super::metric::{Name, Statistic};
use super::run::Run;
use crate::facts::machine::Host;
use crate::report::perf::PERF;

/// A fact that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    pub fact: String,
    /// Every value of the side once.
    pub base: Vec<String>,
    pub new: Vec<String>,
}

/// What was measured in another way in some of the runs.
#[derive(Clone, Copy, Debug)]
pub struct Incomparable {
    interval: bool,
    perf_scope: bool,
}

impl Incomparable {
    pub fn between<'r>(runs: impl Iterator<Item = &'r Run> + Clone) -> Incomparable {
        let differs = |of: FactOf| runs.clone().filter_map(of).collect::<BTreeSet<String>>().len() > 1;
        Incomparable { interval: differs(interval), perf_scope: differs(perf_scope) }
    }

    /// Do the values of this metric mean something else in each run? Percentiles of longer intervals are closer to the
    /// mean; events of a command are not those of a machine.
    pub fn has(self, name: &Name) -> bool {
        let is_percentile = matches!(name.statistic, Statistic::P50 | Statistic::P95);
        is_percentile && self.interval || name.table == PERF && self.perf_scope
    }
}

/// A fact of a run as text; None if it is not known.
pub type FactOf = fn(&Run) -> Option<String>;

/// The facts of which a difference makes a comparison doubtful.
pub fn mismatches(base: &[Run], new: &[Run]) -> Vec<Mismatch> {
    let facts: [(&str, FactOf); 13] = [
        ("CPU", |run| host(run)?.cpu_model.clone()),
        ("instruction set", |run| host(run)?.cpu.isa_level.clone()),
        ("online CPUs", |run| Some(host(run)?.cpus_online?.to_string())),
        ("kernel", |run| host(run)?.kernel_release.clone()),
        ("governor", |run| host(run)?.governor.clone()),
        ("turbo", |run| host(run)?.cpu.turbo.map(on)),
        ("SMT", |run| host(run)?.cpu.smt.map(on)),
        ("memory", |run| host(run)?.memory_bytes.map(gib)),
        ("limits of the control group", |run| host(run).map(limits)),
        ("virtualization", |run| host(run)?.virtualization.clone()),
        ("interval", interval),
        ("scope of perf events", perf_scope),
        ("perf events", |run| perf_option(run, "events")),
    ];
    facts.into_iter().filter_map(|(fact, of)| differing(fact, of, base, new)).collect()
}

/// A fact, if its values on the sides differ and both sides have one.
pub fn differing(fact: &str, of: FactOf, base: &[Run], new: &[Run]) -> Option<Mismatch> {
    let values = |runs: &[Run]| runs.iter().filter_map(of).collect::<BTreeSet<String>>();
    let (base, new) = (values(base), values(new));
    let differ = base != new && !base.is_empty() && !new.is_empty();
    differ.then(|| Mismatch { fact: fact.into(), base: base.into_iter().collect(), new: new.into_iter().collect() })
}

fn interval(run: &Run) -> Option<String> {
    run.session().map(|session| {
        let bursts = session.bursts.iter().map(|rule| format!(", --burst '{rule}'"));
        format!("{} s{}", session.interval_s, bursts.collect::<String>())
    })
}

fn perf_scope(run: &Run) -> Option<String> {
    perf_option(run, "scope")
}

fn host(run: &Run) -> Option<&Host> {
    Some(&run.manifest.as_ref()?.host)
}

fn on(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.into()
}

/// Machines of one kind differ by a few pages.
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

fn limits(host: &Host) -> String {
    let cpus = host.cgroup.cpu_limit.map_or_else(|| "all CPUs".into(), |cpus| format!("{cpus} CPUs"));
    let memory = host.cgroup.memory_limit_bytes.map_or_else(|| "all memory".into(), gib);
    format!("{cpus}, {memory}")
}

fn perf_option(run: &Run, name: &str) -> Option<String> {
    let value = run.session()?.options.get("perf")?.get(name)?;
    Some(match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}
