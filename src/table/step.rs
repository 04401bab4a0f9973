//! The change of a counter between two readings. The rules for invalid growth are only here; rates ([`super::rates`])
//! and totals ([`crate::report`]) share them.

/// The change between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// At least one of the values is missing.
    Unknown,
    /// It grew by this much, usually zero.
    Grew(i64),
    /// It went back by this much: it was reset, or belongs to another entity now.
    Fell(i64),
    /// It wrapped at 32 bits, as in old drivers and some clocks of the kernel.
    Wrapped,
    /// It returned to its value from before a fall: some drivers show zero occasionally. Contains the growth since that
    /// value.
    Returned(i64),
    /// It grew by more than any device can.
    Impossible,
}

/// Maximum delay of counts: some drivers update every two seconds, at any interval.
pub const LATE_S: f64 = 2.0;

/// A fall of a counter from which it has not returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fall {
    from: i64,
    to: i64,
}

/// What must be known about a counter in addition to its previous value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    fall: Option<Fall>,
}

impl Memory {
    /// Continues after a missing value.
    pub fn resume(&mut self, now: i64) {
        self.fall = self.fall.filter(|fall| now < fall.from);
    }

    /// The change in `elapsed_s` seconds; `most_per_sec` is the maximum growth per second.
    pub fn step(&mut self, before: i64, now: i64, elapsed_s: f64, most_per_sec: f64) -> Step {
        let Some(step) = now.checked_sub(before) else { return Step::Impossible };
        if step < 0 {
            let from = self.fall.map_or(before, |fall| fall.from.max(before));
            self.fall = Some(Fall { from, to: now });
            return if has_wrapped(before, now) { Step::Wrapped } else { Step::Fell(step.saturating_neg()) };
        }
        let is_possible = |growth: i64| growth as f64 <= most_per_sec * (elapsed_s + LATE_S);
        if let Some(fall) = self.fall {
            let is_above = now > fall.from;
            let depth = fall.from.saturating_sub(fall.to);
            // A reset counter grows back in many steps. A single step over most of the distance is a return to the old
            // value.
            let is_back = step >= depth - depth / 16 || is_above && step > depth / 2;
            if is_back || is_above {
                self.fall = None;
            }
            if is_back {
                let growth = now.saturating_sub(fall.from).max(0);
                return if is_possible(growth) { Step::Returned(growth) } else { Step::Impossible };
            }
        }
        if is_possible(step) { Step::Grew(step) } else { Step::Impossible }
    }
}

/// From the last eighth of the 32-bit range to the first.
fn has_wrapped(before: i64, now: i64) -> bool {
    const END: i64 = 1 << 32;
    (END - END / 8..END).contains(&before) && (0..END / 8).contains(&now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps of a byte counter that is read every second.
    fn steps(values: &[i64]) -> Vec<Step> {
        let mut memory = Memory::default();
        values.windows(2).map(|pair| memory.step(pair[0], pair[1], 1.0, 250e9)).collect()
    }

    use Step::{Fell, Grew, Impossible, Returned, Wrapped};

    #[test]
    fn a_counter_that_is_zero_and_returns_did_not_grow_by_its_value() {
        let tera = 1_000_000_000_000;
        assert_eq!(steps(&[tera, 0, tera + 100, tera + 300]), [Fell(tera), Returned(100), Grew(200)]);
        // Zero for longer, and counting in the meantime.
        assert_eq!(steps(&[tera, 0, 0, tera + 100]), [Fell(tera), Grew(0), Returned(100)]);
        assert_eq!(steps(&[tera, 0, 5000, tera + 100]), [Fell(tera), Grew(5000), Returned(100)]);
        // No growth in the meantime, or the value is slightly older.
        assert_eq!(steps(&[5000, 0, 5000, 5010]), [Fell(5000), Returned(0), Grew(10)]);
        assert_eq!(steps(&[5000, 0, 4900, 5010]), [Fell(5000), Returned(0), Grew(110)]);
        assert_eq!(steps(&[900, 500, 0, 910]), [Fell(400), Fell(500), Returned(10)], "it fell twice");
        assert_eq!(steps(&[5000, 0, 5010, 0, 5020]), [Fell(5000), Returned(10), Fell(5010), Returned(10)]);
    }

    #[test]
    fn a_reset_counter_grows_past_its_old_value() {
        assert_eq!(steps(&[1000, 2000, 0, 1000, 2000, 3000])[2..], [Grew(1000), Grew(1000), Grew(1000)]);
        assert_eq!(steps(&[120, 3, 4, 60, 119, 130])[1..], [Grew(1), Grew(56), Grew(59), Grew(11)]);
        // When it has passed the old value, the fall is no longer stored.
        assert_eq!(steps(&[100, 0, 40, 80, 110, 220])[1..], [Grew(40), Grew(40), Grew(30), Grew(110)]);
    }

    #[test]
    fn impossible_growth_is_recognized() {
        // 250 GB/s for one second, and two more because a driver may be late.
        assert_eq!(steps(&[5, 5 + 750_000_000_000, 6 + 1_500_000_000_000]), [Grew(750_000_000_000), Impossible]);
        assert_eq!(steps(&[i64::MIN, i64::MAX]), [Impossible]);
        let tera = 1_000_000_000_000;
        assert_eq!(
            steps(&[tera, 0, 900 * tera]),
            [Fell(tera), Impossible],
            "also if it returns to a value that is too high"
        );
        assert_eq!(Memory::default().step(0, 300, 1.0, 100.0), Grew(300));
        assert_eq!(Memory::default().step(0, 301, 1.0, 100.0), Impossible);
    }

    #[test]
    fn a_wrap_of_32_bits_is_not_a_fall() {
        assert_eq!(steps(&[4_294_967_290, 500, 900]), [Wrapped, Grew(400)]);
        assert_eq!(steps(&[4_294_967_296, 500]), [Fell(4_294_966_796)]);
        assert_eq!(steps(&[3_000_000_000, 500]), [Fell(2_999_999_500)]);
        assert_eq!(steps(&[4_294_967_290, 0, 4_294_967_295]), [Wrapped, Returned(5)], "it was not a wrap");
    }

    #[test]
    fn a_small_dip_is_followed_by_a_return() {
        assert_eq!(steps(&[1000, 999, 1100]), [Fell(1), Returned(100)]);
    }

    proptest::proptest! {
        #[test]
        fn no_values_cause_a_panic(values: Vec<i64>, elapsed_s: f64) {
            let mut memory = Memory::default();
            for pair in values.windows(2) {
                memory.step(pair[0], pair[1], elapsed_s, 1e9);
            }
        }
    }
}
