//! Processes: the tree of the recorded command at every tick, and requested processes of the machine.

mod choice;
pub mod options;
mod process_files;
mod process_table;
#[cfg(test)]
mod process_table_tests;
mod rows;
mod tree_usage;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::cgroup::account::CpuTime;
use crate::linux::clock;
use crate::linux::cpus;
use crate::linux::files::{Roots, read_once};
use crate::linux::lock::lock;
use crate::table::sample::{Sample, Stamp};
use crate::workload::command::RecordedCommand;
use options::Processes;
use process_table::{Kin, KnownProcess, ProcessTable, Trunk};
use rows::{PROCESS, ProcessRow, in_milliseconds};
use tree_usage::{COMMAND, TreeUsage};

pub const ENTRY: Entry = Entry {
    name: "process",
    doc: "the recorded command's processes; others where --processes asks for them",
    groups: &[Group::Default],
    tables: &[|| COMMAND.def(), || PROCESS.def()],
    cadence: Duration::ZERO,
    open: |setup| open(setup).map(Opened::complete),
};

/// Minimum time between two refreshes of the processes of the machine.
const SYSTEM_EVERY_NS: u64 = 1_000_000_000;

/// The collector.
struct ProcessCollector {
    processes: ProcessTable,
    command: Option<Arc<RecordedCommand>>,
    /// The command's control group, whose CPU time is more precise than that of its processes.
    cgroup: CpuTime,
    has_tree: bool,
    system: Option<Processes>,
    /// Half an interval: a tick that is slightly early still counts as in time.
    grace_ns: u64,
    tree_ns: Option<u64>,
    system_ns: Option<u64>,
    is_last: bool,
    /// Whether there was a sample.
    has_begun: bool,
    page_size: u64,
    cpus: u64,
    boot_ms: Option<i64>,
    sum: TreeUsage,
    rows: Vec<ProcessRow>,
}

fn open(setup: &Setup) -> Result<ProcessCollector, Unavailable> {
    let options = &setup.options;
    let pids = &options.perf.pids;
    let command = setup.command.clone();
    let trunk = Trunk {
        command: command.as_ref().map(|c| c.pid),
        adopter: command.is_some().then(std::process::id),
        others: pids.clone(),
    };
    let has_tree = command.is_some() || !pids.is_empty();
    if !has_tree && options.process.processes.is_none() {
        return Err(
            Unavailable::not_asked("no processes were asked for").advise("--processes top=20, or record -- COMMAND")
        );
    }
    let mut processes = ProcessTable::open(&setup.roots, trunk)?;
    processes.list()?;
    processes.counts_io_waits = counts_io_waits(&setup.roots, &processes);
    processes.pss = options.process.pss.filter(|_| has_tree);
    if options.process.processes.is_some() {
        processes.prepare();
    }
    if processes.known.is_empty() {
        return Err(Unavailable::new(format!("no processes in {}", setup.roots.proc.display())));
    }
    if has_tree && options.process.processes.is_none() && processes.tree().next().is_none() {
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        return Err(Unavailable::mistake(format!("no process {}", pids.join(", ")))
            .advise("it has ended, or lives in another PID namespace"));
    }
    Ok(ProcessCollector {
        processes,
        cgroup: CpuTime::open(command.as_ref().map_or(&[][..], |command| &command.cgroup.folders)),
        command,
        has_tree,
        system: options.process.processes.clone(),
        grace_ns: setup.interval.as_nanos() as u64 / 2,
        tree_ns: None,
        system_ns: None,
        is_last: false,
        has_begun: false,
        page_size: procfs::page_size(),
        cpus: cpus::configured(),
        boot_ms: setup.roots.are_live().then(clock::boot_ms),
        sum: TreeUsage::default(),
        rows: Vec::new(),
    })
}

impl Collector for ProcessCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let now = out.mono_ns;
        self.processes.adopts = self.command.as_ref().is_some_and(|c| c.is_running());
        self.processes.list()?;
        if !std::mem::replace(&mut self.has_begun, true) {
            // Counting begins with what these have used so far.
            self.processes.known.values_mut().for_each(|p| p.is_new = false);
        }
        if self.has_tree {
            self.processes.refresh(|p| p.kin.is_some(), now, self.tree_ns);
            self.processes.read_pss(now, self.is_last);
            let tree: Vec<u32> = self.processes.tree().map(|p| p.stat.pid).collect();
            self.fill_rows(&tree);
            push(out, self.tree_ns, &self.rows);
            self.processes.known.values_mut().filter(|p| p.kin.is_some()).for_each(|p| p.is_new = false);
            let elapsed_us = self.tree_ns.replace(now).map_or(u64::MAX, |before| now.saturating_sub(before) / 1000);
            let disowned = std::mem::take(&mut self.processes.disowned);
            if let Some(command) = self.command.clone() {
                for process in disowned.iter().filter(|p| p.kin == Some(Kin::Command)) {
                    let largest = process.peak_rss_bytes.unwrap_or(0);
                    lock(&command.seen)
                        .by_disowned
                        .add(&TreeUsage::from_process(process, self.page_size).used(largest));
                }
                let tree = self.sum(&command);
                // Read after the processes, so that it includes everything they used.
                let group = self.cgroup.read();
                let sum = match command.before() {
                    Some(before) => tree.without(&before.process).refined(since(group, before.cgroup_us), self.cpus),
                    // It waits, as a part of the recorder.
                    None => tree.levels(),
                };
                let sum = sum.at_least(&self.sum);
                self.sum = if elapsed_us == u64::MAX { sum } else { sum.within(&self.sum, self.cpus, elapsed_us) };
                out.push(&COMMAND, &[self.sum]);
            }
        }
        let due = self.system_ns.is_none_or(|at| self.is_last || now + self.grace_ns >= at + SYSTEM_EVERY_NS);
        if let Some(wanted) = self.system.as_ref().filter(|_| due) {
            self.processes.refresh(|p| p.kin.is_none(), now, self.system_ns);
            let others: Vec<u32> =
                self.processes.known.iter().filter(|(_, p)| p.kin.is_none()).map(|(pid, _)| *pid).collect();
            let chosen = choice::choose(wanted, &mut self.processes, &others);
            self.fill_rows(&chosen);
            push(out, self.system_ns, &self.rows);
            for pid in chosen {
                self.processes.known.entry(pid).and_modify(|p| p.is_new = false);
            }
            self.system_ns = Some(now);
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.is_last = true;
    }
}

