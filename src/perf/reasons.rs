//! What is said about events that are not counted, or not wholly.

use super::event::generic;
use super::event::name::parts;

/// Reasons in the order in which they came up, each with its events.
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

    /// A line for each.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(reason, events)| format!("{reason}: {}", events.join(", ")))
    }

    /// All in one line.
    pub fn joined(&self) -> String {
        self.notes().collect::<Vec<_>>().join("; ")
    }
}

/// What is said where user mode alone is counted although more was asked for.
pub fn user_only(events: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    if !events.is_empty() {
        notes.push(format!("counted in user mode only, for lack of permission: {}", events.join(", ")));
    }
    let is_of_kernel =
        |e: &&String| matches!(&*generic::usual_name(parts(e).base), "context-switches" | "cpu-migrations");
    let never: Vec<&str> = events.iter().filter(is_of_kernel).map(String::as_str).collect();
    if !never.is_empty() {
        notes.push(format!("always zero, since they happen in the kernel: {}", never.join(", ")));
    }
    notes
}
