//! Messages on stderr.

use std::io::{IsTerminal, Write};

use super::missing;
use crate::store::manifest::{CollectorFacts, CollectorState};
use crate::text::printable::printable;

/// Prints one line on stderr, with control characters in names escaped. Unlike `eprintln!` it does not panic if the
/// terminal was closed or no process reads the pipe: a recording continues.
pub fn message(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "perfwatch: {}", printable(text));
}

/// Prints messages on stderr, as many as the user wants.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    /// 1: only the result and errors; 2: only errors.
    pub quiet: u8,
    pub verbose: bool,
}

impl Messages {
    /// Is there a terminal, and so perhaps a person who wants to know the next step?
    pub fn is_interactive(&self) -> bool {
        self.quiet == 0 && std::io::stderr().is_terminal()
    }

    /// Prints a message that scripts do not need.
    pub fn news(&self, text: &str) {
        if self.quiet == 0 {
            message(text);
        }
    }

    /// Prints the result.
    pub fn result(&self, text: &str) {
        if self.quiet < 2 {
            message(text);
        }
    }

    /// Prints a message that is only shown with `-v`.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            message(text);
        }
    }

    /// Prints a warning. The recording continues.
    pub fn warn(&self, text: &str) {
        if self.quiet == 0 {
            message(&format!("warning: {text}"));
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
                    self.news(&format!("no {}: {}{advice}", fact.name, fact.notes.join("; ")));
                }
                CollectorState::Partial => self.news(&format!("{}: {}", fact.name, fact.notes.join("; "))),
                CollectorState::Recorded | CollectorState::Disabled => {
                    let by = fact.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
                    self.detail(&format!("{}: {}{by}", fact.name, fact.state.word()));
                }
            }
        }
        if !missing.is_empty() {
            self.news(&format!("not available here: {}; `perfwatch doctor` shows why", missing.join(", ")));
        }
    }
}
