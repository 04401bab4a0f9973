//! What happened on the machine during each run, apart from the command: other processes, the hypervisor, a slower
//! clock, a limit.

use crate::query::folded::Folded;
use crate::query::sums::{Sum, Sums};
use crate::query::{Choice, Query};
use crate::store::manifest::Manifest;
use crate::store::read::Recording;
use crate::store::read::piece::{ReadError, Source};

/// The phase of the command, if there were steps before or after it.
const RUN_PHASE: &str = "run";
/// CPU time comes in steps of 10 ms, and the recorder needs some tens of milliseconds at the start and at the end: in a
/// shorter time, shares of it say nothing.
const LEAST_SECONDS: f64 = 0.5;

/// Means over a run; None if not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// CPUs that processes other than the command used.
    pub others_cpus: Option<f64>,
    /// Share of the CPU time that the hypervisor gave to others.
    pub steal_percent: Option<f64>,
    /// Of the fastest core: the others may have been idle.
    pub frequency_mhz: Option<f64>,
    /// Share of the periods in which the quota stopped the command's control group.
    pub throttled_percent: Option<f64>,
    /// Share of the time in which a task waited for a CPU.
    pub cpu_pressure_percent: Option<f64>,
}

impl Conditions {
    /// Reads them. What cannot be read is added to `problems`, and not known.
    pub fn read(recording: &Recording, problems: &mut Vec<ReadError>) -> Conditions {
        let metrics = [
            "cpu.usage_percent",
            "cpu.steal_percent",
            "command.usage_percent",
            "cpu_core.frequency_mhz",
            "cgroup.throttled_percent",
            "pressure.some_percent",
        ];
        let choice = Choice { metrics: metrics.map(String::from).to_vec(), ..Choice::default() };
        let mut fold = |phase| {
            let query = Query::of([recording as &dyn Source]).phase(phase).choice(&choice).threads(1);
            query.fold(&Sums { percentiles: false }, problems).pop().unwrap_or_default()
        };
        let of_phase = if Self::are_of_whole(recording) { Vec::new() } else { fold(Some(RUN_PHASE)) };
        let is_there = of_phase.iter().any(|table| table.table.name == "cpu" && table.rows > 0);
        let tables = if is_there { of_phase } else { fold(None) };
        Self::of_tables(&tables, recording.manifest())
    }

    /// Are they those of the recording as a whole? Without marks there are no phases.
    pub fn are_of_whole(recording: &Recording) -> bool {
        recording.tables().iter().all(|table| table.name != "mark")
    }

    /// Of the recording as a whole, or of the command's phase: whichever the tables were folded of.
    pub fn of_tables(tables: &[Folded<Sum>], manifest: Option<&Manifest>) -> Conditions {
        let (usage, steal) = (means(tables, "cpu", "usage_percent"), means(tables, "cpu", "steal_percent"));
        let is_long = usage.first().is_some_and(|usage| usage.weight >= LEAST_SECONDS);
        if !is_long {
            return Conditions::default();
        }
        let only = |means: &[Mean]| means.first().map(|mean| mean.value);
        let cpus = manifest.and_then(|manifest| manifest.host.cpus_online).map(|cpus| cpus as f64);
        let command = means(tables, "command", "usage_percent");
        let others = |usage: f64, cpus: f64, command: f64| {
            // CPU usage includes what the hypervisor took.
            ((usage - only(&steal).unwrap_or(0.0)) * cpus - command).max(0.0) / 100.0
        };
        Conditions {
            others_cpus: only(&usage)
                .zip(cpus)
                .zip(only(&command))
                .map(|((usage, cpus), command)| others(usage, cpus, command)),
            steal_percent: only(&steal),
            frequency_mhz: means(tables, "cpu_core", "frequency_mhz").iter().map(|mean| mean.value).reduce(f64::max),
            throttled_percent: of_entity(tables, "cgroup", "throttled_percent", "command"),
            cpu_pressure_percent: of_entity(tables, "pressure", "some_percent", "cpu"),
        }
    }
}

struct Mean {
    value: f64,
    /// Seconds, of shares of time.
    weight: f64,
}

/// The means of a column, of each entity with values.
fn means(tables: &[Folded<Sum>], table: &str, column: &str) -> Vec<Mean> {
    let table = tables.iter().find(|folded| folded.table.name == table);
    let sums = table.and_then(|table| table.column(column)).unwrap_or_default();
    let known = sums.iter().filter(|sum| sum.weight > 0.0);
    known.map(|sum| Mean { value: sum.product / sum.weight, weight: sum.weight }).collect()
}

/// The mean of a column of the entity with this label.
fn of_entity(tables: &[Folded<Sum>], table: &str, column: &str, label: &str) -> Option<f64> {
    let table = tables.iter().find(|folded| folded.table.name == table)?;
    let is_it = |entity: usize| {
        table.entities.get(entity).is_some_and(|labels| labels.iter().any(|l| l.value.as_deref() == Some(label)))
    };
    let of_groups = table.groups.iter().zip(table.column(column)?);
    let mut known = of_groups.filter(|(group, sum)| is_it(group.entity) && sum.weight > 0.0);
    known.next().map(|(_, sum)| sum.product / sum.weight)
}
