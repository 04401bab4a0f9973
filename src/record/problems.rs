//! The sentences about troubles that the manifest keeps.

use super::notice::Notice;

/// A collector may fail and recover for weeks.
const MOST: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// Keeps what the manifest should have of a notice, unless there are too many already.
    pub fn keep(&mut self, notice: &Notice) {
        let Some(problem) = notice.problem() else { return };
        match self.0.len() {
            0..MOST => self.0.push(problem),
            MOST => self.0.push("and more, which were printed but are not kept here".into()),
            _ => {}
        }
    }

    pub fn into_sentences(self) -> Vec<String> {
        self.0
    }
}
