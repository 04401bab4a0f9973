//! The sentences and cells of a comparison, for a page that adds charts.

use super::moved::moved;
use super::words;
use crate::compare::comparison::{Compared, Comparison};

/// What is said before the table.
pub struct Sentences {
    pub conclusion: String,
    pub heading: String,
    pub notes: Vec<String>,
}

impl Sentences {
    pub fn of(comparison: &Comparison) -> Sentences {
        let notes = moved(comparison).into_iter().chain(words::mismatches(comparison)).chain(comparison.notes.clone());
        Sentences {
            conclusion: words::conclusion(comparison),
            heading: words::heading(comparison),
            notes: notes.collect(),
        }
    }
}

/// The cells of a metric.
pub struct Row {
    pub base: String,
    pub new: String,
    pub change: String,
    pub interval: String,
    pub p: String,
    pub verdict: String,
}

impl Row {
    pub fn of(metric: &Compared) -> Row {
        Row {
            base: words::value(metric.judged.base, metric),
            new: words::value(metric.judged.new, metric),
            change: words::change(metric),
            interval: words::interval(metric),
            p: words::p(metric),
            verdict: words::verdict_with_runs(metric),
        }
    }
}
