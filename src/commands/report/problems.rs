//! Problems with recordings: reported on standard error, and counted for the exit status.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Outcome;
use crate::store::read::piece::{Fault, ReadError};
use crate::ui;

/// The problems reported on standard error, each once, and once per file.
#[derive(Default)]
pub struct Problems {
    pub any: bool,
    said: Vec<PathBuf>,
    texts: BTreeSet<String>,
}

impl Problems {
    pub fn outcome(&self) -> Outcome {
        if self.any { Outcome::Incomplete } else { Outcome::Done }
    }
    /// Prints a message that is not about a problem.
    pub fn note(&mut self, text: String) {
        self.once(text);
    }
    pub fn say(&mut self, text: String) {
        self.any = true;
        self.once(text);
    }
    fn once(&mut self, text: String) {
        if !self.texts.contains(&text) {
            ui::message(&text);
            self.texts.insert(text);
        }
    }
    pub fn files(&mut self, faults: &[ReadError]) {
        for fault in faults {
            if !self.said.contains(&fault.path) {
                self.say(match fault.fault {
                    Fault::Journal(_) | Fault::NoJournal => fault.to_string(),
                    _ => format!("skipped {fault}"),
                });
                self.said.push(fault.path.clone());
            }
        }
    }
}
