//! How probable it is that a shape explains an unchanged series this well by chance.
//!
//! `ratio` is the sum of squares with the shape over that without. The best of all places is tested, and the series may
//! depend on its past in a way that is not known, so this is no ordinary distribution. It was simulated for series of 8 to
//! 300 normal values, in which each depends on the previous one by 0, 0.4, 0.6, 0.8, 0.9 or 0.95. Its tail is
//!
//! places × ratio^(power × (n - 3)) × e^(2 × persistence)
//!
//! with constants that hold for the worst of these dependences; probabilities from 0.1 to 0.001 are right within a fifth,
//! or too large. `persistence` is what the shape leaves: a series that still wanders could have wandered there. Without
//! this factor, a change in independent values would have to be as large as in those that depend on each other.
//! `cargo bench --bench trend` checks the result.

/// Fewer values are not tested.
pub const LEAST: usize = 8;

/// The tail of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// Places count up to `most`, of short series `per_value` for each value more than `from`.
    most: f64,
    per_value: f64,
    from: f64,
    power: f64,
    /// Several shapes are tried and share the level: the simpler, the more. The shares add up to 1.5, because the shapes
    /// find the same things in a series: of series in which each value depends on the previous one by 0.6, 3 % have any
    /// shape with a probability of 0.05 or less, and 5 % at 0.9.
    share: f64,
}

/// A straight line.
pub const LINE: Law = Law { most: 0.9, per_value: 1.0, from: 0.0, power: 0.42, share: 0.3 };

/// One new level, two, three and four.
pub const LEVELS: [Law; 4] = [
    Law { most: 3.2, per_value: 0.25, from: 3.0, power: 0.40, share: 0.6 },
    Law { most: 34.0, per_value: 2.0, from: 8.5, power: 0.35, share: 0.3 },
    Law { most: 180.0, per_value: 9.0, from: 13.0, power: 0.31, share: 0.15 },
    Law { most: 1050.0, per_value: 45.0, from: 18.5, power: 0.29, share: 0.15 },
];

impl Law {
    /// The probability, divided by the share, so that it can be compared with the level of all shapes together. 1 of a
    /// series that is too short.
    pub fn p(&self, ratio: f64, persistence: f64, count: usize) -> f64 {
        let n = count as f64;
        let places = (self.per_value * (n - self.from)).min(self.most);
        if places <= 0.0 || count < LEAST {
            return 1.0;
        }
        let p = places * ratio.powf(self.power * (n - 3.0)) * (2.0 * persistence).exp();
        (p / self.share).min(1.0)
    }
}