impl ProcessCollector {
    fn fill_rows(&mut self, pids: &[u32]) {
        // A command that has not begun still has the command line of the recorder.
        let waiting = self.command.as_ref().filter(|command| command.before().is_none()).map(|command| command.pid);
        self.processes.read_command_lines(pids.iter().copied().filter(|pid| Some(*pid) != waiting));
        self.rows.clear();
        for process in pids.iter().filter_map(|pid| self.processes.known.get(pid)) {
            let started = started(process, self.boot_ms);
            self.rows.push(ProcessRow::from_known(process, self.page_size, started));
        }
    }

    /// The sums of the tree: the usage of running processes and of the children they waited for; of processes that we
    /// waited for, the usage reported by the kernel; and of processes that nobody waits for, the values seen last.
    fn sum(&self, command: &RecordedCommand) -> TreeUsage {
        let (mut sum, reaped) = {
            let mut adopted = lock(&command.adopted);
            (TreeUsage::ended(&adopted.used), std::mem::take(&mut adopted.since_tick))
        };
        let mut seen = lock(&command.seen);
        sum.add(&TreeUsage::ended(&seen.by_disowned));
        seen.living.clear();
        seen.ended.clear();
        let mut peak = 0;
        for process in self.processes.tree().filter(|p| p.kin == Some(Kin::Command)) {
            let one = TreeUsage::from_process(process, self.page_size);
            // A process that ended during the refresh may already be in our account.
            sum.add(&if reaped.contains(&process.stat.pid) { one.levels() } else { one });
            // Memory held between two ticks counts as if it were held now.
            let rss = one.rss_bytes;
            peak += if process.peak_rose { process.peak_rss_bytes.unwrap_or(0).max(rss) } else { rss };
            let largest = process.peak_rss_bytes.unwrap_or(rss);
            seen.max_rss_bytes = seen.max_rss_bytes.max(largest);
            let is_counted = process.stat.pid == command.pid || reaped.contains(&process.stat.pid);
            if is_counted {
                continue;
            }
            if process.stat.state == b'Z' {
                seen.ended.push(process.stat.pid);
            } else {
                seen.living.push((process.stat.pid, one.used(largest)));
            }
        }
        let before = command.before().map_or(0, |before| before.wait_us);
        let sum = sum.and_waited(&self.processes.by_ended, before);
        seen.wait_us = sum.wait_us;
        seen.rss_sum_peak_bytes = seen.rss_sum_peak_bytes.max(peak);
        seen.processes_peak = seen.processes_peak.max(sum.processes);
        sum
    }
}

/// A process reports its usage since the previous refresh, whether or not it had a row then.
fn push(out: &mut Sample, previous_ns: Option<u64>, rows: &[ProcessRow]) {
    let elapsed_s =
        previous_ns.and_then(|at| out.mono_ns.checked_sub(at)).filter(|ns| *ns > 0).map(|ns| ns as f64 / 1e9);
    match elapsed_s {
        Some(_) => out.push_at(&PROCESS, Stamp { ts_us: out.ts_us, elapsed_s }, rows),
        None => out.push(&PROCESS, rows),
    }
}

/// The growth of each account.
fn since(now: [Option<u64>; 3], before: [Option<u64>; 3]) -> [Option<u64>; 3] {
    std::array::from_fn(|i| now[i]?.checked_sub(before[i]?))
}

/// Whether the kernel counts how long processes wait for storage. Before Linux 5.14 there is no switch to ask, and it
/// counts if any process has waited.
fn counts_io_waits(roots: &Roots, processes: &ProcessTable) -> bool {
    match read_once(&roots.proc("sys/kernel/task_delayacct")) {
        Ok(switch) => switch == "1",
        Err(_) => processes.known.values().any(|process| process.stat.io_wait_ticks > 0),
    }
}

fn started(process: &KnownProcess, boot_ms: Option<i64>) -> Option<i64> {
    boot_ms?.checked_add_unsigned(in_milliseconds(process.stat.start_ticks))
}
