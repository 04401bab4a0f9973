//! Our own few words: all on stderr, so that stdout is data alone. The progress line only where a person looks on.

use std::io::{IsTerminal, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use crate::manifest::{CollectorFacts, State};
use crate::recorder::Progress;

/// `1 tick`, `2 ticks`.
pub fn ticks(n: u64) -> String {
    if n == 1 { "1 tick".into() } else { format!("{n} ticks") }
}

/// A line on stderr. A reader that has gone (`| head`, a terminal that was closed) does not end the recording.
fn print(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says things on stderr, as much as the user asked for.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    pub quiet: bool,
    pub verbose: bool,
}

impl Teller {
    /// Does a person look on, who may want to know what to do next?
    pub fn has_reader(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// News that scripts can do without.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            print(format_args!("perfwatch: {text}"));
        }
    }

    /// What `-v` asks for.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            print(format_args!("perfwatch: {text}"));
        }
    }

    /// Something is not as it should be; the recording goes on.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            print(format_args!("perfwatch: warning: {text}"));
        }
    }

    /// What is missing on this machine, once, in as few lines as it takes.
    pub fn about_collectors(&self, facts: &[CollectorFacts]) {
        for fact in facts {
            match fact.state {
                State::Unavailable => {
                    let advice = fact.advice.as_ref().map_or_else(String::new, |a| format!(" ({a})"));
                    self.say(&format!("no {}: {}{advice}", fact.name, fact.notes.join("; ")));
                }
                State::Partial => self.say(&format!("{}: {}", fact.name, fact.notes.join("; "))),
                State::Recorded | State::Disabled => self.detail(&format!("{}: {}", fact.name, fact.state.word())),
            }
        }
    }
}

/// The line that shows a recording going on; nothing where stderr is no terminal, or with `-q`.
pub struct Line {
    bar: Option<ProgressBar>,
}

impl Line {
    pub fn new(tell: &Teller, duration: Option<Duration>) -> Line {
        if !tell.has_reader() {
            return Line { bar: None };
        }
        let until = duration.map_or_else(String::new, |d| format!(" of {}", humantime::format_duration(d)));
        let template = format!("{{spinner}} {{elapsed_precise}}{until}  {{msg}}");
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Line { bar: Some(bar) }
    }

    pub fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    pub fn draw(&self, progress: &Progress) {
        let Some(bar) = &self.bar else { return };
        let mut text = ticks(progress.ticks.load(Relaxed));
        let missed = progress.missed.load(Relaxed);
        if missed > 0 {
            text += &format!(", {missed} missed");
        }
        let lost = progress.lost.load(Relaxed);
        if lost > 0 {
            text += &format!(", {lost} lost");
        }
        text += &format!(", {} in the journal", BinaryBytes(progress.journal_bytes.load(Relaxed)));
        let failing = progress.failing();
        if !failing.is_empty() {
            text += &format!("; failing: {}", failing.join(", "));
        }
        bar.set_message(text);
        bar.tick();
    }

    /// Runs `print` with the line out of the way.
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
