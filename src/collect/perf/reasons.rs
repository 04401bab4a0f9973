//! Notes about events that are not counted, or only partly.

use crate::events::generic::CPU_CLOCK;
use crate::events::modifier::counts_nothing_in_user_mode;
use crate::events::request::Request;

/// Reasons in the order in which they were added, each with its events.
#[derive(Debug, Default)]
pub struct Reasons(Vec<(String, Vec<String>)>);

impl Reasons {
    pub fn add(&mut self, reason: impl Into<String>, event: &str) {
        let reason = reason.into();
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, events)) => events.push(event.to_string()),
            None => self.0.push((reason, vec![event.to_string()])),
        }
    }

    /// One line per reason.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(reason, events)| format!("{reason}: {}", events.join(", ")))
    }

    /// All in one line.
    pub fn joined(&self) -> String {
        self.notes().collect::<Vec<_>>().join("; ")
    }
}

/// Why an event has no value although the kernel would return zero.
pub const NOT_IN_USER_MODE: &str = "happens in the kernel, and only user mode is counted";

/// The note if only user mode is counted although more was requested.
pub fn user_only(events: &[String]) -> Vec<String> {
    let (never, counted): (Vec<&String>, Vec<&String>) = events.iter().partition(|e| counts_nothing_in_user_mode(e));
    let mut notes = Reasons::default();
    counted.iter().for_each(|event| notes.add("counted in user mode only, because of missing permission", event));
    never.iter().for_each(|event| notes.add(NOT_IN_USER_MODE, event));
    notes.notes().collect()
}

/// The advice if nothing that was requested can be counted, and nothing helps.
pub fn instead_of(requests: &[Request]) -> Option<String> {
    let has_clock = requests.iter().flat_map(Request::members).any(|member| member == CPU_CLOCK);
    (!has_clock)
        .then(|| format!("{CPU_CLOCK} counts on every machine; `perfwatch events` lists the events that count here"))
}
