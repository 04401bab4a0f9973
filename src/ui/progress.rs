//! The progress line of a recording.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use super::Messages;
use crate::record::progress::Progress;
use crate::store::manifest::{CollectorFacts, CollectorState};
use crate::text::words::ticks;

/// Hidden if stderr is not a terminal, or with `-q`.
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    /// What this machine does not have.
    unavailable: String,
}

impl ProgressLine {
    pub fn new(messages: &Messages, duration: Option<Duration>, facts: &[CollectorFacts]) -> ProgressLine {
        if !messages.is_interactive() {
            return ProgressLine::hidden();
        }
        let unavailable = facts.iter().filter(|f| f.state == CollectorState::Unavailable).map(|f| f.name.as_str());
        let unavailable = match unavailable.collect::<Vec<_>>() {
            none if none.is_empty() => String::new(),
            names => format!("; unavailable: {}", names.join(", ")),
        };
        let until = duration.map_or_else(String::new, |d| format!(" of {}", humantime::format_duration(d)));
        // Cut at the edge of the terminal: a line that wraps would remain there at each redraw.
        let template = format!("{{spinner}} {{elapsed_precise}}{until}  {{wide_msg}}");
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        ProgressLine { bar: Some(bar), unavailable }
    }

    /// No line, even on a terminal.
    pub fn hidden() -> ProgressLine {
        ProgressLine { bar: None, unavailable: String::new() }
    }

    pub fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    pub fn draw(&self, progress: &Progress) {
        let Some(bar) = &self.bar else { return };
        let missed = progress.missed.load(Relaxed);
        let mut text = format!("{}, {missed} missed", ticks(progress.ticks.load(Relaxed)));
        let lost = progress.lost.load(Relaxed);
        if lost > 0 {
            text += &format!(", {lost} lost");
        }
        text += &format!(", {} in the journal", BinaryBytes(progress.journal_bytes.load(Relaxed)));
        let failing = progress.failing();
        if !failing.is_empty() {
            text += &format!("; failing: {}", failing.join(", "));
        }
        text += &self.unavailable;
        bar.set_message(text);
        bar.tick();
    }

    /// Runs `print` while the line is cleared.
    pub fn suspend(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
