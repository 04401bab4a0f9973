//! Processes: the recorded command's tree at every tick, and those of the machine that were asked for.

mod census;
mod choice;
mod rows;
pub mod stat;

use std::sync::Arc;
use std::time::Duration;

use self::census::{Census, Known, Trunk};
use self::rows::{COMMAND, PROCESS, Process, Tree, in_milliseconds};
use crate::clock;
use crate::collector::{CollectError, Collector, Entry, Opened, Processes, Setup, Unavailable};
use crate::command::{Command, Used, lock};
use crate::sample::{Sample, Stamp};

pub const ENTRY: Entry = Entry {
    name: "process",
    doc: "the recorded command's processes; others where --processes asks for them",
    tables: &[|| COMMAND.def(), || PROCESS.def()],
    cadence: Duration::ZERO,
    open: |setup| open(setup).map(Opened::complete),
};

/// The machine's processes are looked at no more often.
const SYSTEM_EVERY_NS: u64 = 1_000_000_000;

/// The collector.
struct Watch {
    census: Census,
    command: Option<Arc<Command>>,
    has_tree: bool,
    system: Option<Processes>,
    /// Half an interval: a tick that is a little early is in time still.
    grace_ns: u64,
    tree_ns: Option<u64>,
    system_ns: Option<u64>,
    is_last: bool,
    page_size: u64,
    boot_ms: Option<i64>,
    sum: Tree,
    rows: Vec<Process>,
}

fn open(setup: &Setup) -> Result<Watch, Unavailable> {
    let options = &setup.options;
    let pids = &options.perf.pids;
    let command = setup.command.clone();
    let trunk = Trunk {
        roots: command.iter().map(|c| c.pid).chain(pids.iter().copied()).collect(),
        adopter: command.is_some().then(std::process::id),
    };
    let has_tree = !trunk.roots.is_empty();
    if !has_tree && options.processes.is_none() {
        return Err(
            Unavailable::not_asked("no processes were asked for").advise("--processes top=20, or record -- COMMAND")
        );
    }
    let mut census = Census::open(&setup.roots, trunk)?;
    census.list()?;
    if census.known.is_empty() {
        return Err(Unavailable::new(format!("no processes in {}", setup.roots.proc.display())));
    }
    if has_tree && options.processes.is_none() && census.tree().next().is_none() {
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        return Err(Unavailable::new(format!("no process {}", pids.join(", ")))
            .advise("it has ended, or lives in another PID namespace"));
    }
    Ok(Watch {
        census,
        command,
        has_tree,
        system: options.processes.clone(),
        grace_ns: options.interval.as_nanos() as u64 / 2,
        tree_ns: None,
        system_ns: None,
        is_last: false,
        page_size: procfs::page_size(),
        boot_ms: setup.roots.are_live().then(clock::boot_ms),
        sum: Tree::default(),
        rows: Vec::new(),
    })
}

impl Collector for Watch {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let now = out.mono_ns;
        self.census.adopts = self.command.as_ref().is_some_and(|c| c.is_running());
        self.census.list()?;
        if self.has_tree {
            self.census.look(|p| p.in_tree, now, self.tree_ns);
            self.rows.clear();
            self.rows.extend(self.census.tree().map(|p| Process::of(p, self.page_size, started(p, self.boot_ms))));
            push(out, self.tree_ns, &self.rows);
            self.tree_ns = Some(now);
            if let Some(command) = self.command.clone() {
                self.sum = self.sum(&command).at_least(&self.sum);
                out.push(&COMMAND, &[self.sum]);
            }
        }
        let due = self.system_ns.is_none_or(|at| self.is_last || now + self.grace_ns >= at + SYSTEM_EVERY_NS);
        if let Some(wanted) = self.system.as_ref().filter(|_| due) {
            self.census.look(|p| !p.in_tree, now, self.system_ns);
            let others: Vec<u32> = self.census.known.iter().filter(|(_, p)| !p.in_tree).map(|(pid, _)| *pid).collect();
            let chosen = choice::choose(wanted, &mut self.census, &others);
            self.rows.clear();
            let chosen = chosen.iter().filter_map(|pid| self.census.known.get(pid));
            self.rows.extend(chosen.map(|p| Process::of(p, self.page_size, started(p, self.boot_ms))));
            push(out, self.system_ns, &self.rows);
            self.system_ns = Some(now);
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.is_last = true;
    }
}

