//! Events that are not counted, put together by the reason.

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
