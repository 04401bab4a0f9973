//! The tables `perf` and `perf_status`, and their rows, for both ways of counting.

use std::sync::Arc;

use crate::events::request::{Request, events_of};
use crate::table::Unit::{None as NoUnit, Percent};
use crate::table::sample::{Sample, Stamp};
use crate::table::{Chart, Charts, Table, entity, entity_int, flag, gauge_float, label};

pub static PERF: Table<PerfRow> = Table {
    name: "perf",
    source: "perf_event_open / perf stat",
    doc: "Events counted by CPU and kernel: one row per event and interval. `ts` is the end of the interval, \
          `elapsed_s` its length. Both are those of the tick, or perf's own if the program `perf stat` counts.",
    charts: Charts::Drawn(&[Chart::choice("Events", &["value"])]),
    columns: &[
        entity("event", "The event as perf names it: `cycles`, `cpu_core/cycles/`, `cycles:u`.", |r: &PerfRow| {
            r.name.printed.as_str().into()
        })
        .separate(),
        entity_int("cpu", "The CPU; null: all that were requested.", |r: &PerfRow| r.cpu.into()),
        entity(
            "target",
            "Core, socket, thread or cgroup as perf names it; null: everything requested.",
            |r: &PerfRow| r.target.as_deref().into(),
        ),
        gauge_float(
            "value",
            NoUnit,
            "The count of the interval, in `unit`; extrapolated if `running_percent` is below 100.",
            |r: &PerfRow| r.value.into(),
        )
        .amount(),
        label(
            "unit",
            "Unit of `value`: `msec` for the clocks, `Joules`, `MiB`; null: a plain count.",
            |r: &PerfRow| r.unit.as_deref().into(),
        ),
        gauge_float(
            "running_percent",
            Percent,
            "Share of the interval in which the event was on a counter; null if it was never enabled, or if perf is \
             older than 4.1.",
            |r: &PerfRow| r.running_percent.into(),
        )
        .over_interval(),
        label(
            "status",
            "`counted`, `not_counted` (no counter was free, or nothing ran) or `not_supported` (not on this machine, \
             or not in user mode alone: `context-switches:u`).",
            |r: &PerfRow| r.status.word().into(),
        ),
        label("pmu", "The counting unit, if perf names it: `cpu_core`, `uncore_imc_0`.", |r: &PerfRow| {
            r.name.pmu.as_deref().into()
        }),
        label("modifiers", "What the event is restricted to: `u` user mode, `k` kernel, `H` host.", |r: &PerfRow| {
            r.name.modifiers.as_deref().into()
        }),
    ],
};

/// The column that is a list.
pub const MISSING_EVENTS: &str = "missing_events";

pub static PERF_STATUS: Table<StatusRow> = Table {
    name: "perf_status",
    source: "perf_event_open / perf stat",
    doc: "Whether everything that was requested is counted: one row per interval, and one when the counting stops.",
    charts: Charts::Not("it says whether events were counted: its texts are shown"),
    columns: &[
        flag("available", "True: every event that was requested was counted in this interval.", |r: &StatusRow| {
            r.available.into()
        }),
        label(
            MISSING_EVENTS,
            "The events that were not counted, separated by commas as in `--perf-events`: a comma inside \
             `pmu/…/` belongs to an event. Null: none.",
            |r: &StatusRow| r.missing.as_deref().into(),
        ),
        label("error", "Why nothing is counted at present; null while there are counts.", |r: &StatusRow| {
            r.error.as_deref().into()
        }),
    ],
};

/// An event as perf prints it, with its parts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EventName {
    pub printed: String,
    pub pmu: Option<String>,
    pub modifiers: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountStatus {
    Counted,
    NotCounted,
    NotSupported,
}

impl CountStatus {
    pub const fn word(self) -> &'static str {
        match self {
            CountStatus::Counted => "counted",
            CountStatus::NotCounted => "not_counted",
            CountStatus::NotSupported => "not_supported",
        }
    }
}

/// A row of the table `perf`.
#[derive(Clone, Debug, PartialEq)]
pub struct PerfRow {
    pub name: Arc<EventName>,
    pub cpu: Option<i32>,
    pub target: Option<Arc<str>>,
    /// The count of the interval, scaled up if the event shared its counter; clocks in milliseconds.
    pub value: Option<f64>,
    pub unit: Option<Arc<str>>,
    pub status: CountStatus,
    /// Percent of its enabled time that the event was on a counter; null if it was never enabled.
    pub running_percent: Option<f64>,
}

pub struct StatusRow {
    available: bool,
    missing: Option<Arc<str>>,
    error: Option<String>,
}

impl StatusRow {
    /// None of the events is counted, for this reason.
    pub fn uncounted(missing: &str, error: &str) -> StatusRow {
        let missing = Some(missing.into()).filter(|_| !missing.is_empty());
        StatusRow { available: false, missing, error: Some(error.into()) }
    }
}

/// Adds the status of an interval.
pub fn push_status(stamp: Stamp, missing: Option<Arc<str>>, out: &mut Sample) {
    out.push_at(&PERF_STATUS, stamp, &[StatusRow { available: missing.is_none(), missing, error: None }]);
}

/// Reports that nothing is counted from here on.
pub fn push_error(ts_us: i64, error: String, out: &mut Sample) {
    let row = StatusRow { available: false, missing: None, error: Some(error) };
    out.push_at(&PERF_STATUS, Stamp { ts_us, elapsed_s: None }, &[row]);
}

/// Which of the requested events have no counted row in an interval. The text is only built again when that changed.
#[derive(Debug)]
pub struct Missing {
    requests: Arc<[Request]>,
    events: Vec<Request>,
    answered: Vec<bool>,
    before: Vec<bool>,
    text: Option<Arc<str>>,
}

impl Missing {
    pub fn new(requests: Arc<[Request]>) -> Missing {
        let events = events_of(&requests);
        Missing { answered: vec![false; events.len()], requests, events, before: Vec::new(), text: None }
    }

    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Single events, each once, in the order of the requests.
    pub fn events(&self) -> &[Request] {
        &self.events
    }

    /// Notes that the event with this index has a counted row.
    pub fn answer(&mut self, event: usize) {
        if let Some(answered) = self.answered.get_mut(event) {
            *answered = true;
        }
    }

    /// Ends the interval. Returns the events that were not counted, as a list that `split_list` can parse.
    pub fn take(&mut self) -> Option<Arc<str>> {
        if self.answered != self.before {
            let events = self.events.iter().zip(&self.answered);
            let names: Vec<&str> = events.filter(|(_, answered)| !**answered).map(|(r, _)| &*r.text).collect();
            self.text = Some(names.join(",")).filter(|names| !names.is_empty()).map(Into::into);
            self.before.clone_from(&self.answered);
        }
        self.answered.fill(false);
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::request::split_list;

    #[test]
    fn names_with_commas_can_be_told_apart() {
        let events = ["msr/tsc,name='a,b'/", "cs", "cpu/event=0x3c,umask=0x1/u", "r01c2"];
        let requests: Vec<Request> = events.iter().map(|event| Request::new(*event)).collect();
        let mut missing = Missing::new(requests.into());
        assert_eq!(split_list(&missing.take().unwrap()), events);
        missing.answer(1);
        assert_eq!(split_list(&missing.take().unwrap()), [events[0], events[2], events[3]]);
        (0..4).for_each(|event| missing.answer(event));
        assert_eq!(missing.take(), None);
    }
}