impl Watch {
    /// The tree's sums: of those who live what they and the children that they waited for used up, and of those whom we
    /// waited for what the kernel told.
    fn sum(&self, command: &Command) -> Tree {
        let adopted = *lock(&command.adopted);
        let mut sum = Tree {
            user_ms: adopted.user_us / 1000,
            system_ms: adopted.system_us / 1000,
            cpu_us: adopted.user_us + adopted.system_us,
            minor_faults: adopted.minor_faults,
            major_faults: adopted.major_faults,
            read_bytes: adopted.read_bytes,
            write_bytes: adopted.write_bytes,
            ..Tree::default()
        };
        let mut seen = lock(&command.seen);
        (seen.living, seen.by_living) = (0, Used::default());
        let mut peak = 0;
        for process in self.census.tree() {
            let (own, children) = (&process.stat.own, &process.stat.children);
            let user_ms = in_milliseconds(own.user_ticks + children.user_ticks);
            let system_ms = in_milliseconds(own.system_ticks + children.system_ticks);
            let ticks_us = 1000 * in_milliseconds(own.user_ticks + own.system_ticks);
            let children_us = 1000 * in_milliseconds(children.user_ticks + children.system_ticks);
            let cpu_us = process.cpu_ns.map_or(ticks_us, |ns| ns / 1000) + children_us;
            let io = process.io.unwrap_or_default();
            let rss = process.stat.rss_pages.saturating_mul(self.page_size);
            let minor_faults = own.minor_faults + children.minor_faults;
            let major_faults = own.major_faults + children.major_faults;
            sum.processes += 1;
            sum.threads += process.stat.threads;
            sum.cpu_us += cpu_us;
            sum.user_ms += user_ms;
            sum.system_ms += system_ms;
            sum.rss_bytes += rss;
            sum.minor_faults += minor_faults;
            sum.major_faults += major_faults;
            sum.read_bytes += io.read_bytes;
            sum.write_bytes += io.write_bytes;
            // What it held between two ticks counts as if it held it now.
            peak += if process.peak_rose { process.peak_rss_bytes.unwrap_or(0).max(rss) } else { rss };
            seen.max_rss_bytes = seen.max_rss_bytes.max(process.peak_rss_bytes.unwrap_or(rss));
            if process.stat.pid != command.pid && process.stat.state != b'Z' {
                seen.living += 1;
                seen.by_living.add(&Used {
                    user_us: 1000 * user_ms,
                    system_us: 1000 * system_ms,
                    max_rss_bytes: process.peak_rss_bytes.unwrap_or(rss),
                    minor_faults,
                    major_faults,
                    read_bytes: io.read_bytes,
                    write_bytes: io.write_bytes,
                    ..Used::default()
                });
            }
        }
        seen.rss_sum_peak_bytes = seen.rss_sum_peak_bytes.max(peak);
        seen.processes_peak = seen.processes_peak.max(sum.processes);
        sum
    }
}

/// A process tells what it used since the previous look, whether or not it had a row then.
fn push(out: &mut Sample, previous_ns: Option<u64>, rows: &[Process]) {
    let elapsed_s =
        previous_ns.and_then(|at| out.mono_ns.checked_sub(at)).filter(|ns| *ns > 0).map(|ns| ns as f64 / 1e9);
    match elapsed_s {
        Some(_) => out.push_at(&PROCESS, Stamp { ts_us: out.ts_us, elapsed_s }, rows),
        None => out.push(&PROCESS, rows),
    }
}

fn started(process: &Known, boot_ms: Option<i64>) -> Option<i64> {
    boot_ms?.checked_add_unsigned(in_milliseconds(process.stat.start_ticks))
}
