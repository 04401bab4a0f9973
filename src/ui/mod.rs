//! Messages: all on stderr, so that stdout contains only data. The progress line is shown only on a terminal.

mod missing;
pub mod terminal;

use std::io::{IsTerminal, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use crate::record::progress::Progress;
use crate::store::manifest::{CollectorFacts, CollectorState};
use crate::text::printable::printable;
use crate::text::words::ticks;

/// Prints one line on stderr, with control characters in names escaped. Unlike `eprintln!` it does not panic if the
/// terminal was closed or no process reads the pipe: a recording continues.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "perfwatch: {}", printable(text));
}

/// Prints messages on stderr, as many as the user wants.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    /// 1: only the result and errors; 2: only errors.
    pub quiet: u8,
    pub verbose: bool,
}

impl Teller {
    /// Is there a terminal, and so perhaps a person who wants to know the next step?
    pub fn has_reader(&self) -> bool {
        self.quiet == 0 && std::io::stderr().is_terminal()
    }

    /// Prints a message that scripts do not need.
    pub fn say(&self, text: &str) {
        if self.quiet == 0 {
            complain(text);
        }
    }

    /// Prints the result.
    pub fn result(&self, text: &str) {
        if self.quiet < 2 {
            complain(text);
        }
    }

    /// Prints a message that is only shown with `-v`.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            complain(text);
        }
    }

    /// Prints a warning. The recording continues.
    pub fn warn(&self, text: &str) {
        if self.quiet == 0 {
            complain(&format!("warning: {text}"));
        }
    }

    /// Prints what is missing on this machine: in one line, and in full for collectors that were requested by name.
    pub fn about_collectors(&self, facts: &[CollectorFacts], is_asked: impl Fn(&str) -> bool) {
        let mut missing = Vec::new();
        for fact in facts {
            let in_full = self.verbose || is_asked(&fact.name) || missing::is_strange(fact);
            match fact.state {
                CollectorState::Unavailable | CollectorState::Partial if !in_full => {
                    missing.extend(missing::brief(fact))
                }
                CollectorState::Unavailable => {
                    let advice = fact.advice.as_ref().map_or_else(String::new, |a| format!(" ({a})"));
                    self.say(&format!("no {}: {}{advice}", fact.name, fact.notes.join("; ")));
                }
                CollectorState::Partial => self.say(&format!("{}: {}", fact.name, fact.notes.join("; "))),
                CollectorState::Recorded | CollectorState::Disabled => {
                    let by = fact.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
                    self.detail(&format!("{}: {}{by}", fact.name, fact.state.word()));
                }
            }
        }
        if !missing.is_empty() {
            self.say(&format!("not available here: {}; `perfwatch doctor` shows why", missing.join(", ")));
        }
    }
}

/// The progress line of a recording. Hidden if stderr is not a terminal, or with `-q`.
pub struct Line {
    bar: Option<ProgressBar>,
    /// What this machine does not have.
    unavailable: String,
}

impl Line {
    pub fn new(tell: &Teller, duration: Option<Duration>, facts: &[CollectorFacts]) -> Line {
        if !tell.has_reader() {
            return Line::hidden();
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
        Line { bar: Some(bar), unavailable }
    }

    /// No line, even on a terminal.
    pub fn hidden() -> Line {
        Line { bar: None, unavailable: String::new() }
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
