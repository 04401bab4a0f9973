//! How probable it is that levels explain an unchanged series this well by chance.
//!
//! `ratio` is the sum of squares with the levels over that without. The best of all places is tested, and the series may
//! depend on its past in a way that is not known, so this is no ordinary distribution. It was simulated for series of 8 to
//! 200 normal values, in which each depends on the previous one by 0.5, 0.7, 0.8, 0.9 or 0.95; the constants below are of
//! the worst of these. Between probabilities of 0.1 and 0.001 they are right within a tenth. `cargo bench --bench trend`
//! checks the result.

/// Fewer values are not tested.
pub const LEAST: usize = 8;

/// The probability that the best single new level gives at most this ratio.
pub fn of_one(ratio: f64, count: usize) -> f64 {
    let n = count as f64;
    let places = ((n - 5.0) / 2.0).min(2.5 * n.powf(0.4));
    tail(ratio, places, 0.43 * (n - 3.0))
}

/// The probability that the best two new levels, of which the first has five values or more, give at most this ratio.
pub fn of_two(ratio: f64, count: usize) -> f64 {
    let n = count as f64;
    let places = (3.5 * (n - 11.0)).min(n + 50.0);
    if places <= 0.0 { 1.0 } else { tail(ratio, places, 0.37 * (n - 3.0)) }
}

fn tail(ratio: f64, places: f64, power: f64) -> f64 {
    (places * ratio.powf(power)).min(1.0)
}

/// Both are tried, and share the level: two levels in a row are rarer. Their shares add up to one.
pub const SHARE_OF_ONE: f64 = 2.0 / 3.0;
pub const SHARE_OF_TWO: f64 = 1.0 / 3.0;
