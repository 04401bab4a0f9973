//! Starts of the recorder, and the times in which it recorded nothing: between two of its sessions, and where ticks were
//! missed.

use serde::Serialize;

use super::model::Instant;

/// A time without a tick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hole {
    /// The tick before, and the one after.
    pub from: Instant,
    pub to: Instant,
    /// By how much the ticks around it are farther apart than they should be.
    pub seconds: f64,
    /// The recorder was started again at its end; otherwise ticks were missed.
    pub restart: bool,
}

/// The continuity of a recording, found tick by tick.
#[derive(Debug, Default)]
pub struct Continuity {
    /// Sessions with a tick.
    pub sessions: u64,
    pub holes: Vec<Hole>,
    last_us: Option<i64>,
}

impl Continuity {
    /// Adds the next tick. `elapsed_s`: none for the first tick of a session.
    pub fn tick(&mut self, ts_us: i64, elapsed_s: Option<f64>, missed: i64) {
        let before = self.last_us.replace(ts_us);
        if before.is_none() || elapsed_s.is_none() {
            self.sessions += 1;
        }
        let Some(before_us) = before else { return };
        let seconds = match elapsed_s {
            None => ts_us.saturating_sub(before_us) as f64 / 1e6,
            Some(elapsed_s) if missed > 0 => elapsed_s * missed as f64 / (missed as f64 + 1.0),
            Some(_) => return,
        };
        // If the clock was set back between two sessions, the length is not known.
        if seconds > 0.0 {
            let (from, to) = (Instant(before_us), Instant(ts_us));
            self.holes.push(Hole { from, to, seconds, restart: elapsed_s.is_none() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_missed_ticks() {
        let second = 1_000_000;
        let mut found = Continuity::default();
        found.tick(0, None, 0);
        found.tick(second, Some(1.0), 0);
        // Two ticks were missed: three intervals in place of one.
        found.tick(4 * second, Some(3.0), 2);
        found.tick(60 * second, None, 0);
        // The clock was set back.
        found.tick(10 * second, None, 0);
        assert_eq!(found.sessions, 3);
        let holes: Vec<(i64, i64, f64, bool)> =
            found.holes.iter().map(|h| (h.from.0 / second, h.to.0 / second, h.seconds, h.restart)).collect();
        assert_eq!(holes, [(1, 4, 2.0, false), (4, 60, 56.0, true)]);
    }

    #[test]
    fn a_part_of_a_session_is_one() {
        let mut found = Continuity::default();
        found.tick(0, Some(1.0), 5);
        found.tick(1_000_000, Some(1.0), 0);
        assert_eq!((found.sessions, found.holes.len()), (1, 0), "what was before the first tick is not known");
    }
}
