//! Runs that go on until the metrics are decided (`ab --until-decided`): when to look, and what each look costs.
//!
//! A test that is repeated after each run finds a difference sooner or later, also between identical sides. So the
//! number of looks is fixed before the first run, and each look tests at its part of the level: with seven looks, every
//! p value counts seven times (Bonferroni), before the adjustment for the number of metrics (Holm). The probability of
//! any false alarm at any look then stays within the level, whatever the distribution and whenever one stops.

use super::judge::LEAST_RUNS;

/// Each look is at this many times as many runs as the one before. Looks that are closer save few runs, because each
/// makes the level of all others smaller: with a factor of 1.25 as many runs are needed, with 2 a tenth more (see
/// `benches/compare.rs`).
const FACTOR: f64 = 1.5;

/// The numbers of runs per side after which to look: the first after `first`, the last after `most`, which is at least
/// [`LEAST_RUNS`].
pub fn schedule(first: u32, most: u32) -> Vec<u32> {
    let mut looks = vec![first.min(most).max(LEAST_RUNS as u32)];
    while let Some(last) = looks.last().copied().filter(|last| *last < most) {
        looks.push(most.min((f64::from(last) * FACTOR).ceil() as u32));
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ever_further_apart() {
        assert_eq!(schedule(5, 60), [5, 8, 12, 18, 27, 41, 60]);
        assert_eq!((schedule(5, 5), schedule(5, 4)), (vec![5], vec![4]));
        assert_eq!(schedule(1, 4), [3, 4]);
    }
}
