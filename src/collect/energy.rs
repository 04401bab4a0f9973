//! Energy of processors and their memory. Sources: the PMU `power`, powercap, or the hwmon driver `amd_energy`.

use std::sync::Arc;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::energy::{self, EnergyCounter, Missing, Source};
use crate::linux::lock::lock;
use crate::table::Unit::{Microjoules, Watts};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Formula, Table, counter, derived, entity, label};
use crate::workload::command::RecordedCommand;

pub const ENTRY: Entry = Entry {
    name: "energy",
    doc: "energy of processor packages, cores, memory and the whole machine",
    groups: &[Group::Default],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

static TABLE: Table<EnergyRow> = Table {
    name: "energy",
    source: "the PMU power, /sys/class/powercap, or the hwmon driver amd_energy",
    doc: "What processors and their memory consumed, as they count it themselves: one row per domain and tick. Virtual \
          machines do not have this. A package contains its cores and its graphics, not its memory.",
    charts: Charts::Drawn(&[Chart::lines("Power", &["mean_power_w"])]),
    columns: &[
        entity(
            "domain",
            "`package-0`; parts of it: `package-0/core`, `package-0/gpu`, and beside it `package-0/dram`; `psys`: the \
             whole machine.",
            |e: &EnergyRow| e.domain.as_ref().into(),
        ),
        label("source", "`perf` (the PMU power), `powercap` or `hwmon`.", |e: &EnergyRow| e.source.name().into()),
        counter(
            "energy_uj",
            Microjoules,
            "Energy since a beginning that does not change; wraps are handled.",
            |e: &EnergyRow| e.energy_uj.into(),
        )
        .lower_is_better(),
        derived("mean_power_w", Watts, "Mean power over the interval.", Formula::rate(&["energy_uj"]).times(1e-6)),
    ],
};

struct EnergyRow {
    domain: Arc<str>,
    source: Source,
    energy_uj: u64,
}

struct EnergyCollector {
    source: Source,
    counters: Vec<(Arc<str>, EnergyCounter)>,
    command: Option<Arc<RecordedCommand>>,
    /// The whole at the last tick before the command began.
    before_uj: Option<u64>,
    rows: Vec<EnergyRow>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let (source, counters) = energy::open(&setup.roots).map_err(|missing| match missing {
        Missing::None => Unavailable::new(
            "no energy counters (PMU power, powercap, amd_energy): virtual machines and many boards have none",
        ),
        Missing::Still(source) => Unavailable::new(format!(
            "the energy counters ({source}) stay at zero: virtual machines show them, and do not count"
        )),
        Missing::Denied(source, error) => Unavailable::new(format!("the energy counters ({source}): {error}"))
            .advise("run as root, or give perfwatch CAP_PERFMON"),
    })?;
    let counters = counters.into_iter().map(|counter| (Arc::from(counter.domain.as_str()), counter)).collect();
    let command = setup.command.clone();
    let collector = EnergyCollector { source, counters, command, before_uj: None, rows: Vec::new() };
    Ok(Opened::complete(collector).by(source.name()))
}

impl Collector for EnergyCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.rows.clear();
        let (mut whole, mut is_whole) = (0, true);
        for (domain, counter) in &mut self.counters {
            match counter.read_uj() {
                Ok(energy_uj) => {
                    whole += if counter.is_counted { energy_uj } else { 0 };
                    self.rows.push(EnergyRow { domain: domain.clone(), source: self.source, energy_uj });
                }
                Err(error) => {
                    is_whole &= !counter.is_counted;
                    out.warn(format!("{domain}: {error}"));
                }
            }
        }
        self.account(whole, is_whole);
        out.push(&TABLE, &self.rows);
        Ok(())
    }
}

impl EnergyCollector {
    /// What the machine consumed while the command ran. Recordings have a tick at its start and one at its end.
    fn account(&mut self, whole: u64, is_whole: bool) {
        let Some(command) = self.command.as_ref().filter(|_| is_whole) else { return };
        match self.before_uj.filter(|_| command.before().is_some()) {
            None => self.before_uj = Some(whole),
            Some(before) => lock(&command.seen).energy_uj = Some(whole.saturating_sub(before)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::options::Options;
    use crate::linux::cgroup::Own;
    use crate::linux::files::Roots;
    use crate::linux::hwmon::tests::tree;
    use crate::workload::command::Before;

    #[test]
    fn a_command_has_what_packages_and_memory_consumed_while_it_ran() {
        let dir = tempfile::tempdir().unwrap();
        let put = |package: u64, core: u64, dram: u64| {
            for (zone, name, uj) in [
                ("intel-rapl:0", "package-0", package),
                ("intel-rapl:0:0", "core", core),
                ("intel-rapl:0:1", "dram", dram),
            ] {
                let folder = format!("class/powercap/{zone}");
                let (name, uj) = (format!("{name}\n"), format!("{uj}\n"));
                tree(dir.path(), &[(&format!("{folder}/name"), &name), (&format!("{folder}/energy_uj"), &uj)]);
            }
        };
        put(1000, 10, 100);
        let command = Arc::new(RecordedCommand::new(1, Own::default()));
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let setup = Setup { command: Some(command.clone()), ..Setup::new(roots, Options::default()) };
        let mut opened = open(&setup).ok().unwrap();
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        let mut tick = |package, core, dram| {
            put(package, core, dram);
            opened.collector.collect(0, &mut sample).unwrap();
            lock(&command.seen).energy_uj
        };
        assert_eq!(tick(1500, 10, 100), None);
        assert_eq!(tick(2000, 20, 200), None);
        command.begin(Before::default());
        assert_eq!(tick(2600, 500, 230), Some(600 + 30));
        assert_eq!(tick(2700, 600, 240), Some(700 + 40));
    }

    #[test]
    fn why_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let why = open(&Setup::new(roots, Options::default())).err().unwrap();
        assert!(why.reason.contains("virtual machines"), "{}", why.reason);
    }
}
