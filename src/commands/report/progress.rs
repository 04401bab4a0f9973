//! The progress bar of a long report.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::linux::clock;

/// A progress bar on standard error, if that is a terminal and the work takes some time.
pub struct Progress {
    started: Instant,
    steps: u64,
    at: u64,
    bar: Option<ProgressBar>,
    is_hidden: bool,
}

/// Shorter work needs no bar.
const PATIENCE: Duration = Duration::from_millis(400);

impl Progress {
    pub fn new(steps: usize) -> Self {
        Progress { started: clock::instant(), steps: steps as u64, at: 0, bar: None, is_hidden: false }
    }

    /// Never shows a bar.
    pub fn hidden() -> Self {
        Progress { is_hidden: true, ..Progress::new(0) }
    }

    pub fn step(&mut self, table: &str) {
        self.at += 1;
        if self.is_hidden || self.bar.is_none() && self.started.elapsed() < PATIENCE {
            return;
        }
        let steps = self.steps;
        let bar = self.bar.get_or_insert_with(|| {
            // Hidden automatically if standard error is not a terminal.
            let style = ProgressStyle::with_template("reading {msg:12} {bar:30} {pos}/{len}");
            ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_message(table.to_string());
        bar.set_position(self.at);
    }

    pub fn done(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
