//! Events of CPU and kernel, counted system-wide by `perf stat` in intervals of its own: tables `perf` and `perf_status`.
//!
//! The way of a count: [`plan`] decides what perf is asked for, after [`probe`] has asked the kernel and a trial run has
//! asked perf itself; [`supervisor`] keeps the [`child`] running on a thread of its own; [`lines`] puts its output
//! together, [`stat`] takes a line apart, [`intervals`] makes rows with a place in time of them; and at the next tick
//! `Perf` hands those over. [`event`] knows the names.
//!
//! Formats, texts and exit codes differ between versions of perf, and the version tells little about them, since
//! distributions change it: everything here goes by the shape of what is read.

pub mod child;
pub mod cpus;
pub mod event;
pub mod find;
pub mod intervals;
pub mod lines;
pub mod plan;
pub mod probe;
pub mod stat;
pub mod supervisor;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use crate::sample::{Sample, Stamp};
use crate::schema::Unit::{None as NoUnit, Percent};
use crate::schema::{Table, entity, entity_int, flag, gauge_float, label};

use intervals::{Interval, Now, Row};
use plan::Plan;
use probe::Ask;
use supervisor::{Away, Limits, Report, Supervisor};

pub const ENTRY: Entry = Entry {
    name: "perf",
    doc: "events counted by `perf stat`: cycles, instructions, cache misses, context switches",
    tables: &[|| PERF.def(), || PERF_STATUS.def()],
    cadence: Duration::ZERO,
    open: |setup| open(setup, &probe::system_call),
};

static PERF: Table<Row> = Table {
    name: "perf",
    source: "perf stat",
    doc: "Events counted by `perf stat`: one row per event and interval of perf. `ts` is the interval's end, `elapsed_s` its \
          length.",
    columns: &[
        entity("event", "The event as perf names it: `cycles`, `cpu_core/cycles/`, `cycles:u`.", |r: &Row| {
            r.name.printed.as_str().into()
        }),
        entity_int("cpu", "The CPU; null: all that were asked for.", |r: &Row| r.cpu.into()),
        entity("target", "Core, socket, thread or cgroup as perf names it; null: the whole system.", |r: &Row| {
            r.target.as_deref().into()
        }),
        gauge_float(
            "value",
            NoUnit,
            "The count of the interval, in `unit`; extrapolated by perf where `running_percent` is below 100.",
            |r: &Row| r.value.into(),
        )
        .over_interval(),
        label("unit", "Unit of `value`: `msec` for the clocks, `Joules`, `MiB`; null: a plain count.", |r: &Row| {
            r.unit.as_deref().into()
        }),
        gauge_float(
            "running_percent",
            Percent,
            "Part of the interval in which the event was on a counter; null where it was never enabled, or perf is older \
             than 4.1.",
            |r: &Row| r.running_percent.into(),
        )
        .over_interval(),
        label("status", "`counted`, `not_counted` (no counter was free, or nothing ran) or `not_supported`.", |r: &Row| {
            r.status.word().into()
        }),
        label("pmu", "The counting unit where perf names it: `cpu_core`, `uncore_imc_0`.", |r: &Row| {
            r.name.pmu.as_deref().into()
        }),
        label("modifiers", "What the event is restricted to: `u` user mode, `k` kernel, `H` host.", |r: &Row| {
            r.name.modifiers.as_deref().into()
        }),
    ],
};

static PERF_STATUS: Table<StatusRow> = Table {
    name: "perf_status",
    source: "perf stat",
    doc: "Whether `perf stat` counts what was asked for: one row per interval of perf, and one when perf is away.",
    columns: &[
        flag("available", "True: every event that was asked for was counted in this interval.", |r: &StatusRow| {
            r.available.into()
        }),
        label(
            "missing_events",
            "The events that were not counted, separated by commas; null: none.",
            |r: &StatusRow| r.missing.as_deref().into(),
        ),
        label("error", "Why perf counts nothing at present; null while it counts.", |r: &StatusRow| {
            r.error.as_deref().into()
        }),
    ],
};

struct StatusRow {
    available: bool,
    missing: Option<Arc<str>>,
    error: Option<String>,
}

fn open(setup: &Setup, ask: &Ask<'_>) -> Result<Opened, Unavailable> {
    let (plan, notes) = plan::make(setup, ask)?;
    let limits = Limits::of(plan.interval);
    Ok(Opened::with_notes(Perf::new(plan, limits), notes))
}

/// The collector: perf is started at the first tick, not before, for `perfwatch doctor` only opens.
struct Perf {
    plan: Arc<Plan>,
    limits: Limits,
    supervisor: Option<Supervisor>,
    finished: bool,
    reports: VecDeque<Report>,
    /// Why there are no counts at present.
    away: Option<String>,
}

impl Perf {
    fn new(plan: Plan, limits: Limits) -> Perf {
        Perf { plan: plan.into(), limits, supervisor: None, finished: false, reports: VecDeque::new(), away: None }
    }

    fn push(&mut self, report: Report, out: &mut Sample) {
        match report {
            Report::Interval(Interval { stamp, rows, missing, continued }) => {
                out.push_at(&PERF, stamp, &rows);
                if !continued {
                    out.push_at(
                        &PERF_STATUS,
                        stamp,
                        &[StatusRow { available: missing.is_none(), missing, error: None }],
                    );
                }
                self.away = None;
            }
            Report::Away(Away { ts_us, error, .. }) => {
                push_error(ts_us, error.clone(), out);
                self.away = Some(error);
            }
        }
    }
}

fn push_error(ts_us: i64, error: String, out: &mut Sample) {
    let row = StatusRow { available: false, missing: None, error: Some(error) };
    out.push_at(&PERF_STATUS, Stamp { ts_us, elapsed_s: None }, &[row]);
}

impl Collector for Perf {
    /// Hands over the intervals that are complete; never waits.
    ///
    /// # Errors
    /// While perf is away, from the tick after the one that has the row about it: rows of a tick that fails are lost.
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let supervisor = match &self.supervisor {
            Some(supervisor) => supervisor,
            None if self.finished => return Ok(()),
            None => {
                let started = Supervisor::start(self.plan.clone(), self.limits);
                self.supervisor
                    .insert(started.map_err(|e| CollectError::Other(format!("perf cannot be supervised: {e}")))?)
            }
        };
        let dropped = supervisor.take(&mut self.reports);
        if dropped > 0 {
            push_error(Now::read().wall_ns / 1000, format!("{dropped} intervals came too fast and were dropped"), out);
        }
        if self.reports.is_empty() {
            return self.away.clone().map_or(Ok(()), |error| Err(CollectError::Other(error)));
        }
        while let Some(report) = self.reports.pop_front() {
            self.push(report, out);
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.finished = true;
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.stop();
        }
    }
}
