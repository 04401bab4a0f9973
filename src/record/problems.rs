//! The problems that are listed in the manifest.

use super::notice::Notice;

/// A limit, because a collector may fail and recover for weeks.
const MOST: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// Adds the problem in a notice, if there is one and there are not too many already.
    pub fn keep(&mut self, notice: &Notice) {
        let Some(problem) = notice.problem() else { return };
        match self.0.len() {
            0..MOST => self.0.push(problem),
            MOST => self.0.push("there were more, which were printed but are not listed here".into()),
            _ => {}
        }
    }

    pub fn into_sentences(self) -> Vec<String> {
        self.0
    }
}
